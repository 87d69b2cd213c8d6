"""One process at a time: a file or folder that is being filled keeps every other process out.

Locks are the system's own (``flock``), so they end with the process that has them, however it
ends. The files they are of lie in the folder, or beside the file, and are removed at the end.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vlfeedback.data.whole_files import delete_partials
from vlfeedback.data.writable import check_writable, could_not_write
from vlfeedback.errors import BusyError

__all__ = ["LOCK", "is_lock", "locked", "locked_file", "locked_output"]

LOCK = ".lock"
"""Name of the file that `locked` holds."""


def is_lock(path: Path) -> bool:
    """Whether a path is what `locked` or `locked_file` holds, or what a killed process held."""
    return path.name.startswith(".") and path.name.endswith(LOCK)


@contextmanager
def locked(folder: Path, *, what: str) -> Iterator[None]:
    """Keep other processes out of a folder; the lock ends with the process, however it ends.

    Args:
        folder: made where it is not there.
        what: is done there, for the message: "relabels into".

    Raises:
        BusyError: another process has it; a `BlockingIOError`.
        WriteError: the folder cannot be made or written to.
    """
    check_writable(folder, folder=True)
    with _held(folder / LOCK, what=f"{what} {folder}", other="folder"):
        yield


@contextmanager
def locked_file(path: Path, *, what: str) -> Iterator[None]:
    """Keep other processes that call this from a file or folder, whether it is there or not.

    Args:
        path: the file or folder; nothing but its name is looked at.
        what: is done to it, for the message: "writes instructions into".

    Raises:
        BusyError: another process has it; a `BlockingIOError`.
        WriteError: its folder cannot be made or written to.
    """
    with _held(path.with_name(f".{path.name}{LOCK}"), what=f"{what} {path}", other="place"):
        yield


@contextmanager
def locked_output(path: Path, *, what: str) -> Iterator[None]:
    """What stands around all work for one output file: it can be written, and by nobody else.

    What killed writers left of it is deleted first.

    Args:
        path: the file that will be there at the end.
        what: is done to it, for the message: "trains into".

    Raises:
        BusyError: another process has it; a `BlockingIOError`.
        WriteError: see `check_writable`.
    """
    check_writable(path)
    with locked_file(path, what=what):
        delete_partials(path)
        yield


@contextmanager
def _held(path: Path, *, what: str, other: str) -> Iterator[None]:
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = path.open("w")
        except FileNotFoundError:
            if path.parent.exists():
                raise
            continue  # whoever had it before has removed the folder just now
        except OSError as error:
            raise could_not_write(path, error) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BusyError(
                    f"Another process {what}; wait for it, or choose another {other}."
                ) from error
            if os.fstat(lock.fileno()).st_nlink == 0:
                continue  # whoever had it before has removed it
            try:
                yield
            finally:
                # While it is held, so that the next one sees that it is gone; where the block has
                # removed the folder, what is there now is somebody else's.
                if os.fstat(lock.fileno()).st_nlink:
                    path.unlink(missing_ok=True)
            return
