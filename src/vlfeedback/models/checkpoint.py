"""Weights on disk: one safetensors file that carries its own description.

The description is JSON under the key ``vlfeedback`` of the file's metadata, and begins with the
format and its version; nothing in it is executed when it is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from vlfeedback.data.whole_files import new_file
from vlfeedback.errors import CheckpointError

__all__ = [
    "CheckpointFormat",
    "fill_network",
    "read_checkpoint",
    "read_description",
    "save_checkpoint",
]

_KEY = "vlfeedback"


@dataclass(frozen=True, slots=True)
class CheckpointFormat:
    """A kind of weights file, with the words of messages about files of other kinds."""

    name: str  # in the description, such as "vlfeedback-vlp"
    version: int  # the one that this release writes and reads
    model: str  # what it holds, in a message: "VLP model"
    made_by: str  # what writes such files, in a message: "vlfeedback fit vlp"


def save_checkpoint(
    path: Path,
    tensors: Mapping[str, Tensor],
    description: Mapping[str, Any],
    *,
    file_format: CheckpointFormat,
) -> None:
    """Write tensors as they are; a file that is there is replaced at the end.

    Args:
        path: where, ``*.safetensors``; its folder is made.
        tensors: by name, as `state_dict` gives them; no two share memory.
        description: JSON values that whoever reads the file needs, such as the architecture.
        file_format: what kind of file it is.
    """
    header = {"format": file_format.name, "version": file_format.version, **description}
    copies = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with new_file(path) as partial:
        # `save_file` would make a file that nobody but its owner may read, whatever the umask.
        partial.write_bytes(save(copies, metadata={_KEY: json.dumps(header)}))


def read_checkpoint(
    path: Path, *, file_format: CheckpointFormat
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a file of this format.

    Returns:
        Its description, and its tensors on the CPU, by name and of the type they were saved with.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is truncated, foreign, or of another version.
    """
    with _opened(path, file_format) as (file, description):
        return description, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def read_description(path: Path, *, file_format: CheckpointFormat) -> dict[str, Any]:
    """Description in a file's header; reads no tensors.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is truncated, foreign, or of another version.
    """
    with _opened(path, file_format) as (_, description):
        return description


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
        CheckpointError: tensors are missing, unexpected or of another shape.
    """
    expected = network.state_dict()
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
    network.load_state_dict(dict(tensors))


@contextmanager
def _opened(path: Path, file_format: CheckpointFormat) -> Iterator[tuple[Any, dict[str, Any]]]:
    """An open file of this format, and its description."""
    path = path.expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"No weights file {str(path)!r}; train one with: {file_format.made_by}"
        )
    try:
        with safe_open(path, framework="pt") as file:
            description = json.loads((file.metadata() or {}).get(_KEY, "{}"))
            _check_format(path, description, sorted(file.keys()), file_format)
            yield file, description
    except (SafetensorError, json.JSONDecodeError) as error:
        raise CheckpointError(
            f"{path} is no readable safetensors file ({error}); it is truncated or of another "
            f"format. Copy it again, or train with: {file_format.made_by}"
        ) from error


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
