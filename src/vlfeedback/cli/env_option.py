"""Keyword arguments of an environment as they are typed: ``--env-option NAME=VALUE``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from vlfeedback.cli.settings import parse_value

__all__ = ["parse_env_options"]


def parse_env_options(texts: Sequence[str]) -> dict[str, Any]:
    """Options by name, values read as JSON or text.

    Raises:
        typer.BadParameter: a text has no name or no value.

    >>> parse_env_options(["hand_starts=jittered", "previous_hand=false"])
    {'hand_starts': 'jittered', 'previous_hand': False}
    """
    options = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise typer.BadParameter(
                f"{text!r}; expected NAME=VALUE, such as hand_starts=jittered.",
                param_hint="--env-option",
            )
        options[name] = parse_value(value)
    return options
