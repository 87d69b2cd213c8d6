"""Names of sources and all that is known of them: the library's own, and those of plugins.

A plugin is one entry point, ``name = "module:Class"``, or ``name = "module:ENTRY"`` for an `Entry`
of its own with the same fields as the library's. Names are read without importing what they
name, so a broken plugin harms nobody until it is asked for.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from functools import cached_property, reduce
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, Generic, TypeVar, cast

from vlfeedback.errors import (
    BrokenPluginError,
    InvalidTypeError,
    InvalidValueError,
    MissingExtraError,
    UnknownNameError,
    VLFeedbackError,
    reason_of,
)
from vlfeedback.optional import require
from vlfeedback.types.released import Released

__all__ = ["OWN", "Entry", "Registry", "gym_name", "imported", "load_target", "suggest"]

T = TypeVar("T")

OWN = "vlfeedback"
"""The distribution that the library's own entries come from."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One name of a registry, and all that is known of it without importing what it names.

    Attributes:
        name: ``"my-source"``.
        target: ``"module:Class"``, what the name stands for.
        summary: one line for people.
        gym_name: as it stands in a Gymnasium id: ``"MySource"``, which is the default.
        distribution: what ``pip show`` knows its package by; filled in for plugins.
        extra: of vlfeedback, which installs what the class imports: ``"vision"``.
        weights: of a source whose weights others have trained: the files and their licences.
        recogniser: ``"module:function"`` that tells whether a file holds weights of this source:
            ``(Weights) -> Recognised | None``, see `vlfeedback.encoders.recognise`.
        loader: ``"module:function"`` that loads such a file, and raises where it cannot:
            ``(Path, settings) -> object``, with `Recognised.settings`.
        problem: why the name cannot be used; filled in, empty if nothing is known against it.

    Raises:
        InvalidValueError: one of recogniser and loader, without the other.
        InvalidTypeError: something else than text, or than `Released` for `weights`.
    """

    name: str
    target: str
    summary: str = ""
    gym_name: str = ""
    distribution: str = OWN
    extra: str = ""
    weights: Released | None = None
    recogniser: str = ""
    loader: str = ""
    problem: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            is_weights = field.name == "weights"
            if not isinstance(value, Released | None if is_weights else str):
                raise InvalidTypeError(
                    f"Entry {self.name!r} has {field.name}={value!r}; expected "
                    f"{'a Released or None' if is_weights else 'a text'}."
                )
        if bool(self.recogniser) != bool(self.loader):
            raise InvalidValueError(
                f"Entry {self.name!r} has recogniser={self.recogniser!r} and "
                f"loader={self.loader!r}; a file of weights is told by the one and tried with the "
                "other, so give both or neither."
            )
        if not self.gym_name:
            object.__setattr__(self, "gym_name", gym_name(self.name))
        if self.weights is not None:
            object.__setattr__(self, "weights", replace(self.weights, source=self.name))


class Registry(Generic[T]):
    """Things by name, such as classes of sources (T: ``type[RewardSource]``).

    Args:
        kind: what a name stands for, as messages call it: ``"reward source"``.
        group: entry-point group that plugins use: ``"vlfeedback.reward_sources"``.
        listed_by: the command that shows all names: ``"vlfeedback list rewards"``.
        built_ins: the library's own entries.
        values: what stands behind those of them that need no import, by name.

    A name that two distributions give stays listed, so that it is seen; `load` refuses it.
    Names that differ only in case, ``-`` and ``_`` are one name.
    """

    def __init__(
        self,
        kind: str,
        *,
        group: str,
        listed_by: str,
        built_ins: Iterable[Entry],
        values: Mapping[str, T] | None = None,
    ):
        self.kind = kind
        self.group = group
        self.listed_by = listed_by
        self._built_ins = list(built_ins)
        self._values = {_key(name): value for name, value in (values or {}).items()}

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(entry.name for entry in self._entries.values())

    def __contains__(self, name: str) -> bool:
        return _key(name) in self._entries

    def entry(self, name: str) -> Entry:
        """What is known of a name; imports nothing.

        Raises:
            UnknownNameError: there is no such name; the message suggests the nearest.
        """
        if name not in self:
            raise UnknownNameError(
                f"No {self.kind} {name!r}. {suggest(name, self.names())}"
                f"`{self.listed_by}` shows all {len(self._entries)}."
            )
        return self._entries[_key(name)]

    def add(self, entry: Entry, value: T) -> None:
        """Add a name for as long as this process runs.

        Raises:
            InvalidValueError: there is such a name.
        """
        if _key(entry.name) in self._entries:
            first = self._entries[_key(entry.name)]
            raise InvalidValueError(
                f"There is a {self.kind} {first.name!r} already, of {first.distribution!r}; give "
                "yours another name."
            )
        self._built_ins.append(entry)
        self._values[_key(entry.name)] = value
        self._entries[_key(entry.name)] = entry

    def load(self, name: str) -> T:
        """Import what stands behind this name.

        Raises:
            UnknownNameError: there is no such name, or two distributions give it.
            MissingExtraError: a package it needs is not installed; the message names the extra.
            BrokenPluginError: a plugin is broken; the message names its distribution.
        """
        entry = self.full_entry(name)
        if _key(name) in self._values:
            return self._values[_key(name)]
        return cast("T", imported(entry, self.kind))

    def full_entry(self, name: str) -> Entry:
        """All that is known of a name; imports a plugin, whose entry may have more to say.

        Raises:
            UnknownNameError: see `load`, as all others.
            MissingExtraError: see above.
            BrokenPluginError: see above; or its own entry goes by another name.
        """
        entry = self.entry(name)
        if entry.problem:
            raise UnknownNameError(entry.problem)
        if entry.distribution == OWN or _key(name) in self._values:
            return entry
        own = imported(entry, self.kind)
        return _completed(entry, own, self.kind) if isinstance(own, Entry) else entry

    def entries(self) -> list[Entry]:
        """What is known of all names, the library's own first; imports nothing."""
        return list(self._entries.values())

    @cached_property
    def _entries(self) -> dict[str, Entry]:
        found = [*self._built_ins, *self._plugins()]
        by_key: dict[str, list[Entry]] = {}
        for entry in found:
            by_key.setdefault(_key(entry.name), []).append(entry)
        return {key: self._merge(same) for key, same in by_key.items()}

    def _plugins(self) -> list[Entry]:
        points = sorted(
            (p.name, p.value, (p.dist and p.dist.name) or "(unknown)")
            for p in entry_points(group=self.group)
        )
        return [Entry(name, value, distribution=dist) for name, value, dist in points]

    def _merge(self, same: list[Entry]) -> Entry:
        first = same[0]
        if len(same) == 1:
            return first
        given = " and ".join(f"{e.name!r} of {e.distribution!r} ({e.target})" for e in same)
        problem = (
            f"Two {self.kind}s have one name: {given}. Uninstall one of them, or rename its "
            f"entry point in the group {self.group!r}."
        )
        distributions = ", ".join(dict.fromkeys(e.distribution for e in same))
        return replace(first, distribution=distributions, problem=problem)


