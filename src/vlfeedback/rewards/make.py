"""Make a source from an id and settings, and describe it as JSON; for sources of either kind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from vlfeedback.arguments import on_device
from vlfeedback.errors import FileFormatError, InvalidTypeError, InvalidValueError, UnknownNameError
from vlfeedback.registry import Entry, Registry
from vlfeedback.setting_types import checked_settings
from vlfeedback.types import unwrapped

__all__ = ["describe", "make", "name_of_target", "rebuild"]

_VERSION = 1  # of the description's layout


def make(
    registry: Registry[Any], source: str, *, device: str, config: Mapping[str, Any], method: str
) -> Any:
    """Make the source of this id.

    Args:
        registry: where its name is looked up.
        source: ``"family"`` or ``"family.variant"``.
        device: handed to its constructor.
        config: fields of its config.
        method: what it has to offer besides `needs`: ``"rewards"`` or ``"label"``.

    Raises:
        UnknownNameError: no such source, variant or setting.
        InvalidValueError: the variant and a setting choose the same; or there is no such device.
        MissingExtraError: see `Registry.load`.
        BrokenPluginError: see `Registry.load`.
        InvalidTypeError: a setting is of another type than the field of the config; or the class
            does not follow the rules in `vlfeedback.rewards`.
    """
    name, variant = (source, "") if source in registry else _split(source)
    cls = registry.load(name)
    where = f"{cls.__module__}.{cls.__qualname__}"
    config_type = getattr(cls, "config_type", None)
    if not (isinstance(config_type, type) and is_dataclass(config_type)):
        raise InvalidTypeError(
            f"{where} is no source: its `config_type` is {config_type!r}; expected a frozen "
            "dataclass of its settings."
        )
    _check_has(cls, method, where)
    settings = dict(config)
    if variant:
        settings |= _choose_variant(config_type, name, variant, settings)
    settings = checked_settings(config_type, settings, of=f"source {name!r}")
    with on_device(device):
        instance = cls(config_type(**settings), device=device)
    for member in ("needs", "config"):
        _check_has(instance, member, where)
    return instance


def describe(registry: Registry[Any], source: Any) -> dict[str, Any]:
    """``{"type": name, "params": settings, "version": 1}`` of a source.

    Raises:
        UnknownNameError: the source's class is not in the registry.
        TypeError: a setting is no JSON value.
    """
    source = unwrapped(source)
    params: dict[str, Any] = json.loads(json.dumps(asdict(source.config)))
    return {"type": _name_of(registry, type(source)), "params": params, "version": _VERSION}


def rebuild(
    registry: Registry[Any], description: Mapping[str, Any], device: str, *, method: str
) -> Any:
    """Make the source that `describe` described.

    Raises:
        FileFormatError: `description` is none, or of a newer release.
    """
    if set(description) != {"type", "params", "version"}:
        raise FileFormatError(
            f"A source's description has the keys {sorted(description)}; expected "
            "'type', 'params' and 'version', as source_to_json gives them."
        )
    if description["version"] > _VERSION:
        raise FileFormatError(
            f"The description of source {description['type']!r} has version "
            f"{description['version']}; this release reads up to {_VERSION}. Update vlfeedback."
        )
    config = description["params"]
    return make(registry, description["type"], device=device, config=config, method=method)


def name_of_target(registry: Registry[Any], target: str) -> str | None:
    """The name whose entry stands for ``"module:Class"``; None where there is none.

    Only plugins of that package are imported, to see whether they name it in an entry of their
    own.
    """
    for entry in registry.entries():
        if entry.target == target and not entry.problem:
            return entry.name
    for entry in _entries_of_package(registry, target):
        if registry.full_entry(entry.name).target == target:
            return entry.name
    return None


def _split(source: str) -> tuple[str, str]:
    name, _, variant = source.partition(".")
    return name, variant


def _choose_variant(
    config_type: Any, name: str, variant: str, settings: Mapping[str, Any]
) -> dict[str, str]:
    field: str | None = getattr(config_type, "variant_field", None)
    if field is None:
        raise UnknownNameError(
            f"Source {name!r} has no variants, and {name + '.' + variant!r} asks for "
            f"{variant!r}. Use {name!r}."
        )
    if field in settings:
        raise InvalidValueError(
            f"{name + '.' + variant!r} and {field}={settings[field]!r} choose the same setting; "
            f"use one of them."
        )
    return {field: variant}


def _check_has(owner: Any, member: str, where: str) -> None:
    if not hasattr(owner, member):
        raise InvalidTypeError(
            f"{where} is no source: it has no `{member}`. See the rules in the documentation of "
            "vlfeedback.rewards, and test it with vlfeedback.testing."
        )


def _name_of(registry: Registry[Any], cls: type) -> str:
    full = f"{cls.__module__}:{cls.__qualname__}"
    name = name_of_target(registry, full)
    if name is not None:
        return name
    # A plugin may name its class by a shorter path than the module that defines it.
    for entry in _entries_of_package(registry, full):
        if registry.load(entry.name) is cls:
            return entry.name
    raise UnknownNameError(
        f"{full} has no name among the {registry.kind}s, so it cannot be made from JSON. Give it "
        f"one with an entry point in the group {registry.group!r}."
    )


def _entries_of_package(registry: Registry[Any], target: str) -> list[Entry]:
    package = target.partition(":")[0].partition(".")[0]
    return [
        entry
        for entry in registry.entries()
        if not entry.problem and entry.target.startswith((package + ".", package + ":"))
    ]
