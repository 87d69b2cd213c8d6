"""SQLite files that several processes fill at a time, each of which may be killed at any moment.

What was put before is kept whole. A file says what it is and of which version, and holds no tables
but those that were made, so that reading a stranger's runs nothing of it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from weakref import finalize

from vlfeedback.errors import FileFormatError

__all__ = ["Layout", "SQLiteFile"]

_WAIT_S = 60.0  # for another process that writes
_HOLDS = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"  # NULL: indexes of UNIQUE


@dataclass(frozen=True, slots=True)
class Layout:
    """What the files of one kind hold, and what messages say of them.

    Attributes:
        what: they are, such as ``"cache of embeddings"``.
        name: that such a file usually has.
        application: marks them: four letters as a number.
        version: of the tables; one more whenever they change.
        tables: SQL that makes them.
        if_damaged: what to do then, as sentences.
        if_older: what to do with a file of an earlier version; "": as if it were damaged.
    """

    what: str
    name: str
    application: int
    version: int
    tables: str
    if_damaged: str
    if_older: str = ""


class SQLiteFile:
    """A file of a layout, made if it is not there; threads may share it, and forked processes.

    Args:
        path: on a local disk; its folder is made too. None: in memory.
        layout: what it holds.

    Attributes:
        database: the connection of this process; use `transaction`.

    Raises:
        FileFormatError: the file is damaged, of something else, or of another version.
        OSError: it can be neither read nor made.
    """

    def __init__(self, path: Path | None, layout: Layout) -> None:
        self.path = path
        self._layout = layout
        self._lock = threading.RLock()
        self._of_other_processes: list[sqlite3.Connection] = []
        if path is not None and path.is_dir():
            raise IsADirectoryError(
                f"{path} is a folder; the {layout.what.partition(' ')[0]} is a file: name it "
                f"{path / layout.name}, say."
            )
        self._connect()

    @contextlib.contextmanager
    def transaction(
        self, begin: Literal["BEGIN", "BEGIN IMMEDIATE"], *, durable: bool = False
    ) -> Iterator[sqlite3.Connection]:
        """Give the connection; all of what the block does is kept, or nothing of it.

        Args:
            begin: ``"BEGIN IMMEDIATE"`` for one that writes.
            durable: wait for the disk, also for what was written before; otherwise a power cut may
                take back the last transactions. Killed processes lose nothing either way.

        Raises:
            FileFormatError: the file is damaged.
            OSError: it can be neither read nor written; what was kept before is whole.
        """
        with self._lock, self._explained():
            if self._process != os.getpid() and self.path is not None:
                # SQLite's connections may not go along into a forked process, not even be closed.
                self._of_other_processes.append(self.database)
                self._close.detach()
                self._connect()
            self.database.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self.database.execute(begin)
            try:
                yield self.database
                self.database.execute("COMMIT")
            except BaseException:
                if self.database.in_transaction:
                    self.database.execute("ROLLBACK")
                raise

    def damaged(self, reason: str) -> FileFormatError:
        """The error that says why the file cannot be read, and what to do."""
        return FileFormatError(
            f"{self.path} is no readable {self._layout.what} ({reason}). {self._layout.if_damaged}"
        )

    def _connect(self) -> None:
        with self._explained():
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self.database = sqlite3.connect(
                ":memory:" if self.path is None else self.path,
                timeout=_WAIT_S,
                isolation_level=None,
                check_same_thread=False,
            )
            self._process = os.getpid()
            self._close = finalize(self, self.database.close)
            self._check_layout()

    def _check_layout(self) -> None:
        database, layout = self.database, self._layout
        database.execute("BEGIN IMMEDIATE")  # of several that find no file, one makes the tables
        application, version = (
            database.execute(query).fetchone()[0]
            for query in ("PRAGMA application_id", "PRAGMA user_version")
        )
        # A view or trigger in a table's place could run for ever.
        holds = {" ".join(str(sql).split()) for (sql,) in database.execute(_HOLDS)}
        tables = [" ".join(sql.split()) for sql in layout.tables.split(";") if sql.strip()]
        if not application and not holds:
            for statement in tables:
                database.execute(statement)
            database.execute(f"PRAGMA application_id = {layout.application}")
            database.execute(f"PRAGMA user_version = {layout.version}")
        elif application != layout.application:
            raise FileFormatError(
                f"{self.path} is a database of another program; choose another path for the "
                f"{layout.what}."
            )
        elif version < layout.version:
            raise self._older(version)
        elif version > layout.version:
            raise FileFormatError(
                f"{self.path} has layout {version}; this release reads up to {layout.version}. "
                "Update vlfeedback, or choose another path."
            )
        elif holds != set(tables):
            raise self.damaged("its tables are others than were made")
        database.execute("COMMIT")
        self._write_ahead()

    def _write_ahead(self) -> None:
        """Readers and one writer at a time do not wait for each other from here on."""
        until = time.monotonic() + _WAIT_S
        while True:
            try:
                self.database.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                # This needs the file for itself, and the connection's own wait does not cover it.
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
                time.sleep(0.01)

    def _older(self, version: int) -> FileFormatError:
        if not self._layout.if_older:
            return self.damaged(f"it has layout {version}, of an earlier release")
        return FileFormatError(
            f"{self.path} has layout {version}, of an earlier release; this one reads layout "
            f"{self._layout.version}. {self._layout.if_older}"
        )

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise OSError(
                f"The {self._layout.what} {self.path} can be neither read nor written ({error}). "
                "Choose a path on a local disk with room that you may write to."
            ) from error
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise self.damaged(str(error)) from error
