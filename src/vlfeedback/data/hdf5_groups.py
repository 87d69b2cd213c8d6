"""Groups of an HDF5 file of others, which hand over nothing that lies outside of the file.

HDF5 follows links into other files, and reads the numbers of an array from any file that it names,
without a word. Here each step of a path is looked at before it is taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py

from vlfeedback.data.foreign_files import check_size
from vlfeedback.errors import FileFormatError

__all__ = ["HDF5Group"]

_MOST_LINKS = 16
"""Links one after the other that are followed inside a file: HDF5's own bound."""


class HDF5Group(Mapping[str, Any]):
    """A group to read: its parts are groups like it and `h5py.Dataset`.

    Attributes:
        inside: the group as h5py has it, whose parts are not looked at.

    Raises:
        FileFormatError: at a part that is a link into another file, an array whose numbers lie in
            others, or one that says that it is larger than the file could hold.
        KeyError: there is no such part.
    """

    def __init__(self, path: Path, inside: h5py.Group) -> None:
        self._path = path
        self.inside = inside

    def __getitem__(self, name: str) -> Any:
        part = self._follow(self.inside, name, _MOST_LINKS)
        if isinstance(part, h5py.Dataset):
            self._check_array(part, name)
            return part
        return HDF5Group(self._path, part) if isinstance(part, h5py.Group) else part

    def __iter__(self) -> Iterator[str]:
        return iter(self.inside)

    def __len__(self) -> int:
        return len(self.inside)

    @property
    def name(self) -> str:
        """Where the group is in its file."""
        return str(self.inside.name)

    @property
    def attrs(self) -> Any:
        """The group's attributes, as h5py has them."""
        return self.inside.attrs

    def _follow(self, start: h5py.Group, name: str, n_links: int) -> Any:
        part = start.file["/"] if name.startswith("/") else start
        for step in name.split("/"):
            if step in ("", "."):
                continue
            link = part.get(step, getlink=True) if isinstance(part, h5py.Group) else None
            if link is None:
                raise KeyError(f"there is no {name}")
            if isinstance(link, h5py.HardLink):
                part = _open(part, step)
            elif isinstance(link, h5py.SoftLink) and n_links:
                part = self._follow(part, link.path, n_links - 1)
            else:
                raise self._outside(f"{name} is a link into another file, or of a chain of them")
        return part

    def _check_array(self, array: h5py.Dataset, name: str) -> None:
        if array.external or array.is_virtual:
            raise self._outside(f"the numbers of {name} are to come from other files")
        chunk = array.chunks or ()
        n_bytes = max(array.size or 0, math.prod(chunk)) * array.dtype.itemsize
        check_size(self._path, n_bytes, f"the array {name!r}")

    def _outside(self, problem: str) -> FileFormatError:
        return FileFormatError(
            f"{self._path}: {problem}; nothing outside of a file is read. Copy all of it into one "
            "file, such as with h5repack or h5py."
        )


def _open(group: h5py.Group, name: str) -> Any:
    try:
        return group[name]
    except KeyError as error:  # which h5py makes of damage, and which says that nothing is there
        raise ValueError(str(error)) from error
