"""An encoder of pictures on a frozen network, with an identity of all its features depend on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn
from torch.func import functional_call

from vlfeedback.encoders.frozen import FrozenNetwork, Precision
from vlfeedback.encoders.preprocess import Preprocess
from vlfeedback.encoders.sharing import derived
from vlfeedback.types.trajectories import check_pictures

__all__ = ["PictureEncoder", "Precision"]

_CPU_BATCH = 8  # pictures at once: more is no faster, and activations stay in the cache
_GPU_BATCH = 128


class PictureEncoder:
    """A frozen network that turns each picture into a vector, independently of the others.

    Args:
        encode: prepared pictures (B, 3, S, S) to features (B, ...); in evaluation mode.
        preprocess: prepares them.
        network: all that `encode` calls, whose weights are part of the identity.
        name: of its architecture, and of what `encode` does beside it.
        device: where it computes, such as ``"cuda"``.
        precision: see `FrozenNetwork`. Two pictures of coloured blocks are computed both ways
            before bfloat16 is used.
        batch_size: pictures at once, see `FrozenNetwork`; None: what suits the device.

    Raises:
        InvalidValueError: there is no such precision, or `batch_size` is less than 1.
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
        swappable = _Swappable(encode, network)
        self._frozen = FrozenNetwork(
            preprocess,
            swappable.in_float32,
            in_bfloat16=swappable.in_bfloat16,
            probe=_coloured_blocks(),
            inputs="pictures",
            device=device,
            precision=precision,
            batch_size=batch_size,
        )
        self._network = network
        self._name = name
        self._settings = (name, preprocess, precision)

    @property
    def device(self) -> str:
        """Where it computes."""
        return self._frozen.device

    @property
    def bfloat16(self) -> bool:
        """Whether it computes in bfloat16; decided once for all encoders of a network."""
        return self._settle()

    @property
    def batch_size(self) -> int:
        """Pictures at once; less than `batch_size` where so many did not fit into memory."""
        return self._frozen.batch_size

    @property
    def identity(self) -> str:
        """Names everything that the features depend on; the weights by their content."""
        precision = "bfloat16" if self.bfloat16 else "float32"
        preprocess = json.dumps(asdict(self.preprocess))
        return f"{self._name} {derived(self._network).digest} {preprocess} {precision}"

    def embed(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[np.ndarray, "B ..."]:
        """Features of each picture, as the network gives them.

        Raises:
            ShapeError: this is no stack of RGB pictures.
            DtypeError: the pictures are not uint8.
            MemoryError, torch.OutOfMemoryError: not even one picture fits into memory.
        """
        check_pictures(frames, 4, "frames", "(B, H, W, 3)")
        if not len(frames):
            # Few networks accept an empty batch, and the shape of features shows only in a result.
            return self._frozen(_coloured_blocks()[:1])[:0]
        self._settle()
        return self._frozen(frames)

    def _settle(self) -> bool:
        settled = derived(self._network).settled
        if self._settings not in settled:
            settled[self._settings] = self._frozen.bfloat16
        self._frozen.settle(settled[self._settings])
        return settled[self._settings]


class _Swappable(nn.Module):
    """`encode` as a module, so that its network's tensors can be swapped while it computes.

    Converted weights and not autocast: under autocast, PyTorch 2.14 leaves the fast path of its
    attention, and CLIP's ViT-B/32 encodes 3 pictures a second instead of 33 (8 at a time, 1 core).
    """

    def __init__(self, encode: Callable[[Tensor], Tensor], network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._encode = encode

    def in_float32(self, prepared: Float32[Tensor, "B 3 S S"]) -> Tensor:
        """As the network is."""
        with derived(self.network).lock:
            return self._encode(prepared)

    def in_bfloat16(self, prepared: Float32[Tensor, "B 3 S S"]) -> Tensor:
        """With the network's weights, and all that it computes, in bfloat16."""
        shared_state = derived(self.network)
        weights = {f"network.{name}": tensor for name, tensor in shared_state.bfloat16.items()}
        pictures = prepared.to(torch.bfloat16, memory_format=torch.channels_last)
        with shared_state.lock:
            # `weights` has every name once. Were tied names looked for, tensors of an `encode` that
            # is the network itself would be swapped twice, and not come back.
            features: Tensor = functional_call(self, weights, (pictures,), tie_weights=False)
        return features

    def forward(self, prepared: Tensor) -> Tensor:
        return self._encode(prepared)


def _coloured_blocks() -> UInt8[np.ndarray, "2 64 64 3"]:
    """A picture of large blocks and one of small ones."""
    rng = np.random.default_rng(0)
    pictures = []
    for side in (16, 4):
        colours = rng.integers(0, 256, (64 // side, 64 // side, 3), dtype=np.uint8)
        pictures.append(colours.repeat(side, axis=0).repeat(side, axis=1))
    return np.stack(pictures)
