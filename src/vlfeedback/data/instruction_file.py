"""A JSON file of instructions by task that replaces the shipped corpus; resumable while it grows.

What `vlfeedback instructions write` makes. One made by hand needs ``format`` and
``instructions`` alone::

    {"format": "vlfeedback.instructions/1", "instructions": {"reach": ["go to the goal"]}}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vlfeedback.data.locks import locked_output
from vlfeedback.data.store import check_same_settings
from vlfeedback.data.whole_files import read_json, write_json
from vlfeedback.errors import FileFormatError
from vlfeedback.tasks import TASKS

__all__ = ["INSTRUCTIONS_FORMAT", "InstructionFile", "load_corpus"]

INSTRUCTIONS_FORMAT = "vlfeedback.instructions/1"
"""Value of ``format`` in such a file."""


@dataclass
class InstructionFile:
    """Phrases by task, and how they were made.

    Attributes:
        path: where the file is, or will be once a task is added.
        provenance: what the phrases depend on, such as the model's name; may be empty.
        phrases: the phrases of each task that is done.
    """

    path: Path
    provenance: Mapping[str, Any]
    phrases: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def opened(cls, path: str | Path, provenance: Mapping[str, Any]) -> Iterator[InstructionFile]:
        """The same as `create` while the block lasts, and nobody else writes to the file.

        That it can be written is tried here, before anybody is asked.

        Raises:
            BusyError: another process writes to it.
            FileFormatError: see `create`.
            WriteError: it cannot be written.
        """
        path = Path(path)
        with locked_output(path, what="writes instructions into"):
            yield cls.create(path, provenance)

    @classmethod
    def create(cls, path: str | Path, provenance: Mapping[str, Any]) -> InstructionFile:
        """Start a file, or go on with one that was begun in the same way.

        Nothing is written before the first `add`. The day it was begun is noted as ``date``.

        Raises:
            FileFormatError: the file was begun with another provenance, or is something else.
        """
        path = Path(path)
        if not path.exists():
            return cls(path, {**provenance, "date": datetime.now(UTC).date().isoformat()})
        file = cls.open(path)
        check_same_settings(
            {name: value for name, value in file.provenance.items() if name != "date"},
            provenance,
            where=path,
            advice="Use the same to go on, or another file.",
        )
        return file

    @classmethod
    def open(cls, path: str | Path) -> InstructionFile:
        """Read a file.

        Raises:
            FileNotFoundError: there is no such file.
            FileFormatError: it is no file of instructions, names an unknown task, has a task
                without a phrase or with something else than text, or has a phrase under two
                tasks (letter case and a final full stop aside).
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(
                f"No instructions at {path}; make them with: vlfeedback instructions write"
            )
        content = read_json(path, advice="Restore it, or write another file.")
        file_format = content.get("format")
        if file_format != INSTRUCTIONS_FORMAT:
            raise FileFormatError(
                f"{path} has format {file_format!r}; expected {INSTRUCTIONS_FORMAT!r}. Make such a "
                "file with: vlfeedback instructions write"
            )
        phrases = _checked(content.get("instructions"), path)
        provenance = content.get("provenance") or {}
        if not isinstance(provenance, dict):
            raise FileFormatError(
                f"{path} has provenance {provenance!r}; expected an object. Restore it, or write "
                "another file."
            )
        return cls(path, provenance, phrases)

    def add(self, task: str, phrases: Sequence[str]) -> None:
        """Put a finished task into the file at once: a killed process loses no other task.

        What is there is replaced, so that only one process may add at a time: see `opened`.

        Raises:
            FileFormatError: the file would be one that `open` refuses.
            WriteError: it cannot be written; what was there before is whole.
        """
        self.phrases = _checked({**self.phrases, task: list(phrases)}, self.path)
        content = {
            "format": INSTRUCTIONS_FORMAT,
            "provenance": dict(self.provenance),
            "instructions": self.phrases,
        }
        write_json(self.path, content)


def load_corpus(path: str | Path) -> Mapping[str, tuple[str, ...]]:
    """The phrases of each task in a file, to train on in place of the shipped corpus.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: the file is none of instructions; see `InstructionFile.open`.
    """
    return InstructionFile.open(Path(path)).phrases


def _checked(instructions: Any, path: Path) -> dict[str, tuple[str, ...]]:
    if not isinstance(instructions, dict):
        raise FileFormatError(
            f"`instructions` of {path} is a {type(instructions).__name__}; expected an object "
            'of phrases by task, such as {"reach": ["go to the goal"]}.'
        )
    owners: dict[str, str] = {}
    for task, phrases in instructions.items():
        if task not in TASKS:
            raise FileFormatError(
                f"{path} has instructions of {task!r}, which is no task. "
                f"`vlfeedback list tasks` shows all {len(TASKS)}."
            )
        if not _is_list_of_phrases(phrases):
            raise FileFormatError(
                f"{task!r} in {path} has {phrases!r}; expected a list of at least one phrase."
            )
        for text in phrases:
            owner = owners.setdefault(text.casefold().strip(" ."), task)
            if owner != task:
                raise FileFormatError(
                    f"{path} has {text!r} under both {owner!r} and {task!r}; a phrase means one "
                    "task. Take it out of one of them."
                )
    return {task: tuple(phrases) for task, phrases in instructions.items()}


def _is_list_of_phrases(phrases: Any) -> bool:
    if not isinstance(phrases, list | tuple) or not phrases:
        return False
    return all(isinstance(text, str) and text.strip() for text in phrases)
