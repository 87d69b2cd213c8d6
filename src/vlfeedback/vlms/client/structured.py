"""Reads a choice, or JSON, out of what a model said, and nothing into it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from vlfeedback.vlms.client.chat_requests import ANSWER

__all__ = ["choice_of", "json_of"]

_MOST_STARTS = 64  # brackets from which JSON is tried to be read; our choice
_FENCE = re.compile(r"```[\w-]*\s*\n(.*?)```", re.DOTALL)
_AROUND = " \t\"'`*_()[]<>.,;:!"  # quotes, emphasis and a full stop
_OPENING = r"[\s\"'`*_(\[]*"
_LABEL = re.compile(
    rf"{_OPENING}(the\s+)?(final\s+)?(answer|choice|label)\b(\s+is\b)?[\s:=*_\"'`]*", re.IGNORECASE
)
_REMARK = r"[\"'`*_)\]]*\s*[,;(]"
_DECODER = json.JSONDecoder(parse_constant=lambda name: _refuse(name))


def choice_of(text: str, choices: Sequence[str]) -> str | None:
    """The one of these words that an answer consists of; None where that is not clear.

    Clear are JSON, ``{"answer": ...}``, that holds one of them, and a first line that is one of
    them: quotes, emphasis, a full stop, letter case and "Answer:" before it do no harm, nor does a
    remark after it that names no other one.

    Args:
        text: what the model said.
        choices: the words, of which no two are the same but for letter case.

    >>> [choice_of(text, ["0", "1", "-1"]) for text in ("**-1**", '{"answer": "1"}', "0 or 1")]
    ['-1', '1', None]
    """
    found = json_of(text)
    if isinstance(found, dict):
        value = found.get(ANSWER)
        is_word = isinstance(value, str | int | float) and not isinstance(value, bool)
        return _matching(str(value), choices) if is_word else None
    line = next((line for line in text.splitlines() if line.strip(_AROUND)), "")
    label = _LABEL.match(line)
    line = _with_ascii_minus(line[label.end() :] if label else line)
    return _matching(line, choices) or _before_a_remark(line, choices)


def json_of(text: str) -> dict[str, Any] | list[Any] | None:
    """The JSON object or list in an answer; None where there is none.

    A code fence and prose around it are passed over; of several the longest is taken. What is
    written as Python writes it, such as ``['a', 'b']``, is read too. Nothing in it is executed.

    >>> json_of('Here you are: {"answer": [1, 2]}. Anything else?')
    {'answer': [1, 2]}
    """
    fenced = _FENCE.search(text)
    for part in ([fenced[1]] if fenced else []) + [text]:
        found = max(_readable(part), key=lambda item: item[0], default=None)
        if found is not None:
            value: dict[str, Any] | list[Any] = found[1]
            return value
    return None


def _readable(text: str) -> Iterator[tuple[int, dict[str, Any] | list[Any]]]:
    """What can be read from a bracket on, with the length of its text."""
    end = 0
    for match in list(re.finditer(r"[\[{]", text))[:_MOST_STARTS]:
        start = match.start()
        if start < end:  # within what was read already
            continue
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            value, end = _python_literal(text, start)
        if isinstance(value, dict | list):
            yield end - start, value


def _python_literal(text: str, start: int) -> tuple[Any, int]:
    """A list or dict as Python writes it, to the last bracket; None and 0 where there is none."""
    end = text.rfind("]" if text[start] == "[" else "}") + 1
    try:
        value = ast.literal_eval(text[start:end])
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None, 0
    return (value, end) if isinstance(value, dict | list) else (None, 0)


def _matching(word: str, choices: Sequence[str]) -> str | None:
    bare = word.strip(_AROUND).casefold()
    return next((choice for choice in choices if choice.strip(_AROUND).casefold() == bare), None)


def _before_a_remark(line: str, choices: Sequence[str]) -> str | None:
    """The choice that begins a line, if a remark follows that names no other one.

    A number before a full stop or a colon is no choice: it may be that of an item of a list.
    """
    for choice in choices:
        begins = re.match(rf"{_OPENING}{re.escape(choice)}{_REMARK}", line, re.IGNORECASE)
        if begins is None:
            continue
        rest = line[begins.end() :]
        others = (re.escape(other) for other in choices if other != choice)
        if not any(re.search(rf"(?<![\w-]){o}(?!\w)", rest, re.IGNORECASE) for o in others):
            return choice
    return None


def _with_ascii_minus(text: str) -> str:
    return re.sub("[\N{MINUS SIGN}\N{EN DASH}\N{NON-BREAKING HYPHEN}](?=\\d)", "-", text)


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
