"""One array from a file that numpy saved; nothing in it is executed."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from vlfeedback.errors import FileFormatError

__all__ = ["read_array"]


def read_array(path: Path, expected: str) -> np.ndarray:
    """Read an ``.npy`` file of numbers or text.

    Args:
        path: a file that is there.
        expected: what it should hold, for the message: ``"words as text of fixed width"``.

    Raises:
        FileFormatError: it is truncated, of another format, or holds pickled objects or several
            arrays.
    """
    advice = f"Expected {expected}, saved with numpy.save."
    try:
        with path.open("rb") as file:
            array = np.load(file, allow_pickle=False)
    except (ValueError, EOFError, BadZipFile) as error:
        raise FileFormatError(f"{path} cannot be read as an array ({error}). {advice}") from error
    if not isinstance(array, np.ndarray):
        raise FileFormatError(f"{path} is an archive of several arrays. {advice}")
    return array
