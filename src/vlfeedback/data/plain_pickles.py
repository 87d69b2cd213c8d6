"""Numbers out of a pickle, without unpickling it: nothing in the file is executed or imported.

Labels of others are often pickles of a numpy array or of a list of numbers. They are read by
`vlfeedback.data.inert_pickles`, and of all that a pickle can name only numpy's arrays and scalars
are understood, as the bytes they hold; whatever else one asks for is refused.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from vlfeedback.data.foreign_files import reading
from vlfeedback.data.inert_pickles import Inert, read_pickle
from vlfeedback.errors import FileFormatError

__all__ = ["read_pickled_numbers"]

_ADVICE = (
    "If you trust where it comes from, write its numbers with numpy.save to a .npy file, and read "
    "that."
)
# Of either version of numpy, which moved them.
_ARRAY = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
_BUFFER = ("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer")
_SCALAR = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
_DTYPE = "numpy.dtype"


def read_pickled_numbers(path: str | Path) -> np.ndarray:
    """The array, or the list of numbers, that a file holds as a pickle of any protocol.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is truncated, no pickle, or one of anything else than numbers.
    """
    path = Path(path)
    contents = path.read_bytes()
    with reading(path, "pickle of numbers", advice=_ADVICE):
        value = read_pickle(contents, calls={"_codecs.encode": _encode})
        if isinstance(value, Inert):
            return _numbers(value, path)
        numbers = [_numbers(one, path) if isinstance(one, Inert) else one for one in value]
        if not all(isinstance(one, int | float | np.ndarray) for one in numbers):
            raise ValueError("it holds no list of numbers")
        array = np.array(numbers)
        if array.dtype.kind not in "biuf":
            raise ValueError("its numbers are too large")
        return array


def _numbers(value: Inert, path: Path) -> np.ndarray:
    """What an object holds: an array, or a scalar as an array without axes."""
    is_fortran = False
    if value.name in _ARRAY:
        _, shape, kind, is_fortran, contents = value.state
    elif value.name in _BUFFER:
        contents, kind, shape, order = value.arguments
        is_fortran = order == "F"
    elif value.name in _SCALAR:
        (kind, contents), shape = value.arguments, ()
    else:
        raise FileFormatError(
            f"{path} is a pickle that asks for {value.name}; only lists and arrays of numbers are "
            f"read, and nothing of it was run. {_ADVICE}"
        )
    dtype = _dtype(kind)
    if len(contents) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"an array of shape {shape} and {dtype} has {len(contents)} bytes")
    flat = np.frombuffer(bytes(contents), dtype)
    return flat.reshape(shape, order="F" if is_fortran else "C").copy()


def _dtype(kind: Inert) -> np.dtype[Any]:
    code, order = kind.arguments[0], kind.state[1]
    dtype = np.dtype(str(code))
    if kind.name != _DTYPE or dtype.kind not in "biuf":
        raise ValueError(f"it holds an array of {dtype}")
    return dtype if order == "|" else dtype.newbyteorder("<" if order == "<" else ">")


def _encode(text: str, _encoding: str = "latin1") -> bytes:
    return text.encode("latin1")
