"""Weights on disk: one safetensors file that carries its own description.

The description is JSON under the key ``vlfeedback`` of the file's metadata, and begins with the
format and its version. Nothing in it is executed when it is read, and no network is built on its
word alone: `check_outline` compares it with the tensors first. A digest of the file lies beside it
(`vlfeedback.data.seals`); files of earlier releases have none.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from vlfeedback.data.foreign_files import reading
from vlfeedback.data.seals import check_seal, sealed
from vlfeedback.data.whole_files import new_file
from vlfeedback.encoders.weights import check_numbers
from vlfeedback.errors import CheckpointError, InvalidValueError, MissingExtraError, reason_of

__all__ = [
    "CheckpointFormat",
    "check_outline",
    "fill_network",
    "finite_number",
    "read_checkpoint",
    "read_description",
    "save_checkpoint",
    "settings_of",
    "understanding",
]

_KEY = "vlfeedback"
_Settings = TypeVar("_Settings")


@dataclass(frozen=True, slots=True)
class CheckpointFormat:
    """A kind of weights file, with the words of messages about files of other kinds."""

    name: str  # in the description, such as "vlfeedback-vlp"
    version: int  # the one that this release writes and reads
    model: str  # what it holds, in a message: "VLP model"
    made_by: str  # what writes such files, in a message: "vlfeedback fit vlp"


def save_checkpoint(
    path: str | Path,
    tensors: Mapping[str, Tensor],
    description: Mapping[str, Any],
    *,
    file_format: CheckpointFormat,
) -> None:
    """Write tensors as they are, sealed; a file that is there is replaced at the end.

    Args:
        path: where, ``*.safetensors``; its folder is made.
        tensors: by name, as `state_dict` gives them; no two share memory.
        description: JSON values that whoever reads the file needs, such as the architecture.
        file_format: what kind of file it is.
    """
    path = Path(path)
    header = {"format": file_format.name, "version": file_format.version, **description}
    copies = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with new_file(path) as partial:
        # `save_file` would make a file that nobody but its owner may read, whatever the umask.
        partial.write_bytes(sealed(save(copies, metadata={_KEY: json.dumps(header)})))


def read_checkpoint(
    path: str | Path, *, file_format: CheckpointFormat
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a file of this format.

    Returns:
        Its description, and its tensors on the CPU, by name and of the type they were saved with.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is damaged, foreign, or of another version.
    """
    path = Path(path)
    return _read(path, file_format, with_tensors=True)


def read_description(path: str | Path, *, file_format: CheckpointFormat) -> dict[str, Any]:
    """Description in a file's header; makes no tensors.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is damaged, foreign, or of another version.
    """
    path = Path(path)
    return _read(path, file_format, with_tensors=False)[0]


@contextmanager
def understanding(path: Path, *, file_format: CheckpointFormat) -> Iterator[None]:
    """Turn whatever a description of nonsense ends in into "FILE describes no X: reason".

    Raises:
        CheckpointError: the block raised anything at all, but that an extra is not installed.
    """
    try:
        yield
    except (CheckpointError, MissingExtraError):
        raise
    except Exception as error:  # a description may hold anything; no list of errors was complete
        reason = reason_of(error).splitlines()[0]
        raise CheckpointError(
            f"{path} describes no {file_format.model} of this release ({reason}); train again "
            f"with: {file_format.made_by}"
        ) from error


def settings_of(kind: type[_Settings], values: Mapping[str, Any]) -> _Settings:
    """A dataclass of settings from the JSON values of a description.

    Raises:
        Exception: they are none, or a number is NaN or infinite; see `understanding`.
    """
    for name, value in values.items():
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, float):
                finite_number({name: number}, name)
    # JSON has no tuples.
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def finite_number(description: Mapping[str, Any], name: str, *, positive: bool = False) -> float:
    """A number of a description, which must make sense.

    Raises:
        InvalidValueError: it is NaN, infinite, or not above 0 where it has to be.
        Exception: it is no number; see `understanding`.
    """
    number = float(description[name])
    if not math.isfinite(number) or (positive and number <= 0):
        wanted = "a finite number above 0" if positive else "a finite number"
        raise InvalidValueError(f"{name}={number}; expected {wanted}")
    return number


