"""Pairs of clips that wait for people, and what people said: a folder that outlives all who use it.

The folder holds one SQLite file and the clips as files. Labellers post pairs and read answers here;
`vlfeedback.data.annotators` is the side of the people. Both may run in several processes at a time,
each of which may be killed at any moment: a pair that was posted and an answer that was given stay.

A pair is known by its content, both clips and the instruction in whichever order, so nobody is
asked the same thing twice.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt8

from vlfeedback.data.queued_clips import QueuedClip, write_clip
from vlfeedback.data.sqlite_files import Layout, SQLiteFile
from vlfeedback.data.writable import check_writable
from vlfeedback.errors import UnknownNameError

__all__ = ["CHOICES", "Choice", "ClipPair", "LabelQueue", "QueuedAnswer"]

Choice = Literal["first", "second", "equal", "unsure"]
CHOICES: tuple[Choice, ...] = ("first", "second", "equal", "unsure")
"""What a person may say of a pair; "unsure" is "can't tell"."""

_SWAPPED = "-swapped"  # how a ticket ends whose pair was posted in the other order
_MIRRORED: dict[str, Choice] = {"first": "second", "second": "first"}
_LAYOUT = Layout(
    what="queue of pairs to label",
    name="queue.sqlite",
    application=0x766C6671,  # "vlfq"
    version=1,
    tables="""
CREATE TABLE clips (
    digest TEXT PRIMARY KEY, pictures INTEGER NOT NULL, width INTEGER NOT NULL,
    height INTEGER NOT NULL
);
CREATE TABLE pairs (
    number INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL, first TEXT NOT NULL,
    second TEXT NOT NULL, instruction TEXT NOT NULL, wanted INTEGER NOT NULL
);
CREATE TABLE people (
    number INTEGER PRIMARY KEY, secret TEXT UNIQUE NOT NULL, name TEXT NOT NULL
);
CREATE TABLE answers (
    number INTEGER PRIMARY KEY, pair INTEGER NOT NULL, person INTEGER NOT NULL,
    choice TEXT NOT NULL, shown_left TEXT NOT NULL, seconds REAL NOT NULL, time REAL NOT NULL,
    was_read INTEGER NOT NULL, UNIQUE (pair, person)
);
CREATE TABLE leases (
    pair INTEGER NOT NULL, person INTEGER NOT NULL, until REAL NOT NULL,
    PRIMARY KEY (pair, person)
);
""",
    if_damaged="Nothing was deleted. Move the folder away, or name another one; `sqlite3 FILE "
    ".recover` reads what is left of it.",
)


@dataclass(frozen=True, slots=True, eq=False)
class ClipPair:
    """A pair as it is posted.

    Attributes:
        first: (F, H, W, 3) uint8, its pictures in the order of time.
        second: likewise; it may have another number of pictures.
        instruction: what both are judged by.
    """

    first: UInt8[np.ndarray, "F H W 3"]
    second: UInt8[np.ndarray, "F2 H2 W2 3"]
    instruction: str


@dataclass(frozen=True, slots=True)
class QueuedAnswer:
    """What one person said of a pair.

    Attributes:
        choice: in the order in which the pair was posted.
        person: who it was, as the page calls them.
        seconds: that it took, >= 0.
        shown_left: which of the two clips stood on the left: "first" or "second".
    """

    choice: Choice
    person: str
    seconds: float
    shown_left: str


class LabelQueue:
    """The queue in a folder, made where there is none; threads and processes may share it.

    Args:
        folder: on a local disk.
        clock: gives the time in seconds; for tests.

    Raises:
        WriteError: the folder cannot be made or written to.
        FileFormatError: the queue in it is damaged, or of another release's layout.
        OSError: it can be neither read nor made.

    Example:
        >>> import tempfile
        >>> queue = LabelQueue(tempfile.mkdtemp())
        >>> clips = np.zeros((2, 3, 8, 8, 3), np.uint8)
        >>> clips[1] = 255
        >>> tickets = queue.post([ClipPair(clips[0], clips[1], "get brighter")])
        >>> queue.read_answers(tickets)
        [()]
        >>> queue.n_pairs
        1
    """

    def __init__(self, folder: str | Path, *, clock: Callable[[], float] = time.time) -> None:
        self.folder = Path(folder).expanduser()
        self.clock = clock
        check_writable(self.folder, folder=True)
        self.file = SQLiteFile(self.folder / _LAYOUT.name, _LAYOUT)

    @property
    def n_pairs(self) -> int:
        """How many pairs were ever posted."""
        with self.file.transaction("BEGIN") as database:
            return int(database.execute("SELECT count(*) FROM pairs").fetchone()[0])

    def clip_path(self, digest: str) -> Path:
        """The file of a clip's pictures, see `vlfeedback.data.queued_clips`."""
        return self.folder / "clips" / f"{digest}.png"

    def post(self, pairs: Sequence[ClipPair], *, wanted: int = 1) -> list[str]:
        """Put pairs before people; those that are there already are not asked about again.

        When this returns, they are on the disk.

        Args:
            pairs: N of them.
            wanted: by how many people each is to be answered, at least 1. A pair that fewer were
                asked for before is asked about again, until so many have answered.

        Returns:
            N tickets, with which answers are read, also by another process.

        Raises:
            MissingExtraError: Pillow is not installed.
            WriteError: the disk is full.
            OSError: the queue cannot be written.
        """
        clips = [
            [write_clip(self.folder / "clips", frames) for frames in (pair.first, pair.second)]
            for pair in pairs
        ]
        rows = [
            (
                _key_of(first.digest, second.digest, pair.instruction),
                first,
                second,
                pair.instruction,
            )
            for pair, (first, second) in zip(pairs, clips, strict=True)
        ]
        with self.file.transaction("BEGIN IMMEDIATE", durable=True) as database:
            for key, first, second, instruction in rows:
                _insert(database, key, sorted((first, second), key=_digest), instruction, wanted)
        return [
            key if first.digest <= second.digest else f"{key}{_SWAPPED}"
            for key, first, second, _ in rows
        ]

    def read_answers(
        self, tickets: Sequence[str], *, wanted: int = 1, settled_s: float = 0.0
    ) -> list[tuple[QueuedAnswer, ...]]:
        """What people said of these pairs; an answer that was read cannot be taken back any more.

        Args:
            tickets: that `post` gave.
            wanted: how many answers make one pair's answer: the earliest ones, at least 1.
            settled_s: answers younger than so many seconds may still be taken back, and do not
                count.

        Returns:
            For each ticket `wanted` answers, in the order of the pair as it was posted; none as
            long as there are fewer.

        Raises:
            UnknownNameError: a ticket is of another queue.
            OSError: the queue can be neither read nor written.
        """
        said: list[tuple[QueuedAnswer, ...]] = []
        before = self.clock() - settled_s
        with self.file.transaction("BEGIN IMMEDIATE") as database:
            for ticket in tickets:
                pair = self._pair_of(database, ticket)
                rows = database.execute(
                    "SELECT a.number, a.choice, p.name, a.seconds, a.shown_left FROM answers a "
                    "JOIN people p ON p.number = a.person "
                    "WHERE a.pair = ? AND (a.time <= ? OR a.was_read) "
                    "ORDER BY a.number LIMIT ?",
                    (pair, before, wanted),
                ).fetchall()
                if len(rows) < wanted:
                    said.append(())
                    continue
                database.executemany(
                    "UPDATE answers SET was_read = 1 WHERE number = ? AND NOT was_read",
                    [row[:1] for row in rows],
                )
                said.append(_answers(rows, swapped=ticket.endswith(_SWAPPED)))
        return said

    def _pair_of(self, database: sqlite3.Connection, ticket: str) -> int:
        query = "SELECT number FROM pairs WHERE key = ?"
        row = database.execute(query, (ticket.removesuffix(_SWAPPED),)).fetchone()
        if row is None:
            raise UnknownNameError(
                f"The queue in {self.folder} has no pair with the ticket {ticket!r}; post the pair "
                "again, or open the queue that it was posted to."
            )
        return int(row[0])


