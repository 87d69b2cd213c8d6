"""Arrays of npz files that somebody else wrote, and copies of such files with some of them changed.

Such a file is a zip of arrays. Nothing in it is executed, nothing larger than the file can hold is
allocated, and the checksums of the zip are compared to the last byte.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np

from vlfeedback.data.foreign_files import check_size, reading
from vlfeedback.data.whole_files import new_file
from vlfeedback.errors import FileFormatError

__all__ = ["NPZArrays", "copy_npz"]

_WHAT = "npz file"
_ADVICE = "It is truncated, damaged or of another format; take a whole copy."
_ENDING = ".npy"
_PART_BYTES = 2**20
_LONGEST_END = 22 + 2**16  # bytes of a zip's last record, with its comment
_SEE_ELSEWHERE = 0xFFFF  # in place of a number that needs more than two bytes
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class NPZArrays(Mapping[str, Any]):
    """The arrays of a file by name; each is read when it is asked for, and then held.

    Args:
        path: of the file.
        what: it is, for messages: "dataset".

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is damaged; also from reading an array that is, or that holds Python
            objects.
    """

    def __init__(self, path: str | Path, what: str) -> None:
        self._path = Path(path)
        if not self._path.is_file():
            raise FileNotFoundError(f"No {what} {path}.")
        with reading(path, _WHAT, advice=_ADVICE), ZipFile(self._path) as file:
            self._members = _members(file)
        self._arrays: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._arrays:
            member = self._members[name]
            with reading(self._path, _WHAT, advice=_ADVICE), ZipFile(self._path) as file:
                self._arrays[name] = _read(self._path, file, member, name)
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, name: object) -> bool:
        return name in self._members


def copy_npz(
    path: str | Path,
    origin: Path,
    arrays: Mapping[str, np.ndarray],
    *,
    renamed: Mapping[str, str] | None = None,
) -> None:
    """Copy a file with other arrays, whole or not at all; what is not named stays bit by bit.

    Args:
        path: the copy.
        origin: the file.
        arrays: that are new, or take the place of those of their name.
        renamed: new names of arrays of the origin.

    Raises:
        FileFormatError: the origin is damaged.
    """
    names = renamed or {}
    with reading(origin, _WHAT, advice=_ADVICE):
        file = ZipFile(origin)
        members = _members(file)
    with file, new_file(Path(path)) as partial, ZipFile(partial, "w", ZIP_DEFLATED) as copy:
        for name, member in members.items():
            if name in arrays and name not in names:
                continue
            to = ZipInfo(_file_name(names.get(name, name), member), member.date_time)
            to.compress_type, to.external_attr = member.compress_type, member.external_attr
            check_size(origin, member.file_size, f"the array {name!r}")
            with copy.open(to, "w", force_zip64=True) as out:
                for part in _parts(origin, file, member):
                    out.write(part)
        for name, array in arrays.items():
            with copy.open(name + _ENDING, "w", force_zip64=True) as out:
                np.lib.format.write_array(out, array, allow_pickle=False)


def _members(file: ZipFile) -> dict[str, ZipInfo]:
    """All members by name; what the zip says of them in other places has to agree."""
    members = file.infolist()
    for member in members:
        file.open(member).close()
    n_members = _count_at_end(file)
    if n_members not in (len(members), _SEE_ELSEWHERE):
        raise ValueError(f"it says that it has {n_members} arrays, and lists {len(members)}")
    return {member.filename.removesuffix(_ENDING): member for member in members}


def _count_at_end(file: ZipFile) -> int:
    raw = file.fp
    if raw is None:
        return _SEE_ELSEWHERE
    raw.seek(max(0, raw.seek(0, os.SEEK_END) - _LONGEST_END))
    end = raw.read()
    start = end.rfind(b"PK\x05\x06") + 10
    return int.from_bytes(end[start : start + 2], "little")


def _file_name(name: str, member: ZipInfo) -> str:
    return name + _ENDING if member.filename.endswith(_ENDING) else name


def _read(path: Path, file: ZipFile, member: ZipInfo, name: str) -> np.ndarray:
    with file.open(member) as raw:
        version = np.lib.format.read_magic(raw)
        shape, _, dtype = _HEADERS[version](raw)
    if dtype.hasobject:
        raise FileFormatError(
            f"{path}: {name} holds Python objects, which are never loaded because they may run "
            "code. Save plain arrays."
        )
    n_bytes = math.prod(shape) * dtype.itemsize
    check_size(path, max(n_bytes, member.file_size), f"the array {name!r}")
    if min(shape, default=0) < 0 or n_bytes > member.file_size:
        raise ValueError(f"{name} is to have the shape {shape} in {member.file_size} bytes")
    with file.open(member) as raw:
        array = np.lib.format.read_array(raw, allow_pickle=False)
        if raw.read(1):  # which compares the checksum, too
            raise ValueError(f"{name} goes on after its last number")
    return np.asarray(array)


def _parts(path: Path, file: ZipFile, member: ZipInfo) -> Iterator[bytes]:
    with reading(path, _WHAT, advice=_ADVICE):
        raw = file.open(member)
    with raw:
        while True:
            with reading(path, _WHAT, advice=_ADVICE):
                part = raw.read(_PART_BYTES)
            if not part:
                return
            yield part
