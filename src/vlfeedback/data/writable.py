"""What cannot be written is found out before anything is paid for, and says which file it is.

`check_writable` is what every pipeline calls first; `explained` is what every writer stands in.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from vlfeedback.errors import VLFeedbackError, WriteError

__all__ = ["TRIAL", "check_writable", "could_not_write", "explained"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_OF_THE_DISK = _FULL | {errno.EROFS, errno.EFBIG, errno.EIO}
"""Errors that only writing can end in."""
_OF_THE_PATH = frozenset(
    {
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR),
        *(errno.EEXIST, errno.ENAMETOOLONG),
    }
)
"""Errors that another place would not end in."""
TRIAL = ".trial"
"""End of the name of what `check_writable` writes for a moment, also where others are at work."""
_BLOCK = b"\0" * 4096  # a full disk still takes an empty file


def could_not_write(path: Path, error: OSError) -> WriteError:
    """The error that names the file, why it could not be written, and what is safe."""
    if error.errno in _OF_THE_PATH or isinstance(error, FileNotFoundError):
        in_the_way = error.errno in (errno.EEXIST, errno.ENOTDIR)
        why = "a file is where its folder is to be" if in_the_way else str(error.strerror).lower()
        reason = f"{why}; choose a place that you may write to"
    else:
        reason = "the disk is full; free some space" if error.errno in _FULL else str(error)
    sentence = WriteError(
        f"Could not write {path}: {reason}. Nothing of this file was kept and files finished "
        "earlier are whole; run the same command again to go on."
    )
    sentence.errno = error.errno
    return sentence


@contextlib.contextmanager
def explained(path: Path, partial: Path) -> Iterator[None]:
    """Have errors of the disk, and those about these places, say what `could_not_write` says.

    Args:
        path: what is written, for the message.
        partial: file or folder that is written in its place until it is whole. Errors about other
            files, which the block may read, stay as they are.

    Raises:
        WriteError: the disk is full or read-only, or the place may not be written.
    """
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        about = Path(error.filename) if isinstance(error.filename, str) else None
        within = about is not None and partial in about.parents
        about_us = within or about in {path, partial, *path.parents}
        if error.errno in _OF_THE_DISK or (error.errno in _OF_THE_PATH and about_us):
            raise could_not_write(path, error) from error
        raise
    except VLFeedbackError:
        raise
    except Exception as error:
        # Writers of other libraries say it in words of their own, such as torch's RuntimeError.
        try:
            _try_to_write(partial.parent)
        except OSError as full:
            if full.errno in _OF_THE_DISK:
                raise could_not_write(path, full) from error
        raise


def check_writable(path: str | Path, *, folder: bool = False) -> None:
    """Try an output before any work is done for it; nothing of the trial stays.

    Args:
        path: a file that will be written, or replaced.
        folder: it is a folder that will be filled.

    Raises:
        WriteError: its folder cannot be made or written to, the disk is full, or there is a folder
            where the file is to be, or a file where the folder is.

    Example:
        >>> check_writable("/dev/null/labels.parquet")
        Traceback (most recent call last):
        ...
        vlfeedback.errors.WriteError: Could not write /dev/null/labels.parquet: a file is where ...
    """
    path = Path(path)
    if not folder and path.is_dir():
        raise could_not_write(path, IsADirectoryError(errno.EISDIR, "there is a folder"))
    home = path if folder else path.parent
    absent = [place for place in (home, *home.parents) if not place.exists()]
    try:
        home.mkdir(parents=True, exist_ok=True)
        _try_to_write(home)
    except OSError as error:
        raise could_not_write(path, error) from error
    finally:
        for place in absent:
            with contextlib.suppress(OSError):
                place.rmdir()


def _try_to_write(folder: Path) -> None:
    trial = folder / f".{os.getpid()}-{secrets.token_hex(4)}{TRIAL}"
    try:
        trial.write_bytes(_BLOCK)
    finally:
        with contextlib.suppress(OSError):
            trial.unlink(missing_ok=True)
