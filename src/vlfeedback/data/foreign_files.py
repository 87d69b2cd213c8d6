"""Files that somebody else wrote, or that a disk has damaged: nothing in them is trusted.

Every reader of the library stands on three rules, so that a new one gets them for nothing:

- whatever a file's contents break on becomes one sentence of ours: `reading`
- nothing is allocated on the word of a header that the file's own size cannot hold: `check_size`
- a path that a file or a name gives lies in the folder that it is of: `path_inside`
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

from vlfeedback.errors import FileFormatError, InvalidValueError, VLFeedbackError

__all__ = ["check_size", "path_inside", "reading"]

_MOST_EXPANSION = 1100
"""Bytes that one byte of a file may become: deflate's most is 1032."""
_SMALL_BYTES = 64 * 2**20
"""What any file may ask for: fill values and constants need hardly a byte on disk."""
_SYSTEMS_OWN = frozenset({errno.ENOENT, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE})
"""Errors about a path or the process, whatever the contents are."""
_HUB_SNAPSHOT = re.compile(r"snapshots/[^/]+$")


@contextlib.contextmanager
def reading(
    path: str | Path,
    what: str,
    *,
    advice: str = "",
    error: type[FileFormatError] = FileFormatError,
) -> Iterator[None]:
    """Turn whatever reading a file ends in into "FILE is no readable X: reason".

    The block holds nothing but the reading: what its user computes meanwhile is outside.
    Errors of the library's own pass, as do those of the system about the path itself.

    Args:
        path: the file, folder or name, for the message.
        what: it should be, for the message: "Parquet file of labels".
        advice: what to do next, as a sentence; ends the message.
        error: the type to raise.

    Raises:
        FileFormatError: or `error`; the contents cannot be read.
        OSError: it is not there, may not be read, or too many files are open.

    Example:
        >>> import json
        >>> with reading("labels.json", "JSON file", advice="Write it again."):
        ...     json.loads("{")
        Traceback (most recent call last):
        ...
        vlfeedback.errors.FileFormatError: labels.json is no readable JSON file: ...
    """
    try:
        yield
    except VLFeedbackError:
        raise
    except Exception as cause:
        # Libraries raise anything at all on damaged files: zlib.error, UnicodeDecodeError,
        # RecursionError, MemoryError, AssertionError ...; no list of them was ever complete.
        # PyAV's carry the system's numbers too, and mean what they found in the file.
        is_systems = type(cause).__module__ == "builtins"
        if isinstance(cause, OSError) and cause.errno in _SYSTEMS_OWN and is_systems:
            raise
        sentence = f"{path} is no readable {what}: {_reason(cause)}. {advice}".rstrip()
        raise error(sentence) from cause


def check_size(path: Path, n_bytes: int, what: str) -> None:
    """Refuse to allocate what a file cannot hold, before it is tried.

    Args:
        path: the file.
        n_bytes: that its header asks for.
        what: is to be allocated, for the message: "the array 'observations'".

    Raises:
        FileFormatError: it is more than any compression makes of a file of this size, and more
            than 64 MiB.
    """
    on_disk = path.stat().st_size
    if n_bytes < 0 or n_bytes > _SMALL_BYTES + _MOST_EXPANSION * on_disk:
        raise FileFormatError(
            f"{path} has {on_disk:,} bytes and says that {what} has {n_bytes:,}, which no "
            "compression can have made: it is damaged. Copy it again."
        )


def path_inside(root: Path, name: str | Path, *, where: object) -> Path:
    """The path that a file or a user's name gives, if it lies in the folder it belongs to.

    Symbolic links are followed, and may not lead out either; those of the Hugging Face hub's cache
    lead to its blobs, which belong to the same repository.

    Args:
        root: the folder.
        name: relative to it.
        where: it was read from, for the message.

    Raises:
        InvalidValueError: it is absolute, climbs out, or is a link that leads out.
    """
    outside = InvalidValueError(
        f"{where} names the path {str(name)!r}, which lies outside of {root}; nothing there is "
        "read or written. Expected a path inside, without '..'."
    )
    text = str(name)
    if not text.strip() or "\0" in text or Path(text).is_absolute():
        raise outside
    if not _within(Path(os.path.normpath(root / text)), Path(os.path.normpath(root))):
        raise outside
    path = root / text
    resolved, resolved_root = path.resolve(), root.resolve()
    is_snapshot = _HUB_SNAPSHOT.search(resolved_root.as_posix()) is not None
    homes = (resolved_root, resolved_root.parents[1] / "blobs") if is_snapshot else (resolved_root,)
    if not any(_within(resolved, home) for home in homes):
        raise outside
    return path


def _within(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents


def _reason(error: Exception) -> str:
    first_line = next(iter(str(error).strip().splitlines()), "").rstrip(". ")
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    return f"{first_line} ({type(error).__name__})" if first_line else type(error).__name__
