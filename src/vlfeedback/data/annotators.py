"""The people who compare the pairs of a queue: whom which pair is shown to, and what they say.

A pair that is shown is leased: as long as the person is at it, and for `LEASE_S` seconds more,
nobody else is shown it, unless more than one answer is wanted. Which clip stands on the left is a
matter of the pair and the person, half of each, so that a liking for one side averages out; what is
kept is the clip that was meant.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from hashlib import blake2b

from vlfeedback.data.label_queue import LabelQueue
from vlfeedback.data.queued_clips import QueuedClip
from vlfeedback.errors import InvalidValueError

__all__ = ["LEASE_S", "SAID", "Annotators", "QueueProgress", "ShownPair"]

LEASE_S = 30.0
"""Seconds for which a pair stays with a person whose page is no longer heard of."""

SAID = ("left", "right", "equal", "unsure")
"""What a person may say of what is seen."""

_LONGEST_NAME = 40  # characters
_LONGEST_S = 3600.0  # that an answer can have taken; a browser says it, and may say anything

_NEXT = """
SELECT p.number FROM pairs p
LEFT JOIN leases own ON own.pair = p.number AND own.person = :person AND own.until > :now
WHERE NOT EXISTS (SELECT 1 FROM answers a WHERE a.pair = p.number AND a.person = :person)
AND (SELECT count(*) FROM answers a WHERE a.pair = p.number)
  + (SELECT count(*) FROM leases l
     WHERE l.pair = p.number AND l.person <> :person AND l.until > :now) < p.wanted
ORDER BY own.until IS NULL, p.number LIMIT 1
"""
_PROGRESS = """
SELECT count(*), coalesce(sum(n >= wanted), 0), coalesce(sum(n > 1), 0),
       coalesce(sum(n > 1 AND kinds = 1), 0), coalesce(sum(mine), 0)
FROM (SELECT p.wanted, count(a.number) AS n, count(DISTINCT a.choice) AS kinds,
             coalesce(sum(a.person = :person), 0) AS mine
      FROM pairs p LEFT JOIN answers a ON a.pair = p.number GROUP BY p.number)
