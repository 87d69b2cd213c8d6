"""Settings by name, as files and command lines have them, checked against annotations.

The annotations of what takes the settings, a config's fields or a function's keyword arguments,
are the one statement of which there are and of their types: sources, learners, readings of
datasets and sweeps are all checked by them.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from vlfeedback.errors import InvalidTypeError, UnknownNameError
from vlfeedback.registry import suggest

__all__ = ["checked_settings", "is_of_type", "setting_types", "type_in_words"]


def checked_settings(
    taker: Callable[..., Any],
    settings: Any,
    *,
    of: str,
    names: Iterable[str] | None = None,
) -> dict[str, Any]:
    """The settings, each of a known name and of the type that is declared for it.

    Lists become tuples where tuples are declared, as JSON and TOML have none; paths become text
    and numpy's numbers Python's.

    Args:
        taker: what they are for: a dataclass of settings, a class or a function.
        settings: by name.
        of: what they are settings of, for messages: ``"source 'vlp'"``.
        names: those that may be set; default: all fields, or all keyword-only arguments.

    Raises:
        UnknownNameError: there is no such setting; the message suggests the nearest.
        InvalidTypeError: one is of another type than is declared; or `settings` are no mapping.

    >>> def read(path: str, *, camera: str = "", stride: int = 1) -> None: ...
    >>> checked_settings(read, {"stride": 2}, of="this dataset")
    {'stride': 2}
    >>> checked_settings(read, {"stride": 2.5}, of="this dataset")
    Traceback (most recent call last):
    ...
    vlfeedback.errors.InvalidTypeError: Setting 'stride' of this dataset is 2.5, a float; \
expected int.
    """
    if not isinstance(settings, Mapping):
        raise InvalidTypeError(
            f"Settings of {of} are {settings!r}; expected them by name, such as {{'seed': 1}}."
        )
    known = list(_names_of(taker) if names is None else names)
    hints = setting_types(taker)
    checked = {key: _as_json(value) for key, value in settings.items()}
    for key, value in checked.items():
        if key not in known:
            raise UnknownNameError(
                f"{of[:1].upper()}{of[1:]} has no setting {key!r}. {suggest(str(key), known)}"
                f"It has: {', '.join(known) or 'none'}."
            )
        if key in hints and not is_of_type(value, hints[key]):
            raise InvalidTypeError(
                f"Setting {key!r} of {of} is {value!r}, a {type(value).__name__}; "
                f"expected {type_in_words(hints[key])}."
            )
        if isinstance(value, list) and get_origin(hints.get(key)) is tuple:
            checked[key] = tuple(value)
    return checked


def setting_types(taker: Callable[..., Any]) -> Mapping[str, Any]:
    """Type hint of each setting by name; empty where the hints cannot be read at run time.

    Args:
        taker: a dataclass, another class, whose constructor is meant, or a function.
    """
    plain_class = isinstance(taker, type) and not is_dataclass(taker)
    try:
        return get_type_hints(taker.__init__ if plain_class else taker)
    except Exception:  # a plugin's hints are evaluated, and may name anything
        return {}


def _names_of(taker: Callable[..., Any]) -> list[str]:
    if is_dataclass(taker):
        return [field.name for field in fields(taker) if field.init]
    parameters = inspect.signature(taker).parameters.values()
    return [one.name for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY]


def _as_json(value: Any) -> Any:
    """Paths as text and numpy's numbers as Python's, alone or in a list."""
    if type(value) in (list, tuple):
        return type(value)(map(_as_json, value))
    if isinstance(value, np.generic):
        return value.item()
    return str(value) if isinstance(value, PurePath) else value


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
