"""Whether somebody serves a queue to people right now: a lock that ends with its process."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vlfeedback.data.locks import LOCK
from vlfeedback.data.writable import check_writable

__all__ = ["is_served", "serving"]

_NAME = f".served{LOCK}"


@contextmanager
def serving(folder: Path) -> Iterator[None]:
    """Have `is_served` say so for as long as the block runs; several processes may serve at once.

    Args:
        folder: of the queue; made where it is not there.

    Raises:
        WriteError: the folder cannot be made or written to.
    """
    check_writable(folder, folder=True)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _NAME).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def is_served(folder: Path) -> bool:
    """Whether a process of this machine serves the queue in this folder."""
    try:
        lock = (folder / _NAME).open("a")
    except FileNotFoundError:
        return False
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