"""


@dataclass(frozen=True, slots=True)
class ShownPair:
    """A pair as one person sees it.

    Attributes:
        number: of the pair in its queue.
        instruction: what both clips are judged by.
        left: the clip on the left.
        right: the clip on the right.
    """

    number: int
    instruction: str
    left: QueuedClip
    right: QueuedClip


@dataclass(frozen=True, slots=True)
class QueueProgress:
    """How far a queue is, as one person sees it.

    Attributes:
        pairs: that were posted.
        done: of them, those with as many answers as are wanted.
        yours: answers of this person.
        shared: pairs that several people answered.
        agreed: of those, the ones of which all said the same.
    """

    pairs: int
    done: int
    yours: int
    shared: int
    agreed: int


class Annotators:
    """What people do with the pairs of a queue; a person is known by a secret of the browser.

    Args:
        queue: that they label.

    All methods raise `OSError` where the queue can be neither read nor written.
    """

    def __init__(self, queue: LabelQueue) -> None:
        self.queue = queue

    def name_of(self, secret: str) -> str:
        """What a person is called, ``"person 2"`` at first; who is not known yet is from now on."""
        with self.queue.file.transaction("BEGIN IMMEDIATE") as database:
            number = _person(database, secret)
            query = "SELECT name FROM people WHERE number = ?"
            return str(database.execute(query, (number,)).fetchone()[0])

    def rename(self, secret: str, name: str) -> str:
        """Call a person something else.

        Args:
            secret: whom.
            name: of which blanks around it, and what is longer than 40 characters, is cut off.

        Returns:
            The name; the one of before, where nothing is left of the new one.
        """
        printable = "".join(c for c in name if c.isprintable()).encode(errors="ignore").decode()
        kept = printable.strip()[:_LONGEST_NAME]
        if kept:
            with self.queue.file.transaction("BEGIN IMMEDIATE") as database:
                number = _person(database, secret)
                database.execute("UPDATE people SET name = ? WHERE number = ?", (kept, number))
        return self.name_of(secret)

    def next_pair(self, secret: str) -> ShownPair | None:
        """The pair that a person is to compare now, which is theirs for `LEASE_S` seconds.

        Asked again it is the same pair, for as long again. None: nothing is left for them now.
        """
        now = self.queue.clock()
        with self.queue.file.transaction("BEGIN IMMEDIATE") as database:
            person = _person(database, secret)
            row = database.execute(_NEXT, {"person": person, "now": now}).fetchone()
            return None if row is None else self._show(database, int(row[0]), person)

    def answer(self, secret: str, pair: int, said: str, seconds: float = 0.0) -> bool:
        """Keep what a person says of a pair; when this returns, it is on the disk.

        Said again it changes nothing, so that it may be sent again where no reply came.

        Args:
            secret: whose.
            pair: its number.
            said: "left", "right", "equal" or "unsure".
            seconds: that it took.

        Returns:
            Whether it counts: not where others have answered meanwhile, after the lease ran out.

        Raises:
            InvalidValueError: there is no such pair, or `said` is another word.
        """
        if said not in SAID:
            raise InvalidValueError(f"said={said!r}; expected one of {', '.join(SAID)}.")
        took = min(max(float(seconds), 0.0), _LONGEST_S)
        with self.queue.file.transaction("BEGIN IMMEDIATE", durable=True) as database:
            person = _person(database, secret)
            key, wanted = _pair(database, pair)
            query = "SELECT person FROM answers WHERE pair = ?"
            answered = [row[0] for row in database.execute(query, (pair,))]
            database.execute("DELETE FROM leases WHERE pair = ? AND person = ?", (pair, person))
            if person not in answered and len(answered) < wanted:
                left, right = _sides(key, secret)
                choice = {"left": left, "right": right}.get(said, said)
                database.execute(
                    "INSERT INTO answers (pair, person, choice, shown_left, seconds, time, "
                    "was_read) VALUES (?, ?, ?, ?, ?, ?, 0)",
                    (pair, person, choice, left, took, self.queue.clock()),
                )
                answered.append(person)
        return person in answered

    def undo(self, secret: str) -> ShownPair | None:
        """Take back a person's last answer, and show them that pair again.

        None: they gave none, or a labeller has read it, and it stays.
        """
        with self.queue.file.transaction("BEGIN IMMEDIATE", durable=True) as database:
            person = _person(database, secret)
            last = database.execute(
                "SELECT number, pair, was_read FROM answers WHERE person = ? "
                "ORDER BY number DESC LIMIT 1",
                (person,),
            ).fetchone()
            if last is None or last[2]:
                return None
            database.execute("DELETE FROM answers WHERE number = ?", last[:1])
            # Another pair may be theirs by now; it goes back, so that the one shown is the one.
            database.execute("DELETE FROM leases WHERE person = ?", (person,))
            return self._show(database, int(last[1]), person)

    def progress(self, secret: str) -> QueueProgress:
        """How far the queue is."""
        with self.queue.file.transaction("BEGIN IMMEDIATE") as database:
            person = _person(database, secret)
            pairs, done, shared, agreed, yours = database.execute(
                _PROGRESS, {"person": person}
            ).fetchone()
        return QueueProgress(pairs, done, yours, shared, agreed)

    def _show(self, database: sqlite3.Connection, pair: int, person: int) -> ShownPair:
        database.execute(
            "INSERT OR REPLACE INTO leases (pair, person, until) VALUES (?, ?, ?)",
            (pair, person, self.queue.clock() + LEASE_S),
        )
        query = "SELECT key, first, second, instruction FROM pairs WHERE number = ?"
        key, first, second, instruction = database.execute(query, (pair,)).fetchone()
        query = "SELECT secret FROM people WHERE number = ?"
        (secret,) = database.execute(query, (person,)).fetchone()
        clips = {"first": _clip(database, first), "second": _clip(database, second)}
        left, right = _sides(key, secret)
        return ShownPair(pair, instruction, clips[left], clips[right])


def _person(database: sqlite3.Connection, secret: str) -> int:
    """The number of a person, who is there from now on."""
    query = "SELECT number FROM people WHERE secret = ?"
    row = database.execute(query, (secret,)).fetchone()
    if row is None:
        database.execute(
            "INSERT INTO people (secret, name) "
            "SELECT ?, 'person ' || (coalesce(max(number), 0) + 1) FROM people",
            (secret,),
        )
        row = database.execute(query, (secret,)).fetchone()
    return int(row[0])


def _pair(database: sqlite3.Connection, pair: int) -> tuple[str, int]:
    """Key of a pair, and how many answers it is to have."""
    query = "SELECT key, wanted FROM pairs WHERE number = ?"
    row = database.execute(query, (pair,)).fetchone()
    if row is None:
        raise InvalidValueError(f"The queue has no pair {pair}; reload the page.")
    return str(row[0]), int(row[1])


def _sides(key: str, secret: str) -> tuple[str, str]:
    """Which clip of a pair a person sees on the left, and which on the right."""
    is_swapped = blake2b(f"{key} {secret}".encode(), digest_size=1).digest()[0] % 2
    return ("second", "first") if is_swapped else ("first", "second")


def _clip(database: sqlite3.Connection, digest: str) -> QueuedClip:
    query = "SELECT digest, pictures, width, height FROM clips WHERE digest = ?"
    return QueuedClip(*database.execute(query, (digest,)).fetchone())
