"""Zip files of torch, read without running them: what torch.save and TorchScript write.

Both hold a pickle, `data.pkl`, and the numbers of every storage in a file of its own. A TorchScript
archive has its modules' code beside them, and to load one with torch runs it. Here the code is only
searched for the names of parameters and buffers. Code read: pytorch 2.14, `torch/serialization.py`,
`torch/csrc/jit/serialization/pickler.cpp` and `python_print.cpp`.
"""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vlfeedback.data.inert_pickles import Inert, read_pickle

__all__ = ["read_archive"]

_LARGEST_TEXT = 16 * 2**20  # bytes of a pickle or of code; a CLIP's have 0.2 million
_MOST_NAMES = 100_000  # tensors and modules of one archive
_LONGEST_NAME = 1000  # letters
_STORAGES = {
    "Double": torch.float64,
    "Float": torch.float32,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Bool": torch.bool,
    "ComplexDouble": torch.complex128,
    "ComplexFloat": torch.complex64,
    "Untyped": torch.uint8,
}
_DTYPES = {str(kind): kind for kind in vars(torch).values() if isinstance(kind, torch.dtype)}
_CLASS = re.compile(r"class (\w+)\((\w*)\):")
_DECLARED = re.compile(r"  __(parameters|buffers)__ = (\[.*\])")


def read_archive(path: Path) -> tuple[Any, bool]:
    """The content of a zip file of torch; nothing in it is executed.

    Returns:
        What torch.save was given, of which only plain values and tensors are rebuilt; or the state
        dict of a TorchScript archive, as that of ``torch.jit.load``. And whether it is the latter.

    Raises:
        Exception: it is damaged, or of neither; there is no list of what that ends in.
    """
    with zipfile.ZipFile(path) as file:
        archive = _Archive(file)
        content = read_pickle(
            archive.text("data.pkl"),
            calls={
                "collections.OrderedDict": dict,
                "torch._utils._rebuild_parameter": _first,
                "torch._utils._rebuild_parameter_with_state": _first,
                "torch._utils._rebuild_tensor_v2": _tensor,
                "torch._utils._rebuild_tensor_v3": _tensor_of_bytes,
            },
            outside=archive.storage,
        )
        if not archive.has("constants.pkl"):
            return content, False
        return dict(_named_tensors(content, _Modules(archive))), True


