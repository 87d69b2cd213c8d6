"""Reads labels, numbers and letters out of what a model said, and nothing into it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

__all__ = ["CHOICES", "read_choice", "read_letter", "read_score"]

CHOICES = ("0", "1", "-1")
"""What RL-VLM-F and PLARE let a model say: the first, the second, unsure or no difference."""

_AROUND = r"[\s\"'`*_()\[\]{}:,;!]*"  # quotes, emphasis, and JSON with one value
_WORD = rf"(?:(?:answer|label|reply|choice|preference|score)\b{_AROUND})?"
_CHOICE = re.compile(rf"{_AROUND}{_WORD}(-1|0|1){_AROUND}(?:\(.*\))?{_AROUND}", re.IGNORECASE)
_SCORE = re.compile(rf"{_AROUND}{_WORD}(-?\d*\.?\d+){_AROUND}", re.IGNORECASE)
_LETTER = re.compile(rf"{_AROUND}{_WORD}([A-Za-z]){_AROUND}\.?", re.IGNORECASE)


def read_choice(text: str, *, line: Literal["first", "last"] = "first") -> int | None:
    r"""The label -1, 0 or 1 that a reply gives; None where it gives none.

    The first line that is not empty decides, or the last one, where it is nothing but a label;
    quotes, emphasis, ``{"answer": "1"}`` and a remark in brackets do no harm. Where it is prose,
    the labels that stand on lines of their own decide, if they agree. A number within a sentence
    or before an item of a list ("1. Image 1 shows ...") is no label.

    Args:
        text: the reply.
        line: which line was asked for.

    Source: RL-VLM-F's code takes the first line as a whole number, and calls anything else -1.

    >>> [read_choice(text) for text in ("1", "Unsure.\n-1", "1. Image 1 shows a drawer.", "")]
    [1, -1, None, None]
    """
    lines = [part.strip() for part in _with_ascii_minus(text).splitlines() if part.strip()]
    if not lines:
        return None
    decisive = lines[0] if line == "first" else lines[-1]
    if match := _CHOICE.fullmatch(decisive.removesuffix(".")):
        return int(match[1])
    alone = {int(match[1]) for part in lines if (match := _CHOICE.fullmatch(part))}
    return alone.pop() if len(alone) == 1 else None


def read_score(text: str) -> float | None:
    """The score in [0, 1], or -1, in the first line of a reply; None where there is none.

    >>> [read_score(text) for text in ("0.7", "Score: 1", "-1", "7 of 10", "3.5", "")]
    [0.7, 1.0, -1.0, None, None, None]
    """
    lines = [part.strip() for part in _with_ascii_minus(text).splitlines() if part.strip()]
    match = _SCORE.fullmatch(lines[0].removesuffix(".")) if lines else None
    score = float(match[1]) if match else float("nan")
    return score if score == -1 or 0 <= score <= 1 else None


def read_letter(text: str, letters: Sequence[str]) -> str | None:
    """The one of these capital letters that a reply consists of; None where it is something else.

    >>> [read_letter(text, "ABC") for text in ("b", ' "C"', "Score: A.", "D", "A or B", "")]
    ['B', 'C', 'A', None, None, None]
    """
    match = _LETTER.fullmatch(text.strip())
    return match[1].upper() if match and match[1].upper() in letters else None


def _with_ascii_minus(text: str) -> str:
    return re.sub("[\N{MINUS SIGN}\N{EN DASH}\N{NON-BREAKING HYPHEN}](?=\\d)", "-", text)
