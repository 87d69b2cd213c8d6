"""Every answer of every model kept in one SQLite file, found by what was asked; and what was paid.

A second run asks nothing, and a killed one has lost nothing that came back: each answer is on the
disk, safe from a power cut too, before the next line of the program runs. Several processes and
threads may share a file. `vlfeedback.vlms.ledger.answer_rows` says what is kept of an answer.

Source: RL-VLM-F keeps one pickle a session, and no answer that was not a label; ours is keyed by
content and keeps every answer, also those that say nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import astuple
from datetime import UTC, datetime
from pathlib import Path

from vlfeedback.data.cache_folder import cache_folder
from vlfeedback.data.foreign_files import reading
from vlfeedback.data.sqlite_files import Layout, SQLiteFile
from vlfeedback.errors import InvalidValueError
from vlfeedback.types import Outcome
from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.ledger.answer_files import read_answer_rows, write_answer_rows
from vlfeedback.vlms.ledger.answer_rows import COLUMNS, KEPT, AnswerRow
from vlfeedback.vlms.ledger.store_totals import Added, Spent, Total
from vlfeedback.vlms.questions import Question
from vlfeedback.vlms.servers import address_of
from vlfeedback.vlms.settings import VLMSettings

__all__ = ["AnswerStore", "open_store", "store_path"]

_LAYOUT = Layout(
    what="store of answers",
    name="answers.sqlite",
    application=0x766C6661,  # "vlfa"
    version=1,
    tables="""
