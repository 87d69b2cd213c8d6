"""HDF5 files that are written whole or not at all, whatever their size, and read with care.

A file is written beside its final name and renamed when whole, so a reader finds all of it or
nothing; what a killed process leaves is a `*.partial`, which nothing reads.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from json import JSONDecodeError
from pathlib import Path
from typing import Any

import h5py

from vlfeedback.data.whole_files import new_file
from vlfeedback.data.writable import could_not_write
from vlfeedback.errors import FileFormatError, ShapeError, WriteError

__all__ = ["NewHDF5", "new_hdf5", "open_hdf5"]


class NewHDF5:
    """A file that is being written; see `new_hdf5`."""

    def __init__(self, path: Path, disk: _Disk) -> None:
        self._path = path
        self._disk = disk
        self._mode = "w"

    @contextlib.contextmanager
    def open(self) -> Iterator[h5py.File]:
        """Open the file to write some of it: little, since it is closed in between.

        What HDF5 keeps while a file is open lies between the arrays of whoever else computes, and
        memory that those give back cannot be used again: over hours it would run out.

        Raises:
            OSError: something could not be written.
        """
        with h5py.File(self._disk, self._mode) as file:
            yield file
        self._mode = "r+"
        self.check()

    def check(self) -> None:
        """Say that something could not be written.

        Raises:
            OSError: the disk is full or not writable.
        """
        if self._disk.error is not None:
            raise could_not_write(self._path, self._disk.error)


@contextlib.contextmanager
def new_hdf5(path: Path) -> Iterator[NewHDF5]:
    """Write a file while the block runs; it is there when the block ends, and only then.

    Raises:
        OSError: the disk is full or not writable; what was at `path` before is untouched.
    """
    with contextlib.ExitStack() as stack:
        try:
            partial = stack.enter_context(new_file(path))
            disk = stack.enter_context(_Disk(partial))
        except WriteError:
            raise
        except OSError as error:
            raise could_not_write(path, error) from error
        new = NewHDF5(path, disk)
        yield new
        disk.sync()
        new.check()


@contextlib.contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open a file for reading; whatever its contents break on is a `FileFormatError`.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is truncated, damaged or foreign.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No trajectory file {path}.")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, RuntimeError, TypeError, ShapeError, JSONDecodeError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # the system's own, such as too many open files: the contents may be sound
        raise FileFormatError(
            f"{path} cannot be read ({error}): truncated, damaged, or of another format. "
            "Delete it and collect it again."
        ) from error


class _Disk(io.RawIOBase):
    """A file for HDF5 to write to, which never fails: HDF5 takes the process down if it does.

    The first error is kept, and nothing is written from then on.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b", buffering=0)
        self.error: OSError | None = None

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int | None:
        return self._file.readinto(buffer)

    def write(self, contents: Any) -> int:
        remaining = memoryview(contents).cast("B")
        size = len(remaining)
        try:
            while remaining and self.error is None:  # a disk may take a part
                remaining = remaining[self._file.write(remaining) :]
        except OSError as error:
            self.error = error
        return size

    def truncate(self, size: int | None = None) -> int:
        try:
            if self.error is None:
                self._file.truncate(size)
        except OSError as error:
            self.error = error
        return self.tell() if size is None else size

    def sync(self) -> None:
        """Have the system write all of it."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            self.error = self.error or error

    def close(self) -> None:
        self._file.close()
        super().close()
