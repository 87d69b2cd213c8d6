"""Settings as they are typed: ``--set key=value``, and JSON objects such as ``--source-config``."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vlfeedback.errors import InvalidValueError

__all__ = [
    "check_no_argument",
    "parse_json_object",
    "parse_settings",
    "parse_value",
    "split_setting",
]


def check_no_argument(
    settings: Mapping[str, Any], function: Callable[..., Any], *, of: str
) -> Mapping[str, Any]:
    """The settings, none of them called like an argument of the function that takes them.

    Args:
        settings: by name.
        function: takes them as ``**settings``, beside arguments of its own.
        of: what they are settings of, for the message: ``"the learner"``.

    Raises:
        InvalidValueError: one is; the message names it as messages name options.
    """
    for key in settings:
        if key in inspect.signature(function).parameters:
            raise InvalidValueError(
                f"{key!r} is no setting of {of}; where there is an option for it, give that: "
                f"{key}={settings[key]!r}."
            )
    return settings


def parse_settings(texts: Sequence[str]) -> dict[str, Any]:
    """What ``--set`` sets, each ``key=value``; the last of a key counts.

    Raises:
        InvalidValueError: a text sets nothing.

    >>> parse_settings(["seed=3", "optimiser=adam", "hidden=[64, 64]"])
    {'seed': 3, 'optimiser': 'adam', 'hidden': [64, 64]}
    """
    pairs = (split_setting(text) for text in texts)
    return {key: parse_value(value) for key, value in pairs}


def split_setting(text: str) -> tuple[str, str]:
    """Key and value of ``key=value``.

    Raises:
        InvalidValueError: there is no key or no ``=``.
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise InvalidValueError(f"--set {text!r} sets nothing; expected key=value.")
    return key, value


def parse_value(text: str) -> Any:
    """A value: JSON where it is some, and else text.

    >>> parse_value("true"), parse_value("close the drawer")
    (True, 'close the drawer')
    """
    try:
        return json.loads(text)
    except ValueError:
        return text


def parse_json_object(option: str, text: str) -> dict[str, Any]:
    """Settings that are typed as one JSON object.

    Args:
        option: what they were typed after, such as ``"--reading"``.
        text: the object.

    Raises:
        InvalidValueError: it is none.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidValueError(
            f"{option} is {text!r}; expected a JSON object ({error})."
        ) from error
    if not isinstance(value, dict):
        raise InvalidValueError(f"{option} is {text!r}; expected a JSON object.")
    return value
