"""One array from a file that numpy saved; nothing in it is executed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vlfeedback.data.foreign_files import reading
from vlfeedback.errors import FileFormatError

__all__ = ["read_array"]


def read_array(path: str | Path, expected: str) -> np.ndarray:
    """Read an ``.npy`` file of numbers or text.

    Args:
        path: a file that is there.
        expected: what it should hold, for the message: ``"words as text of fixed width"``.

    Raises:
        FileFormatError: it is truncated, of another format, or holds pickled objects or several
            arrays.
    """
    path = Path(path)
    advice = f"Expected {expected}, saved with numpy.save."
    with path.open("rb") as file:
        beginning = file.read(len(np.lib.format.MAGIC_PREFIX))
    if beginning.startswith(b"PK"):
        raise FileFormatError(f"{path} is an archive of several arrays. {advice}")
    with reading(path, "array", advice=advice):
        if beginning != np.lib.format.MAGIC_PREFIX:
            raise FileFormatError(f"{path} is no readable array: it begins as none does. {advice}")
        # Mapped, a file is never asked for more than it has, whatever its header says.
        return np.array(np.lib.format.open_memmap(path, mode="r"))
