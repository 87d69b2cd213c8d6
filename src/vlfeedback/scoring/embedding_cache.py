"""Embeddings of pictures in an SQLite file, found by the picture's content.

Several processes may read and write one file at a time, and each may be killed at any moment: what
was put before is kept whole. It holds numbers alone, so reading it executes nothing.
"""

from __future__ import annotations

import hashlib
import math
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from jaxtyping import Float32, UInt8

from vlfeedback.data.foreign_files import reading
from vlfeedback.data.sqlite_files import Layout, SQLiteFile

__all__ = ["EmbeddingCache", "open_cache", "picture_key"]

_IN_MEMORY = 1 << 30  # bytes: the most that is kept where there is no file; our choice
_LAYOUT = Layout(
    what="cache of embeddings",
    name="embeddings.sqlite",
    application=0x766C6665,  # "vlfe"
    version=2,  # 2: a checksum is of the key too
    tables="""
CREATE TABLE encoders (number INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL);
CREATE TABLE embeddings (
    encoder INTEGER NOT NULL, picture BLOB NOT NULL, shape TEXT NOT NULL, numbers BLOB NOT NULL,
    crc INTEGER NOT NULL, UNIQUE (encoder, picture)
);
""",
    if_damaged="Delete it, and the files -wal and -shm beside it: all that is lost is the time to "
    "encode again.",
)


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
        self._file = SQLiteFile(path, _LAYOUT)

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
        with self._file.transaction("BEGIN") as database:
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
        with self._file.transaction("BEGIN IMMEDIATE") as database:
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
        with reading(self.path or "memory", "cache of embeddings", advice=_LAYOUT.if_damaged):
            sizes = [int(size) for size in shape.split(",") if size]
            is_whole = len(numbers) == 4 * math.prod(sizes)
            if not is_whole or _checksum(picture, shape, numbers) != crc:
                raise self._file.damaged("an embedding is not as it was written")
            return np.frombuffer(numbers, dtype="<f4").reshape(sizes)


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
