"""HDF5 files that are written whole or not at all, whatever their size, and read with care.

A file is written beside its final name and renamed when whole, so a reader finds all of it or
nothing; what a killed process leaves is a `*.partial`, which nothing reads.

What is written has checksums, which HDF5 compares whenever it reads: its format of release 1.10 has
them on all that describes arrays, and `write_array` puts them on the numbers.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vlfeedback.data.foreign_files import reading
from vlfeedback.data.hdf5_groups import HDF5Group
from vlfeedback.data.whole_files import new_file
from vlfeedback.data.writable import could_not_write
from vlfeedback.errors import WriteError

__all__ = ["NewHDF5", "new_hdf5", "open_hdf5", "write_array"]

_LIBRARY_VERSIONS = ("v110", "v110")
_NEWEST_BLOCK = b"\x03"  # version of the first block of a file of these


class NewHDF5:
    """A file that is being written; see `new_hdf5`."""

    def __init__(self, path: Path, disk: _Disk, origin: Path | None) -> None:
        self._path = path
        self._disk = disk
        self._mode = "w" if origin is None else "r+"
        self._versions: tuple[str, str] | None = _LIBRARY_VERSIONS
        self._origin = origin
        if origin is not None:
            with origin.open("rb") as file:
                is_new = file.read(9)[8:] == _NEWEST_BLOCK
            # A copy of another's file stays of the format that it is of.
            self._versions = _LIBRARY_VERSIONS if is_new else None

    @contextlib.contextmanager
    def open(self) -> Iterator[h5py.File]:
        """Open the file to write some of it: little, since it is closed in between.

        What HDF5 keeps while a file is open lies between the arrays of whoever else computes, and
        memory that those give back cannot be used again: over hours it would run out.

        Raises:
            OSError: something could not be written.
            FileFormatError: what this file is a copy of is damaged.
        """
        guard = (
            contextlib.nullcontext()
            if self._origin is None
            else reading(self._origin, "HDF5 file to copy", advice="Take a whole copy of it.")
        )
        with guard, h5py.File(self._disk, self._mode, libver=self._versions) as file:
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
def new_hdf5(path: str | Path, *, origin: Path | None = None) -> Iterator[NewHDF5]:
    """Write a file while the block runs; it is there when the block ends, and only then.

    Args:
        path: of the file.
        origin: a file that it begins as a copy of, bit by bit; else it begins empty.

    Raises:
        OSError: the disk is full or not writable; what was at `path` before is untouched.
    """
    path = Path(path)
    with contextlib.ExitStack() as stack:
        try:
            partial = stack.enter_context(new_file(path))
            disk = stack.enter_context(_Disk(partial))
        except WriteError:
            raise
        except OSError as error:
            raise could_not_write(path, error) from error
        new = NewHDF5(path, disk, origin)
        if origin is not None:
            with origin.open("rb") as file:
                shutil.copyfileobj(file, disk)
            new.check()
        yield new
        disk.sync()
        new.check()


@contextlib.contextmanager
def open_hdf5(
    path: str | Path,
    what: str = "HDF5 file",
    *,
    advice: str = "It is truncated, damaged or of another format; take a whole copy.",
) -> Iterator[HDF5Group]:
    """Open a file for reading; whatever its contents break on is a `FileFormatError`.

    Args:
        path: of the file.
        what: it should be, for the message.
        advice: what to do next, as a sentence; ends the message.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is truncated, damaged or foreign, or something that the block reads is
            not in it but in another file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No {what} {path}.")
    with reading(path, what, advice=advice), h5py.File(path, "r") as file:
        yield HDF5Group(path, file)


def write_array(group: h5py.Group, name: str, array: np.ndarray, **storage: Any) -> h5py.Dataset:
    """Write an array with checksums: reading what has changed since is an error.

    Args:
        group: where to.
        name: of the array.
        array: of numbers.
        storage: of `h5py.Group.create_dataset`, such as ``chunks`` and ``compression``.
    """
    if array.size == 0 or array.ndim == 0:  # which are not stored in chunks, that have checksums
        return group.create_dataset(name, data=array)
    return group.create_dataset(name, data=array, **{"chunks": True, "fletcher32": True, **storage})


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