CREATE TABLE answers (
    number INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL, model TEXT NOT NULL,
    prompt TEXT NOT NULL, stage TEXT NOT NULL, outcome TEXT NOT NULL, tokens_in INTEGER NOT NULL,
    tokens_out INTEGER NOT NULL, cost_usd REAL, value TEXT NOT NULL, crc INTEGER NOT NULL
);
CREATE INDEX answers_of_a_prompt ON answers (model, prompt, stage, tokens_out);
CREATE TABLE requests (
    number INTEGER PRIMARY KEY, time TEXT NOT NULL, model TEXT NOT NULL, server TEXT NOT NULL,
    outcome TEXT NOT NULL, tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL,
    cost_usd REAL, problem TEXT NOT NULL
);
""",
    if_damaged="Nothing was deleted. Move it away, and the files -wal and -shm beside it, or name "
    "another file; `sqlite3 FILE .recover` reads what is left of it.",
    if_older="Nothing was changed. Export its answers with the release that made it, `vlfeedback "
    "answers export`, and import them into another file with this one.",
)
_FIELDS = ", ".join(COLUMNS)
_AT_ONCE = 1000  # rows, of a few kB each


class AnswerStore:
    """Answers by the key of their question.

    Args:
        path: of the file, on a local disk; it and its folder are made if they are not there.
            None: in memory.
        model: that is asked, as `Question.key` is given it; noted with each answer that is put.
        server: where, likewise; without credentials.

    Raises:
        FileFormatError: the file is damaged, of something else, or of another release's layout;
            nothing of it is changed.
        OSError: it can be neither read nor made.

    Example:
        >>> from vlfeedback.vlms.questions import Turn
        >>> question = Question((Turn("user", ("Is the drawer open?",)),), prompt="mine/1")
        >>> store = AnswerStore(None, model="some-model")
        >>> store.get(question.key("some-model"))
        >>> store.put(question.key("some-model"), question, Answer("yes", cost_usd=0.01))
        >>> answer = store.get(question.key("some-model"))
        >>> answer.text, answer.stored, answer.cost_usd
        ('yes', True, 0.0)
    """

    def __init__(self, path: Path | None, *, model: str = "", server: str = "") -> None:
        self.path = path
        self.model = model
        self.server = server
        self._file = SQLiteFile(path, _LAYOUT)

    def get(self, key: str) -> Answer | None:
        """The answer to a question; None where there is none.

        Raises:
            FileFormatError: the file is damaged.
            OSError: it cannot be read.
        """
        with self._file.transaction("BEGIN") as database:
            query = f"SELECT {_FIELDS} FROM answers WHERE key = ?"
            row = database.execute(query, (key,)).fetchone()
        if row is None:
            return None
        with self._reading():
            return AnswerRow(*row).answer()

    def put(self, key: str, question: Question, answer: Answer) -> None:
        """Keep an answer; when this returns, it is on the disk. One that is there stays as it is.

        What failed is no answer and is not kept; `book` notes it.

        Raises:
            InvalidValueError: the key is another question's, or another model's.
            FileFormatError: the file is damaged.
            OSError: the disk is full or not writable; what was kept before is whole.
        """
        if key != question.key(self.model):
            raise InvalidValueError(
                f"{key!r} is not the key of this question to {self.model!r}; expected "
                f"question.key({self.model!r}), and AnswerStore(path, model=...) to name the model."
            )
        if answer.outcome in KEPT and not answer.stored:
            row = AnswerRow.of(key, question, answer, model=self.model, server=self.server)
            self._insert([row])

    def book(self, answer: Answer) -> None:
        """Note what a request has cost, whatever came of it: no kill makes it undone.

        Raises:
            FileFormatError: the file is damaged.
            OSError: the disk is full or not writable.
        """
        contents = (
            *(datetime.now(UTC).isoformat(timespec="seconds"), self.model, self.server),
            *(answer.outcome.word, answer.tokens_in, answer.tokens_out),
            answer.cost_usd if answer.price_known else None,
            answer.problem.encode(errors="replace").decode(),  # a server's, which may be anything
        )
        with self._file.transaction("BEGIN IMMEDIATE") as database:
            database.execute(
                "INSERT INTO requests (time, model, server, outcome, tokens_in, tokens_out, "
                "cost_usd, problem) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                contents,
            )

    def spent(self, after: int = 0) -> Spent:
        """What was booked by all who share the file.

        Args:
            after: number of a request; only those after it.
        """
        with self._file.transaction("BEGIN") as database:
            row = database.execute(
                "SELECT total(cost_usd), coalesce(sum(tokens_in + tokens_out), 0), count(*), "
                "coalesce(sum(outcome = ?), 0), coalesce(sum(cost_usd IS NULL), 0), "
                "coalesce(max(number), ?) FROM requests WHERE number > ?",
                (Outcome.FAILED.word, after, after),
            ).fetchone()
        return Spent(*row)

    def held(self, keys: Iterable[str]) -> set[str]:
        """Which of these questions have an answer."""
        with self._file.transaction("BEGIN") as database:
            query = "SELECT 1 FROM answers WHERE key = ?"
            return {key for key in keys if database.execute(query, (key,)).fetchone()}

    def mean_tokens_out(self, prompt: str, stage: str) -> float | None:
        """Mean length of this model's answers to a prompt's stage, in tokens; None of none."""
        with self._file.transaction("BEGIN") as database:
            row = database.execute(
                "SELECT avg(tokens_out) FROM answers WHERE model = ? AND prompt = ? AND stage = ?",
                (self.model, prompt, stage),
            ).fetchone()
        return None if row[0] is None else float(row[0])

    def totals(self) -> list[Total]:
        """Sums by model, prompt and outcome, in that order."""
        with self._file.transaction("BEGIN") as database:
            rows = database.execute(
                "SELECT model, prompt, outcome, count(*), sum(tokens_in), sum(tokens_out), "
                "total(cost_usd), sum(cost_usd IS NULL) FROM answers "
                "GROUP BY model, prompt, outcome ORDER BY model, prompt, outcome"
            ).fetchall()
        return [Total(*row) for row in rows]

    def export(self, path: str | Path, *, prompt: str = "", model: str = "") -> int:
        """Write answers to a Parquet file, to be shared; see `vlfeedback.vlms.ledger.answer_files`.

        Args:
            path: the file, written whole or not at all.
            prompt: only answers to this one, such as ``"rl-vlm-f/1"``; "" all.
            model: only answers of this one; "" all.

        Returns:
            How many were written.

        Raises:
            FileFormatError: the store is damaged.
            MissingExtraError: pyarrow is not installed.
            WriteError: the file cannot be written.
        """
        chosen = {"prompt": prompt, "model": model}
        return write_answer_rows(
            Path(path), self._rows({name: text for name, text in chosen.items() if text})
        )

    def add_from(self, path: str | Path) -> Added:
        """Add the answers of a file that `export` wrote: all of them, or after an error none.

        What is there stays as it is. Answers that are added are served as one's own are, and count
        towards no budget.

        Raises:
            FileNotFoundError: there is no such file.
            FileFormatError: it is damaged, no file of answers, or of a newer release.
            MissingExtraError: pyarrow is not installed.
        """
        n_added, n_rows = self._insert(read_answer_rows(Path(path)))
        return Added(n_added, n_rows - n_added)

    def check(self, report: Callable[[int], None] = lambda n_done: None) -> int:
        """Read everything that is kept, and compare it with its checksums and keys.

        Args:
            report: called with how many answers are found whole so far.

        Returns:
            How many answers there are.

        Raises:
            FileFormatError: the first damage that is found.
        """
        with self._file.transaction("BEGIN") as database:
            found = database.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found != "ok":
            raise self._file.damaged(str(found))
        n_done = 0
        for _ in self._rows({}):
            n_done += 1
            report(n_done)
        return n_done

    def _rows(self, chosen: dict[str, str]) -> Iterator[AnswerRow]:
        """Whole rows with these values, some at a time: others may write in between."""
        where = " AND ".join(["number > ?", *(f"{name} = ?" for name in chosen)])
        query = (
            f"SELECT number, {_FIELDS} FROM answers WHERE {where} ORDER BY number LIMIT {_AT_ONCE}"
        )
        last = 0
        while True:
            with self._file.transaction("BEGIN") as database:
                rows = database.execute(query, (last, *chosen.values())).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            for _, *contents in rows:
                with self._reading():
                    row = AnswerRow(*contents)
                    row.check()
                yield row

    def _insert(self, rows: Iterable[AnswerRow]) -> tuple[int, int]:
        """How many were not there, of how many; all of them, or none."""
        marks = ", ".join("?" * len(COLUMNS))
        statement = f"INSERT OR IGNORE INTO answers ({_FIELDS}) VALUES ({marks})"
        n_added = n_rows = 0
        with self._file.transaction("BEGIN IMMEDIATE", durable=True) as database:
            for row in rows:
                n_added += database.execute(statement, astuple(row)).rowcount
                n_rows += 1
        return n_added, n_rows

    def _reading(self) -> AbstractContextManager[None]:
        return reading(self.path or "memory", _LAYOUT.what, advice=_LAYOUT.if_damaged)


def store_path(store: str) -> Path | None:
    """The file that a setting means; None where nothing is to be kept.

    Args:
        store: a path; "": ``answers.sqlite`` in the user's cache folder; ``"none"``.
    """
    if store == "none":
        return None
    return Path(store).expanduser() if store else cache_folder() / _LAYOUT.name


def open_store(settings: VLMSettings) -> AnswerStore | None:
    """The store that these settings name, for their model; None where they keep nothing.

    Raises:
        FileFormatError: see `AnswerStore`.
        OSError: likewise.
    """
    path = store_path(settings.store)
    if path is None:
        return None
    return AnswerStore(path, model=settings.asked_model, server=address_of(settings.base_url))