def check_outline(
    build: Callable[[], nn.Module],
    tensors: Mapping[str, Tensor],
    path: Path,
    *,
    file_format: CheckpointFormat,
) -> None:
    """Compare the network that a description asks for with the tensors, before it is built.

    A description may ask for any size. The outline takes no memory, and no more time than a network
    of as many tensors as there are.

    Args:
        build: what a loader then calls to build the network.
        tensors: by name.
        path: where both are from, for the message.
        file_format: what kind of file that is.

    Raises:
        CheckpointError: the description is nonsense; or tensors are missing, unexpected or of
            another shape.
    """
    with (
        understanding(path, file_format=file_format),
        torch.random.fork_rng(devices=[]),
        torch.device("meta"),
        _at_most(2 * len(tensors) + 100, path, file_format),
    ):
        expected = build().state_dict()
    _check_fit(expected, tensors, path, file_format)


def fill_network(
    network: nn.Module,
    tensors: Mapping[str, Tensor],
    path: Path,
    *,
    file_format: CheckpointFormat,
) -> None:
    """Copy tensors into the network that the description asked for, converted to its own types.

    Args:
        network: filled in place; as it was where the tensors do not fit.
        tensors: one for each name in its `state_dict`.
        path: where they are from, for the message.
        file_format: what kind of file that is.

    Raises:
        CheckpointError: tensors are missing, unexpected or of another shape; or a number in one is
            NaN or infinite.
    """
    _check_fit(network.state_dict(), tensors, path, file_format)
    advice = f"Train again with: {file_format.made_by}"
    check_numbers(path, tensors, advice=advice)
    network.load_state_dict(dict(tensors))


def _check_fit(
    expected: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor],
    path: Path,
    file_format: CheckpointFormat,
) -> None:
    wrong = sorted(
        {k for k in expected if k not in tensors or tensors[k].shape != expected[k].shape}
        | (tensors.keys() - expected.keys())
    )
    if wrong:
        raise CheckpointError(
            f"{path} is of another architecture than its description says: {len(wrong)} tensors "
            f"are missing, unexpected or of another shape, first: {wrong[:5]}. Train again with: "
            f"{file_format.made_by}"
        )


@contextmanager
def _at_most(n_parameters: int, path: Path, file_format: CheckpointFormat) -> Iterator[None]:
    """Stop this thread from making a network of more parameters."""
    thread, n_made = threading.get_ident(), 0

    def count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal n_made
        n_made += parameter is not None and threading.get_ident() == thread
        if n_made > n_parameters:
            raise CheckpointError(
                f"{path} describes a network of far more tensors than it holds; it is damaged. "
                f"Train again with: {file_format.made_by}"
            )

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


def _read(
    path: Path, file_format: CheckpointFormat, *, with_tensors: bool
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    path = path.expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"No weights file {str(path)!r}; train one with: {file_format.made_by}"
        )
    again = f"opy it again, or train with: {file_format.made_by}"
    check_seal(path, advice=f"C{again}", error=CheckpointError)
    advice = f"It is truncated or of another format; c{again}"
    with (
        reading(path, "safetensors file", advice=advice, error=CheckpointError),
        safe_open(path, framework="pt") as file,
    ):
        description = json.loads((file.metadata() or {}).get(_KEY, "{}"))
        names = sorted(file.keys())
        if not isinstance(description, dict):
            raise TypeError(f"its description is a {type(description).__name__}")
        _check_format(path, description, names, file_format)
        return description, {n: file.get_tensor(n) for n in names if with_tensors}


def _check_format(
    path: Path, description: dict[str, Any], names: list[str], file_format: CheckpointFormat
) -> None:
    name = description.get("format", "something else")
    if name != file_format.name:
        raise CheckpointError(
            f"{path} holds no {file_format.model} but {name!r} ({len(names)} tensors, first: "
            f"{names[:3]}); pass weights saved by: {file_format.made_by}"
        )
    version = description["version"]
    if version != file_format.version:
        raise CheckpointError(
            f"{path} has version {version}, this release reads {file_format.version}; "
            + (
                "upgrade vlfeedback."
                if version > file_format.version
                else "its network is another one now. Train again with: " + file_format.made_by
            )
        )
