"""The content of a weights file: named tensors, and metadata on where they come from.

Numbers of a trained network are finite: `check_numbers` refuses others, whoever wrote the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vlfeedback.errors import CheckpointError

__all__ = ["Weights", "check_numbers"]

_MASK = "mask"  # end of the name of what is added to attention: 0, or minus infinity


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """The named tensors of a weights file, and its metadata.

    Attributes:
        path: of the file.
        tensors: by name, without a leading ``module.``.
        is_openai_archive: whether it is a TorchScript archive, as OpenAI's CLIP is released.
        config: of the open_clip_config.json beside it; empty without one.
        top_key: under which the file held the tensors; ``""`` for none.
        format: that a file of vlfeedback names in its header: ``"vlfeedback-vlp"``; ``""`` for
            files of others.
    """

    path: Path
    tensors: dict[str, Tensor]
    is_openai_archive: bool
    config: dict[str, Any]
    top_key: str = ""
    format: str = ""

    def without_prefix(self, *prefixes: str) -> Weights:
        """The tensors under the names that follow the first prefix which all of them have."""
        for prefix in prefixes:
            if self.tensors and all(key.startswith(prefix) for key in self.tensors):
                return replace(
                    self, tensors={k.removeprefix(prefix): t for k, t in self.tensors.items()}
                )
        return self

    def only(self, prefix: str) -> Weights:
        """The tensors whose names begin so, without that beginning."""
        tensors = {
            k.removeprefix(prefix): t for k, t in self.tensors.items() if k.startswith(prefix)
        }
        return replace(self, tensors=tensors)


def check_numbers(path: Path, tensors: Mapping[str, Tensor], *, advice: str) -> None:
    """Refuse tensors with numbers that no network was trained to.

    Args:
        path: where they are from, for the message.
        tensors: by name. A mask of attention may hold minus infinity.
        advice: what to do next, as a sentence.

    Raises:
        CheckpointError: a number is NaN or infinite; the message names the first such tensor.
    """
    for name, tensor in tensors.items():
        if not (tensor.is_floating_point() or tensor.is_complex()):
            continue
        numbers = tensor.float() if tensor.itemsize == 1 else tensor
        if numbers.sum().isfinite():  # then all are, and it is found out ten times as fast
            continue
        wrong = ~numbers.isfinite()
        if name.endswith(_MASK):
            wrong &= numbers != -torch.inf
        if wrong.any():
            raise CheckpointError(
                f"{path} has {int(wrong.sum())} numbers that are NaN or infinite in its tensor "
                f"{name!r}, of {tensor.numel()}: it is damaged, or its training went wrong. "
                f"{advice}"
            )
