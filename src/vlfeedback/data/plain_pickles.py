"""Numbers out of a pickle, without unpickling it: nothing in the file is executed or imported.

Labels of others are often pickles of a numpy array or of a list of numbers. Their instructions
are read one by one here, and of all that a pickle can name only numpy's arrays and scalars are
understood, as the bytes they hold; whatever else one asks for is refused.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vlfeedback.data.foreign_files import reading
from vlfeedback.errors import FileFormatError

__all__ = ["read_pickled_numbers"]

_ADVICE = (
    "If you trust where it comes from, write its numbers with numpy.save to a .npy file, and read "
    "that."
)


def read_pickled_numbers(path: str | Path) -> np.ndarray:
    """The array, or the list of numbers, that a file holds as a pickle of any protocol.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is truncated, no pickle, or one of anything else than numbers.
    """
    path = Path(path)
    contents = path.read_bytes()
    with reading(path, "pickle of numbers", advice=_ADVICE):
        value = _Machine(path).run(contents)
        if isinstance(value, _Array):
            return value.numbers()
        numbers = [one.numbers() if isinstance(one, _Array) else one for one in value]
        if not all(isinstance(one, int | float | np.ndarray) for one in numbers):
            raise ValueError("it holds no list of numbers")
        array = np.array(numbers)
        if array.dtype.kind not in "biuf":
            raise ValueError("its numbers are too large")
        return array


@dataclass(slots=True)
class _Dtype:
    code: str  # such as "i8"
    order: str = "|"  # of bytes: "<", ">", or none

    def dtype(self) -> np.dtype[Any]:
        kind = np.dtype(self.code)
        if kind.kind not in "biuf":
            raise ValueError(f"it holds an array of {kind}")
        return kind if self.order == "|" else kind.newbyteorder("<" if self.order == "<" else ">")


@dataclass(slots=True)
class _Array:
    shape: tuple[int, ...] = ()
    kind: _Dtype | None = None
    contents: Any = b""
    order: str = "C"

    def numbers(self) -> np.ndarray:
        dtype = (self.kind or _Dtype("")).dtype()
        if len(self.contents) != math.prod(self.shape) * dtype.itemsize:
            raise ValueError(
                f"an array of shape {self.shape} and {dtype} has {len(self.contents)} bytes"
            )
        flat = np.frombuffer(bytes(self.contents), dtype)
        return flat.reshape(self.shape, order="F" if self.order == "F" else "C").copy()


def _encode(text: str, _encoding: str = "latin1") -> bytes:
    return text.encode("latin1")


# What a name stands for here, by the last part of its module and its own name.
_NAMED: Mapping[str, Callable[..., Any]] = {
    "multiarray _reconstruct": lambda *_: _Array(),
    "numeric _frombuffer": lambda contents, kind, shape, order: _Array(
        shape, kind, contents, order
    ),
    "multiarray scalar": lambda kind, contents: _Array((), kind, contents),
    "numpy dtype": lambda code, *_: _Dtype(code),
    "numpy ndarray": _Array,  # named, and never called
    "_codecs encode": _encode,
}
_MODULES = {"numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric"} | {
    "numpy._core.numeric",
    "_codecs",
}
_MARK = object()
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES"),
    *("BINBYTES8", "BYTEARRAY8", "STRING", "BINSTRING", "SHORT_BINSTRING"),
}
_IGNORED = {"PROTO", "FRAME", "STOP"}


class _Machine:
    """The few instructions of a pickle of numbers, on a stack of plain values."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self, contents: bytes) -> Any:
        for opcode, argument, _ in pickletools.genops(contents):
            self._do(opcode.name, argument)
        (value,) = self._stack
        return value

    def _do(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in _LITERALS:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name == "MARK":
            stack.append(_MARK)
        elif name in ("MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"):
            self._memo[len(self._memo) if argument is None else argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(self._memo[argument])
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            self._name(argument)
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            stack.append(function(*arguments))
        elif name == "BUILD":
            self._build(stack.pop())
        elif name not in _IGNORED:
            self._collect(name)

    def _collect(self, name: str) -> None:
        """Lists and tuples."""
        stack = self._stack
        if name in ("EMPTY_LIST", "EMPTY_TUPLE"):
            stack.append([] if name == "EMPTY_LIST" else ())
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            n = int(name[-1])
            stack[-n:] = [tuple(stack[-n:])]
        elif name == "APPEND":
            value = stack.pop()
            stack[-1].append(value)
        elif name in ("APPENDS", "TUPLE", "LIST"):
            at = len(stack) - 1 - stack[::-1].index(_MARK)
            values = stack[at + 1 :]
            del stack[at:]
            if name == "APPENDS":
                stack[-1].extend(values)
            else:
                stack.append(tuple(values) if name == "TUPLE" else values)
        else:
            raise self._refused(f"the instruction {name}")

    def _name(self, argument: str | None) -> None:
        """A name of a module's; of those that are known, what stands for it here."""
        if argument is None:
            own, module = self._stack.pop(), self._stack.pop()
        else:
            module, own = argument.split(" ", 1)
        meaning = _NAMED.get(f"{module.rpartition('.')[2]} {own}")
        if meaning is None or module not in _MODULES:
            raise self._refused(f"{module}.{own}")
        self._stack.append(meaning)

    def _build(self, state: Any) -> None:
        target = self._stack[-1]
        if isinstance(target, _Dtype):
            target.order = state[1]
        elif isinstance(target, _Array):
            _, target.shape, target.kind, is_fortran, target.contents = state
            target.order = "F" if is_fortran else "C"
        else:
            raise self._refused("the state of an object")

    def _refused(self, what: str) -> FileFormatError:
        return FileFormatError(
            f"{self._path} is a pickle that asks for {what}; only lists and arrays of numbers are "
            f"read, and nothing of it was run. {_ADVICE}"
        )
