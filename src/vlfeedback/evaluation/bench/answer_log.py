"""Answers of one source that are kept as they come: whoever is asked again goes on from there.

A folder with `answers.json`, all that answers depend on, and `answers.jsonl`, an answer a line
under a key that names its clips by content. A line that a killed process left half written is
dropped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from vlfeedback.data.locks import locked
from vlfeedback.data.store import ResumableFolder
from vlfeedback.data.whole_files import new_file
from vlfeedback.data.writable import explained
from vlfeedback.errors import FileFormatError

__all__ = ["AnswerLog"]

_MANIFEST, _LINES = "answers.json", "answers.jsonl"


class AnswerLog:
    """The answers so far, by key; JSON values.

    Args:
        known: those that are there.
        file: that new ones are added to; None keeps them in memory alone.
    """

    def __init__(self, known: Mapping[str, Any] | None = None, file: TextIO | None = None) -> None:
        self._known = dict(known or {})
        self._file = file

    @classmethod
    @contextmanager
    def opened(cls, root: Path | None, settings: Mapping[str, Any]) -> Iterator[AnswerLog]:
        """Begin a folder, or go on with one of the same settings.

        Args:
            root: the folder; None: nothing is kept.
            settings: all that answers depend on, JSON values.

        Raises:
            BusyError: another process adds to it.
            FileFormatError: it was begun with other settings, or is damaged.
            WriteError: it cannot be written.
        """
        if root is None:
            yield cls()
            return
        with locked(root, what="keeps answers in"):
            ResumableFolder.begin(
                root,
                settings,
                manifest=_MANIFEST,
                holds="answers",
                advice="Use the same ones to go on, or another folder of answers.",
            )
            path = root / _LINES
            known = _read(path)
            with explained(path, path), path.open("a", encoding="utf-8") as file:
                yield cls(known, file)

    def __contains__(self, key: str) -> bool:
        return key in self._known

    def __getitem__(self, key: str) -> Any:
        return self._known[key]

    def add(self, key: str, answer: Any) -> None:
        """Keep one more.

        Raises:
            OSError: the disk is full.
        """
        self._known[key] = answer
        if self._file is not None:
            self._file.write(json.dumps({"key": key, "answer": answer}, allow_nan=False) + "\n")
            self._file.flush()


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    text = path.read_text(encoding="utf-8", errors="replace")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        with new_file(path) as partial:
            partial.write_text(whole, encoding="utf-8")
    known = {}
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            row = json.loads(line)
            known[str(row["key"])] = row["answer"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise FileFormatError(
                f"{path}, line {number}, is no answer ({type(error).__name__}). Delete that line, "
                "or the file to ask again."
            ) from error
    return known
