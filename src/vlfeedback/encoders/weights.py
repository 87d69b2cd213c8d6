"""The content of a weights file: named tensors, and metadata on where they come from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

__all__ = ["Weights"]


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