def _key_of(first: str, second: str, instruction: str) -> str:
    """Names a pair by its content, whichever clip comes first: 32 digits.

    >>> _key_of("a", "b", "push") == _key_of("b", "a", "push") != _key_of("a", "b", "pull")
    True
    """
    digest = blake2b(digest_size=16)
    for text in (*sorted((first, second)), instruction):
        encoded = text.encode(errors="surrogatepass")
        digest.update(f"{len(encoded)} ".encode() + encoded)
    return digest.hexdigest()


def _digest(clip: QueuedClip) -> str:
    return clip.digest


def _insert(
    database: sqlite3.Connection,
    key: str,
    clips: Sequence[QueuedClip],
    instruction: str,
    wanted: int,
) -> None:
    for clip in clips:
        database.execute("INSERT OR IGNORE INTO clips VALUES (?, ?, ?, ?)", astuple(clip))
    first, second = clips
    printable = instruction.encode(errors="replace").decode()  # SQLite takes no lone surrogates
    database.execute(
        "INSERT INTO pairs (key, first, second, instruction, wanted) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (key) DO UPDATE SET wanted = max(wanted, excluded.wanted)",
        (key, first.digest, second.digest, printable, wanted),
    )


def _answers(rows: Iterable[Any], *, swapped: bool) -> tuple[QueuedAnswer, ...]:
    def turned(side: Any) -> Any:
        return _MIRRORED.get(side, side) if swapped else side

    return tuple(
        QueuedAnswer(turned(choice), person, seconds, turned(left))
        for _, choice, person, seconds, left in rows
    )
