"""Pictures through a frozen network: in batches that fit, in the precision asked for."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn

from vlfeedback.encoders.preprocess import Preprocess
from vlfeedback.encoders.weights_files import tensors_digest
from vlfeedback.errors import NeedsError
from vlfeedback.types.trajectories import check_pictures

__all__ = ["PictureEncoder", "Precision"]

Precision = Literal["float32", "bfloat16", "auto"]
"""How a network computes. "auto": bfloat16 where the device has it in hardware."""

_CPU_BATCH = 8  # pictures at once: more is no faster, and activations stay in the cache
_GPU_BATCH = 128
_CHECKED = 2  # pictures computed both ways before bfloat16 is trusted
_AGREEMENT = 0.995  # least cosine between both


class PictureEncoder:
    """A frozen network that turns each picture into a vector, independently of the others.

    Args:
        encode: prepared pictures (B, 3, S, S) to features (B, D); in evaluation mode.
        preprocess: prepares them.
        network: what `encode` calls, whose weights are part of the identity.
        name: of its architecture, and of what `encode` does beside it.
        device: where it computes, such as ``"cuda"``.
        precision: see `Precision`. Before bfloat16 is used, the first pictures are computed both
            ways; where the directions disagree, float32 is used, and a warning says so.
        batch_size: pictures at once; None: what suits the device. One that does not fit into
            memory is halved until it does, and a warning says so.

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
        if precision not in get_args(Precision):
            raise NeedsError(
                f"precision={precision!r}; expected one of {', '.join(get_args(Precision))}."
            )
        if batch_size is not None and batch_size < 1:
            raise NeedsError(f"batch_size={batch_size}; expected at least 1 picture at a time.")
        kind = torch.device(device).type
        self.preprocess = preprocess
        self.device = device
        self.bfloat16 = precision == "bfloat16" or (precision == "auto" and _has_bfloat16(device))
        self.batch_size = batch_size or (_GPU_BATCH if kind == "cuda" else _CPU_BATCH)
        self._encode = encode
        self._network = network
        self._name = name
        self._is_checked = not self.bfloat16

    @property
    def identity(self) -> str:
        """Names everything that the features depend on; the weights by their content."""
        precision = "bfloat16" if self.bfloat16 else "float32"
        preprocess = json.dumps(asdict(self.preprocess))
        return f"{self._name} {self._weights} {preprocess} {precision}"

    @cached_property
    def _weights(self) -> str:
        return tensors_digest(self._network)

    @torch.inference_mode()
    def embed(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[np.ndarray, "B D"]:
        """Features of each picture, as the network gives them.

        Raises:
            ShapeError: this is no stack of RGB pictures.
            DtypeError: the pictures are not uint8.
        """
        check_pictures(frames, 4, "frames", "(B, H, W, 3)")
        if not self._is_checked and len(frames):
            self._check_bfloat16(frames[:_CHECKED])
        parts: list[np.ndarray] = []
        start = 0
        while start < len(frames) or not parts:
            try:
                parts.append(self._embed(frames[start : start + self.batch_size], self.bfloat16))
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error) or self.batch_size == 1:
                    raise
                self._halve_batch()
                continue
            start += self.batch_size
        return np.concatenate(parts)

    def _embed(
        self, frames: UInt8[np.ndarray, "B H W 3"], bfloat16: bool
    ) -> Float32[np.ndarray, "B D"]:
        pictures = torch.from_numpy(np.ascontiguousarray(frames)).to(self.device)
        kind = torch.device(self.device).type
        prepared = self.preprocess(pictures)
        with torch.autocast(kind, torch.bfloat16, enabled=bfloat16):
            features = self._encode(prepared)
        return np.asarray(features.float().cpu().numpy())

    def _halve_batch(self) -> None:
        smaller = self.batch_size // 2
        warnings.warn(
            f"{self.batch_size} pictures at once do not fit into the memory of {self.device!r}; "
            f"going on with {smaller}. Pass batch_size={smaller} to begin there.",
            ResourceWarning,
            stacklevel=4,
        )
        self.batch_size = smaller
        if torch.device(self.device).type == "cuda":
            torch.cuda.empty_cache()

    def _check_bfloat16(self, frames: UInt8[np.ndarray, "B H W 3"]) -> None:
        exact, fast = (
            features.reshape(len(frames), -1)
            for features in (self._embed(frames, False), self._embed(frames, True))
        )
        lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(fast, axis=1)
        cosine = float(((exact * fast).sum(axis=1) / np.maximum(lengths, 1e-12)).min())
        self._is_checked = True
        if not cosine >= _AGREEMENT:
            self.bfloat16 = False
            warnings.warn(
                f"In bfloat16 the features point elsewhere than in float32 (cosine {cosine:.4f}, "
                f"expected {_AGREEMENT}); computing in float32.",
                RuntimeWarning,
                stacklevel=3,
            )


def _has_bfloat16(device: str) -> bool:
    """Whether products of bfloat16 numbers are done in hardware, and so are faster."""
    if torch.device(device).type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return "can't allocate memory" in str(error)  # what torch says on a CPU
