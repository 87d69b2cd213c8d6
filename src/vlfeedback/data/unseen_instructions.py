"""Wordings of each task that the corpus does not hold, to test models that read language.

The kinds are those of the VLP paper (section 5.4, table 6); the texts, in
``unseen_instructions.json``, are ours. None of them occurs in the corpus of any task.
"""

from __future__ import annotations

import json
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

from vlfeedback.data.instructions import instruction_corpus
from vlfeedback.errors import UnknownNameError
from vlfeedback.tasks import TaskSpec, get_task

__all__ = ["LanguageKind", "has_unseen_instructions", "unseen_instructions"]

LanguageKind = Literal["seen", "phrase", "description", "correct colour", "incorrect colour"]
"""The columns of table 6 of the VLP paper.

``"seen"``: the corpus. ``"phrase"``: a noun phrase, or verbs and nouns the corpus does not have.
``"description"``: one or two sentences on what is done. ``"correct colour"``, ``"incorrect
colour"``: a phrase of the corpus that also names the object's colour, as it is in Meta-World's
scene, or another one.
"""


def has_unseen_instructions(task: str | TaskSpec) -> bool:
    """Whether there are texts of a task that its corpus does not hold: Meta-World's tasks have.

    Raises:
        UnknownNameError: there is no such task.
    """
    return get_task(task).name in _table()


def unseen_instructions(task: str | TaskSpec, kind: LanguageKind) -> tuple[str, ...]:
    """The texts of a task of one kind.

    At least four phrases, three descriptions and three texts of each colour. Texts of the two
    colours come in the same order and differ in nothing but the colour. A description has at
    most 24 words, as many as `vlfeedback.encoders.words` reads by default.

    Args:
        task: a task, or its name, such as ``"drawer-close"``.
        kind: which test set; ``"seen"`` is the corpus itself.

    Raises:
        UnknownNameError: there is no such task or kind, or the task has no such texts; see
            `has_unseen_instructions`.

    >>> unseen_instructions("drawer-close", "phrase")[:3]
    ('drawer closing', 'a closed drawer', 'drawer shut tight')
    >>> unseen_instructions("drawer-close", "incorrect colour")[0]
    'close the red drawer'
    """
    spec = get_task(task)
    name = spec.name
    if kind == "seen":
        return instruction_corpus(spec)
    if not has_unseen_instructions(spec):
        raise UnknownNameError(
            f"Task {name!r} has no texts of kind {kind!r}; only Meta-World's tasks have. "
            "Ask for kind 'seen'."
        )
    texts = _table()[name]
    if kind in ("phrase", "description"):
        return tuple(texts[kind])
    coloured: list[str] = texts["coloured"]
    if kind == "correct colour":
        return tuple(text.format(texts["correct colour"]) for text in coloured)
    if kind == "incorrect colour":
        pairs = zip(coloured, texts["incorrect colours"], strict=True)
        return tuple(text.format(colour) for text, colour in pairs)
    near = get_close_matches(kind, get_args(LanguageKind), n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise UnknownNameError(
        f"No kind of instruction {kind!r}. {hint}There are {', '.join(get_args(LanguageKind))}."
    )


@cache
def _table() -> dict[str, Any]:
    file = files("vlfeedback.data") / "unseen_instructions.json"
    table: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return table