class _Archive:
    """The files of an archive, which lie in one folder of it."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        roots = [name.partition("/")[0] for name in file.namelist() if _is_data(name)]
        if len(roots) != 1:
            raise ValueError(f"a zip file with {len(roots)} files data.pkl; torch writes one")
        self._root = roots[0]
        self._storages: dict[str, Tensor] = {}
        if self.has("byteorder") and self.text("byteorder") != b"little":
            raise ValueError("its numbers are not little-endian")

    def has(self, name: str) -> bool:
        return f"{self._root}/{name}" in self._file.NameToInfo

    def text(self, name: str) -> bytes:
        info = self._file.getinfo(f"{self._root}/{name}")
        if info.file_size > _LARGEST_TEXT:
            raise ValueError(f"its {name} is to have {info.file_size:,} bytes")
        return self._file.read(info)

    def storage(self, reference: Any) -> Tensor:
        """The numbers of a storage, from what a pickle names it by."""
        kind, storage_type, name, _device, n = reference
        if kind != "storage" or not isinstance(storage_type, Inert) or not isinstance(name, str):
            raise ValueError(f"it refers to a {kind!r}, which is no storage")
        dtype = _STORAGES[storage_type.name.rpartition(".")[2].removesuffix("Storage")]
        if name not in self._storages:
            info = self._file.getinfo(f"{self._root}/data/{name}")
            if info.compress_type != zipfile.ZIP_STORED:  # so that a file asks for its own size
                raise ValueError(f"its storage {name} is compressed, as torch never does")
            contents = bytearray(self._file.read(info))
            self._storages[name] = (
                torch.frombuffer(contents, dtype=torch.uint8)
                if contents
                else torch.empty(0, dtype=torch.uint8)
            )
        numbers = self._storages[name]
        if not 0 <= n * dtype.itemsize <= len(numbers):
            raise ValueError(f"its storage {name} has {len(numbers)} bytes and not {n} numbers")
        return numbers[: n * dtype.itemsize].view(dtype)


def _is_data(name: str) -> bool:
    return name.endswith("/data.pkl") and name.count("/") == 1


def _first(data: Any, *_: Any) -> Any:
    return data


def _tensor(storage: Tensor, offset: int, shape: Any, stride: Any, *_: Any) -> Tensor:
    last = sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    is_inside = offset >= 0 and min([0, *shape, *stride]) == 0 and offset + last < len(storage)
    if math.prod(shape) and not is_inside:
        raise ValueError(f"a tensor of {list(shape)} is larger than its storage")
    return torch.as_strided(storage, shape, stride, offset)


def _tensor_of_bytes(
    storage: Tensor,
    offset: int,
    shape: Any,
    stride: Any,
    _grad: Any,
    _hooks: Any,
    dtype: Inert,
    *_: Any,
) -> Tensor:
    return _tensor(storage.view(_DTYPES[dtype.name]), offset, shape, stride)


@dataclass(slots=True)
class _Declaration:
    """What the code of a class says of its attributes."""

    is_module: bool
    parameters: set[str] = field(default_factory=set)
    buffers: set[str] = field(default_factory=set)


class _Modules:
    """The classes in an archive's code, by their full names."""

    def __init__(self, archive: _Archive) -> None:
        self._archive = archive
        self._by_file: dict[str, dict[str, _Declaration]] = {}

    def declaration(self, name: str) -> _Declaration:
        module, _, class_name = name.rpartition(".")
        if module not in self._by_file:
            code = self._archive.text(f"code/{module.replace('.', '/')}.py").decode()
            self._by_file[module] = _declarations(code)
        return self._by_file[module][class_name]


def _declarations(code: str) -> dict[str, _Declaration]:
    found: dict[str, _Declaration] = {}
    latest = _Declaration(False)
    for line in code.splitlines():
        if match := _CLASS.match(line):
            latest = found[match[1]] = _Declaration(match[2] == "Module")
        elif match := _DECLARED.match(line):
            getattr(latest, match[1]).update(re.findall(r'"([^"]*)"', match[2]))
    return found


def _named_tensors(root: Any, modules: _Modules) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers by name, in the order of ``state_dict``."""
    pending: list[tuple[str, Any]] = [("", root)]
    n_names = 0
    while pending:
        prefix, module = pending.pop()
        attributes = _attributes(module)
        n_names += len(attributes)
        longest = len(prefix) + max(map(len, attributes), default=0)
        if n_names > _MOST_NAMES or longest > _LONGEST_NAME:  # one that holds itself has no end
            raise ValueError(f"it has more than {_MOST_NAMES:,} names, or longer ones")
        declared = modules.declaration(module.name)
        for kind in (declared.parameters, declared.buffers):
            for name, value in attributes.items():
                if name in kind and isinstance(value, Tensor):
                    yield prefix + name, value
        children = [
            (f"{prefix}{name}.", value)
            for name, value in attributes.items()
            if _is_object(value) and modules.declaration(value.name).is_module
        ]
        pending += reversed(children)


def _attributes(module: Any) -> Mapping[str, Any]:
    if not _is_object(module) or not isinstance(module.state, dict):
        name = getattr(module, "name", type(module).__name__)
        raise ValueError(f"{name} can only be restored by code of its own, which is not run")
    return module.state


def _is_object(value: Any) -> bool:
    """Whether it is of a class in the archive's code."""
    return isinstance(value, Inert) and value.name.startswith("__torch__.")
