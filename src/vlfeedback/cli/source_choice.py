"""Options that choose several sources and their settings: ``--source clip --set clip.seed=0``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from vlfeedback.cli.settings import check_no_argument, parse_value, split_setting
from vlfeedback.errors import UnknownNameError
from vlfeedback.evaluation.diagnosis import SourceChoice
from vlfeedback.registry import suggest
from vlfeedback.rewards import make_reward_source

__all__ = ["SourceChoice", "parse_sources"]


def parse_sources(sources: Sequence[str], settings: Sequence[str]) -> list[SourceChoice]:
    """The sources of ``--source`` with their settings of ``--set``.

    Args:
        sources: ids, or ``NAME=ID``, each name once.
        settings: ``key=value`` where there is one source, ``NAME.key=value`` where there are more.
            A value is read as JSON if it is some, else as text.

    Raises:
        UnknownNameError: two sources share a name, or a setting names none of them.
        InvalidValueError: a setting sets nothing, or is none.

    >>> parse_sources(["env", "a=random"], ["a.seed=3"])[1]
    SourceChoice(name='a', id='random', settings={'seed': 3})
    """
    choices: dict[str, SourceChoice] = {}
    for text in sources:
        name, _, source = text.rpartition("=")
        name = name or source
        if name in choices:
            raise UnknownNameError(
                f"Two sources are called {name!r}; give each a name: --source first={source} "
                f"--source second={source}"
            )
        choices[name] = SourceChoice(name, source)
    for text in settings:
        name, key, value = _parse_setting(text, list(choices))
        check_no_argument({key: value}, make_reward_source, of=f"source {name!r}")
        choice = choices[name]
        choices[name] = replace(choice, settings={**choice.settings, key: value})
    return list(choices.values())


def _parse_setting(text: str, names: Sequence[str]) -> tuple[str, str, Any]:
    path, value = split_setting(text)
    name, _, key = path.rpartition(".")
    if not name and len(names) == 1:
        name = names[0]
    if name not in names:
        raise UnknownNameError(
            f"--set {text!r} is of no source that was asked for. {suggest(name, list(names))}"
            f"Write {names[0]}.{key}={value}, with one of: {', '.join(names)}."
        )
    return name, key, parse_value(value)
