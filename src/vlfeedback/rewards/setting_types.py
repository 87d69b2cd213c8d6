"""Whether a setting's value is of the type its config declares, by its type hints."""

from __future__ import annotations

import types
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

__all__ = ["is_of_type", "setting_types", "type_in_words"]


def setting_types(config_type: type) -> Mapping[str, Any]:
    """Type hint of each setting by name; empty where the hints cannot be read at run time."""
    try:
        return get_type_hints(config_type)
    except Exception:  # a plugin's hints are evaluated, and may name anything
        return {}


def is_of_type(value: Any, hint: Any) -> bool:
    """Whether a value may be passed for this hint.

    A float takes integers, and a tuple or sequence takes lists, as JSON has them. Of a literal
    only the type counts: the source itself checks its words. A hint that is not
    understood takes everything.

    >>> is_of_type(3, float), is_of_type(2.5, int), is_of_type(None, int | None)
    (True, False, True)
    >>> is_of_type(["a"], str | tuple[str, ...]), is_of_type(["a"], tuple[int, ...])
    (True, False)
    """
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return any(is_of_type(value, part) for part in get_args(hint))
    if origin is Literal:
        return any(isinstance(value, type(choice)) for choice in get_args(hint))
    if origin is not None:
        return _is_container_of(value, origin, get_args(hint))
    if hint is None or hint is type(None):
        return value is None
    if hint is bool:
        return isinstance(value, bool)
    if hint in (int, float):
        return isinstance(value, int | hint) and not isinstance(value, bool)
    if hint in (tuple, list):
        return isinstance(value, tuple | list)
    return isinstance(value, hint) if hint in (str, dict) else True


def type_in_words(hint: Any) -> str:
    """The hint as a message shows it.

    >>> type_in_words(int), type_in_words(str | None), type_in_words(Literal["a", "b"])
    ('int', 'str | None', "one of 'a', 'b'")
    """
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(repr, get_args(hint)))}"
    if isinstance(hint, type) and get_origin(hint) is None:
        return hint.__name__
    return str(hint).replace("typing.", "").replace("collections.abc.", "")


def _is_container_of(value: Any, origin: Any, parts: tuple[Any, ...]) -> bool:
    if not isinstance(origin, type):
        return True
    if issubclass(origin, Mapping):
        return isinstance(value, Mapping) and (
            not parts
            or all(is_of_type(k, parts[0]) and is_of_type(v, parts[1]) for k, v in value.items())
        )
    if not issubclass(origin, Collection):
        return True
    if not isinstance(value, Sequence) or (isinstance(value, str) and origin is not Sequence):
        return False
    if origin is tuple and parts[1:] != (...,):
        return len(value) == len(parts) and all(map(is_of_type, value, parts))
    if isinstance(value, str):
        return is_of_type("", parts[0])
    return not parts or all(is_of_type(item, parts[0]) for item in value)