def suggest(name: str, known: Iterable[str]) -> str:
    """``"Did you mean 'clip'? "`` with the nearest known names, or nothing if none is near.

    >>> suggest("cilp", ["clip", "vlp", "random"])
    "Did you mean 'clip' or 'vlp'? "
    """
    near = get_close_matches(name, list(known), n=2, cutoff=0.5)
    return f"Did you mean {' or '.join(map(repr, near))}? " if near else ""


def load_target(target: str, *, what: str) -> Any:
    """Import what a ``"module:attribute"`` text names.

    Args:
        target: such as ``"my_package.policies:expert"``.
        what: what names it, for messages: "the rollout of task 'fold-towel'".

    Raises:
        UnknownNameError: there is no such module or attribute, or the text is no such text.
        BrokenPluginError: importing the module raised; what vlfeedback raises stays as it is.
    """
    module, _, attribute = target.partition(":")
    expected = f"{what} is {target!r}; expected 'module:function'"
    if not module or not attribute:
        raise UnknownNameError(f"{expected}.")
    try:
        return reduce(getattr, attribute.split("."), importlib.import_module(module))
    except VLFeedbackError:
        raise
    except (AttributeError, ModuleNotFoundError) as error:
        raise UnknownNameError(f"{expected}, and: {error}.") from error
    except (Exception, SystemExit) as error:  # whatever another's module raises
        raise BrokenPluginError(
            f"{what} is {target!r}; importing {module!r} raised {reason_of(error)}."
        ) from error


_ADVICE = "Update it or tell its authors; to go on without it, uninstall it."


def imported(entry: Entry, kind: str, target: str = "") -> Any:
    """Import what an entry names.

    Args:
        entry: whose; a plugin's mistakes are reported with its distribution.
        kind: what the name stands for: ``"reward source"``.
        target: ``"module:attribute"``, such as its recogniser; by default the entry's target.

    Raises:
        MissingExtraError: a package it needs is not installed; the message names the extra.
        BrokenPluginError: a plugin is broken, in whatever way.
    """
    path = target or entry.target
    module, _, attribute = path.partition(":")
    loaded = _import(module, entry, kind)
    try:
        return reduce(getattr, attribute.split("."), loaded)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if entry.distribution == OWN and not isinstance(error, AttributeError):
            raise
        raise BrokenPluginError(
            f"{_whose(entry, kind)} is broken: {reason_of(error)}, at {path!r}; expected "
            f"'module:Class' or 'module:ENTRY'. {_ADVICE}"
        ) from error


def _import(module: str, entry: Entry, kind: str) -> ModuleType:
    try:
        if entry.extra:
            return require(module, extra=entry.extra, needed_by=f"{kind} {entry.name!r}")
        return importlib.import_module(module)
    except (MissingExtraError, KeyboardInterrupt):
        raise
    except BaseException as error:  # whatever a plugin raises, with its name put to it
        if entry.distribution == OWN:
            raise
        raise BrokenPluginError(
            f"{_whose(entry, kind)} is broken: importing {module!r} raised {reason_of(error)}. "
            f"{_ADVICE}"
        ) from error


def _completed(entry: Entry, own: Entry, kind: str) -> Entry:
    """A plugin's own entry, with what its entry point says of it."""
    problem = ""
    if _key(own.name) != _key(entry.name):
        problem = f"its entry is called {own.name!r}; give both one name"
    elif own.gym_name != entry.gym_name:
        # Ids are registered before anything is imported: by the name of the entry point.
        problem = (
            f"its entry says gym_name={own.gym_name!r}, and ids go by the capitals of its entry "
            f"point, {entry.name!r}, which give {entry.gym_name!r}; write those of gym_name there"
        )
    if problem:
        raise BrokenPluginError(f"{_whose(entry, kind)} is broken: {problem}. {_ADVICE}")
    return replace(own, name=entry.name, distribution=entry.distribution)


def _whose(entry: Entry, kind: str) -> str:
    return f"{kind.capitalize()} {entry.name!r} of {entry.distribution!r}"


def _key(name: str) -> str:
    return name.casefold().replace("_", "-")


def gym_name(name: str) -> str:
    """A name as it stands in a Gymnasium id; capitals that are there stay.

    >>> gym_name("my_source"), gym_name("drawer-close")
    ('MySource', 'DrawerClose')
    """
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[\W_]+", name))
