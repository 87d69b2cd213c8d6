"""Embeddings of pictures in an SQLite file, found by the picture's content.

Several processes may read and write one file at a time, and each may be killed at any moment: what
was put before is kept whole. It holds numbers alone, so reading it executes nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary, finalize

import numpy as np
from jaxtyping import Float32, UInt8

from vlfeedback.data.foreign_files import reading
from vlfeedback.errors import FileFormatError

__all__ = ["EmbeddingCache", "open_cache", "picture_key"]

_APPLICATION = 0x766C6665  # marks our files: "vlfe"
_VERSION = 2  # of the layout; 2: a checksum is of the key too
_WAIT_S = 60.0  # for another process that writes
_IN_MEMORY = 1 << 30  # bytes: the most that is kept where there is no file; our choice
_ADVICE = (
    "Delete it, and the files -wal and -shm beside it: all that is lost is the time to encode "
    "again."
)
_LAYOUT = """
CREATE TABLE encoders (number INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL);
CREATE TABLE embeddings (
    encoder INTEGER NOT NULL, picture BLOB NOT NULL, shape TEXT NOT NULL, numbers BLOB NOT NULL,
    crc INTEGER NOT NULL, UNIQUE (encoder, picture)
);
"""
_HOLDS = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"  # NULL: indexes of UNIQUE


def picture_key(frame: UInt8[np.ndarray, "H W 3"]) -> bytes:
    """Stands for a picture's size and content: 16 bytes.

    Source: SHA-256 was the fastest sound digest of the standard library where we measured: 0.08 ms
    for 224 px, and 0.11 ms for BLAKE2b. Of its 32 bytes, 16 tell apart any number of pictures.
    """
    digest = hashlib.sha256(repr(frame.shape).encode())
    digest.update(np.ascontiguousarray(frame).data)
    return digest.digest()[:16]


class EmbeddingCache:
    """Float32 arrays by encoder and picture; threads may share it.

    Pickled or copied it is the cache of the same path, of whichever process loads it.

    Args:
        path: of the file, on a local disk; it, and the folder, are made if they are not there.
            None: in memory, until nobody holds it.
        max_bytes: where it would grow beyond, the oldest quarter is forgotten; None: never.

    Raises:
        FileFormatError: the file is damaged, of something else, or of a newer release.
        OSError: it can be neither read nor made.
    """

    def __init__(self, path: Path | None = None, *, max_bytes: int | None = None) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._lock = threading.RLock()
        self._of_other_processes: list[sqlite3.Connection] = []
        if path is not None and path.is_dir():
            raise IsADirectoryError(
                f"{path} is a folder; the cache is a file: name it {path / 'embeddings.sqlite'}, "
                "say."
            )
        self._connect()

    def __reduce__(self) -> tuple[Any, ...]:
        return open_cache, (self.path,)

    def get(
        self, encoder: str, pictures: Iterable[bytes]
    ) -> dict[bytes, Float32[np.ndarray, "..."]]:
        """The embeddings that are there, by picture; they cannot be written to.

        Args:
            encoder: names all that embeddings depend on beside the picture.
            pictures: their keys, see `picture_key`.

        Raises:
            FileFormatError: the file is damaged.
            OSError: it cannot be read.
        """
        found = {}
        with self._transaction("BEGIN") as database:
            number = _number(database, encoder)
            for picture in pictures if number is not None else ():
                row = database.execute(
                    "SELECT shape, numbers, crc FROM embeddings WHERE encoder = ? AND picture = ?",
                    (number, picture),
                ).fetchone()
                if row is not None:
                    found[picture] = self._array(picture, *row)
        return found

    def put(self, encoder: str, embeddings: Mapping[bytes, Float32[np.ndarray, "..."]]) -> None:
        """Keep embeddings; those that are there already stay as they are.

        Args:
            encoder: as in `get`.
            embeddings: by the picture's key.

        Raises:
            FileFormatError: the file is damaged.
            OSError: the disk is full or not writable; what was kept before is whole.
        """
        with self._transaction("BEGIN IMMEDIATE") as database:
            database.execute("INSERT OR IGNORE INTO encoders (name) VALUES (?)", (encoder,))
            number = _number(database, encoder)
            for picture, embedding in embeddings.items():
                # The same bytes on any machine.
                numbers = np.ascontiguousarray(embedding, dtype="<f4").tobytes()
                shape = ",".join(map(str, embedding.shape))
                database.execute(
                    "INSERT OR IGNORE INTO embeddings VALUES (?, ?, ?, ?, ?)",
                    (number, picture, shape, numbers, _checksum(picture, shape, numbers)),
                )
            if self._max_bytes is not None and _size(database) > self._max_bytes:
                database.execute(
                    "DELETE FROM embeddings WHERE rowid IN (SELECT rowid FROM embeddings ORDER BY "
                    "rowid LIMIT (SELECT 1 + count(*) / 4 FROM embeddings))"
                )

    def _array(
        self, picture: bytes, shape: Any, numbers: Any, crc: Any
    ) -> Float32[np.ndarray, "..."]:
        with reading(self.path or "memory", "cache of embeddings", advice=_ADVICE):
            sizes = [int(size) for size in shape.split(",") if size]
            is_whole = len(numbers) == 4 * math.prod(sizes)
            if not is_whole or _checksum(picture, shape, numbers) != crc:
                raise self._damaged("an embedding is not as it was written")
            return np.frombuffer(numbers, dtype="<f4").reshape(sizes)

    def _damaged(self, reason: str) -> FileFormatError:
        return FileFormatError(
            f"{self.path} is no readable cache of embeddings ({reason}). {_ADVICE}"
        )

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        """All of what the block does, or nothing of it."""
        with self._lock, self._explained():
            if self._process != os.getpid() and self.path is not None:
                # SQLite's connections may not go along into a forked process, not even be closed.
                self._of_other_processes.append(self._database)
                self._close.detach()
                self._connect()
            self._database.execute(begin)
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def _connect(self) -> None:
        with self._explained():
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(
                ":memory:" if self.path is None else self.path,
                timeout=_WAIT_S,
                isolation_level=None,
                check_same_thread=False,
            )
            self._process = os.getpid()
            self._close = finalize(self, self._database.close)
            self._check_layout()

    def _check_layout(self) -> None:
        database = self._database
        database.execute("BEGIN IMMEDIATE")  # of several that find no file, one makes the tables
        application, version = (
            database.execute(query).fetchone()[0]
            for query in ("PRAGMA application_id", "PRAGMA user_version")
        )
        # A view or trigger in a table's place could run for ever.
        holds = {" ".join(str(sql).split()) for (sql,) in database.execute(_HOLDS)}
        layout = [" ".join(sql.split()) for sql in _LAYOUT.split(";") if sql.strip()]
        if not application and not holds:
            for statement in layout:
                database.execute(statement)
            database.execute(f"PRAGMA application_id = {_APPLICATION}")
            database.execute(f"PRAGMA user_version = {_VERSION}")
        elif application != _APPLICATION:
            raise FileFormatError(
                f"{self.path} is a database of another program; choose another path for the cache "
                "of embeddings."
            )
        elif version < _VERSION:
            raise self._damaged(f"it has layout {version}, of an earlier release")
        elif version > _VERSION:
            raise FileFormatError(
                f"{self.path} has layout {version}; this release reads up to {_VERSION}. Update "
                "vlfeedback, or choose another path."
            )
        elif holds != set(layout):
            raise self._damaged("its tables are others than were made")
        database.execute("COMMIT")
        # Readers and one writer at a time do not wait for each other, and a commit waits for no
        # disk: after a power cut the last ones may be missing, and the file is whole.
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise OSError(
                f"The cache of embeddings {self.path} can be neither read nor written ({error}). "
                "Choose a path on a local disk with room that you may write to."
            ) from error
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise self._damaged(str(error)) from error


_OPEN: WeakValueDictionary[Path | None, EmbeddingCache] = WeakValueDictionary()
_OPENING = threading.Lock()


def open_cache(path: Path | None) -> EmbeddingCache:
    """The cache of this path, one for all who hold it in this process; errors as its own.

    Args:
        path: of the file; None: in memory, up to 1 GiB.
    """
    key = None if path is None else path.expanduser().resolve()
    with _OPENING:
        cache = _OPEN.get(key)
        if cache is None:
            cache = EmbeddingCache(key, max_bytes=_IN_MEMORY if key is None else None)
            _OPEN[key] = cache
        return cache


def _checksum(picture: bytes, shape: str, numbers: bytes) -> int:
    """Of the key too: a damaged index leads to the embedding of another picture."""
    return zlib.crc32(numbers, zlib.crc32(picture + shape.encode()))


def _number(database: sqlite3.Connection, encoder: str) -> int | None:
    row = database.execute("SELECT number FROM encoders WHERE name = ?", (encoder,)).fetchone()
    return None if row is None else int(row[0])


def _size(database: sqlite3.Connection) -> int:
    """Bytes in use; those of what was deleted are not."""
    pages, free, size = (
        database.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)
