"""Config dataclasses from settings by name, as a file or a command line has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar

from vlfeedback.errors import InvalidTypeError, UnknownNameError
from vlfeedback.registry import suggest

__all__ = ["configured"]

Config = TypeVar("Config")


def configured(config_type: type[Config], settings: Any) -> Config:
    """A config with these settings and its defaults.

    Lists become tuples where the default is one, as JSON and TOML have none.

    Args:
        config_type: a dataclass.
        settings: by the names of its fields.

    Raises:
        UnknownNameError: it has no such setting; the message suggests the nearest.
        TypeError: a setting is of another kind than its default.
        ValueError: the config refuses it.
    """
    if not isinstance(settings, Mapping):
        raise InvalidTypeError(
            f"Settings of {config_type.__name__} are {settings!r}; expected them by name, such as "
            '{"n_members": 1}.'
        )
    by_name: dict[str, Field[Any]] = {f.name: f for f in fields(config_type) if f.init}  # type: ignore[arg-type]
    for name in settings:
        if name not in by_name:
            raise UnknownNameError(
                f"{config_type.__name__} has no setting {name!r}. {suggest(name, by_name)}It has: "
                f"{', '.join(by_name)}."
            )
    return config_type(
        **{
            name: _of_kind(value, by_name[name], config_type.__name__)
            for name, value in settings.items()
        }
    )


def _of_kind(value: Any, field: Field[Any], config: str) -> Any:
    """The value, if it is of the default's kind; where that is None, anything is."""
    word = field.metadata.get("or")  # taken beside what is of its kind, such as "auto"
    if word is not None and isinstance(value, str) and value == word:
        return value
    default = field.default if field.default_factory is MISSING else field.default_factory()
    if default is MISSING or default is None or value is None:
        return value
    kind: Any = type(default)
    if kind is tuple and isinstance(value, list):
        return tuple(value)
    accepted = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise InvalidTypeError(
            f"{config} has {field.name}={value!r}; expected {kind.__name__}, such as {default!r}."
        )
    return value
