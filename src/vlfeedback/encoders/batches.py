"""Pictures through a frozen network, and the name of all that their features depend on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn

from vlfeedback.encoders.frozen import FrozenNetwork, Precision
from vlfeedback.encoders.preprocess import Preprocess
from vlfeedback.encoders.weights_files import tensors_digest
from vlfeedback.types.trajectories import check_pictures

__all__ = ["PictureEncoder", "Precision"]

_CPU_BATCH = 8  # pictures at once: more is no faster, and activations stay in the cache
_GPU_BATCH = 128


class PictureEncoder:
    """A frozen network that turns each picture into a vector, independently of the others.

    Args:
        encode: prepared pictures (B, 3, S, S) to features (B, D); in evaluation mode.
        preprocess: prepares them.
        network: what `encode` calls, whose weights are part of the identity.
        name: of its architecture, and of what `encode` does beside it.
        device: where it computes, such as ``"cuda"``.
        precision: see `FrozenNetwork`.
        batch_size: pictures at once, see `FrozenNetwork`; None: what suits the device.

    Raises:
        NeedsError: there is no such precision, or `batch_size` is less than 1.
    """

    def __init__(
        self,
        encode: Callable[[Float32[Tensor, "B 3 S S"]], Tensor],
        preprocess: Preprocess,
        *,
        network: nn.Module,
        name: str,
        device: str = "cpu",
        precision: str = "float32",
        batch_size: int | None = None,
    ) -> None:
        if batch_size is None:
            batch_size = _GPU_BATCH if torch.device(device).type == "cuda" else _CPU_BATCH
        self.preprocess = preprocess
        self._frozen = FrozenNetwork(
            preprocess,
            encode,
            inputs="pictures",
            device=device,
            precision=precision,
            batch_size=batch_size,
        )
        self._network = network
        self._name = name

    @property
    def device(self) -> str:
        """Where it computes."""
        return self._frozen.device

    @property
    def bfloat16(self) -> bool:
        """Whether it computes in bfloat16."""
        return self._frozen.bfloat16

    @property
    def batch_size(self) -> int:
        """Pictures at once; less than asked for where so many did not fit into memory."""
        return self._frozen.batch_size

    @property
    def identity(self) -> str:
        """Names everything that the features depend on; the weights by their content."""
        precision = "bfloat16" if self.bfloat16 else "float32"
        preprocess = json.dumps(asdict(self.preprocess))
        return f"{self._name} {self._weights} {preprocess} {precision}"

    @cached_property
    def _weights(self) -> str:
        return tensors_digest(self._network)

    def embed(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[np.ndarray, "B D"]:
        """Features of each picture, as the network gives them.

        Raises:
            ShapeError: this is no stack of RGB pictures.
            DtypeError: the pictures are not uint8.
        """
        check_pictures(frames, 4, "frames", "(B, H, W, 3)")
        return self._frozen(frames)
