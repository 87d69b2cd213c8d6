"""Dataclasses from the tables of a TOML file, every key and type of which is checked."""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from vlfeedback.errors import FileFormatError, UnknownNameError
from vlfeedback.registry import suggest
from vlfeedback.setting_types import is_of_type

__all__ = ["from_table", "named_from_table"]

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")  # names become parts of file names


def named_from_table(cls: type[T], name: str, entry: Any, where: str, **defaults: Any) -> T:
    """A dataclass with a ``name`` from the entry of a table of tables, on top of `defaults`.

    Raises:
        FileFormatError: the name cannot be part of a file's, the entry is no table, or see
            `from_table`.
        UnknownNameError: see `from_table`.
    """
    _check_name(name, where)
    if not isinstance(entry, dict):
        raise FileFormatError(f"{where} is {entry!r}; expected a table.")
    return from_table(cls, {**defaults, **entry, "name": name}, where)


def _check_name(name: str, where: str) -> None:
    if not _NAME.fullmatch(name):
        raise FileFormatError(
            f"{where}: {name!r} is no name; expected letters, digits, '-' and '.', since files are "
            "called by it and underscores part names there."
        )


def from_table(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """A dataclass from these values, each of them checked.

    Args:
        cls: the dataclass; its annotations say which types its values have.
        values: by name of its fields.
        where: begins every message.

    Raises:
        FileFormatError: a value is missing or of another type.
        UnknownNameError: it has no such field; the message suggests the nearest.
    """
    types = get_type_hints(cls)
    for key in values:
        if key not in types:
            raise UnknownNameError(
                f"{where}: no key {key!r}. {suggest(key, types)}It may have: "
                f"{', '.join(sorted(set(types) - {'name', 'gives'}))}."
            )
    missing = [f.name for f in fields(cls) if _is_required(f) and f.name not in values]  # type: ignore[arg-type]
    if missing:
        raise FileFormatError(f"{where}: {' and '.join(missing)} missing; every sweep needs them.")
    return cls(**{key: _checked(value, types[key], key, where) for key, value in values.items()})


def _is_required(spec: Field[Any]) -> bool:
    return spec.default is MISSING and spec.default_factory is MISSING


def _checked(value: Any, expected: Any, key: str, where: str) -> Any:
    """`value` as the type that is wanted; TOML has lists where dataclasses have tuples."""
    hints = (expected, *get_args(expected))
    if isinstance(value, list) and any(get_origin(hint) is tuple for hint in hints):
        value = tuple(value)
    words = get_args(expected) if get_origin(expected) is Literal else (value,)
    if value not in words or not is_of_type(value, expected):
        raise FileFormatError(f"{where}: {key} is {value!r}; expected {_describe(expected)}.")
    return value


def _describe(expected: Any) -> str:
    origin, inner = get_origin(expected), get_args(expected)
    if origin is Literal:
        return " or ".join(map(repr, inner))
    if origin is types.UnionType:
        return " or ".join(_describe(item) for item in inner if item is not type(None))
    if origin is tuple:
        return f"a list, each {_describe(inner[0])}"
    names = {int: "a whole number", str: "a text", bool: "true or false", Mapping: "a table"}
    return names.get(origin or expected, "a table")
