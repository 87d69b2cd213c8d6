"""Inputs through a frozen network: in batches that fit, in the precision asked for."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from vlfeedback.errors import NeedsError

__all__ = ["FrozenNetwork", "Precision"]

Precision = Literal["float32", "bfloat16", "auto"]
"""How a network computes. "auto": bfloat16 where the device has it in hardware."""

_CHECKED = 2  # inputs computed both ways before bfloat16 is trusted
_AGREEMENT = 0.995  # least cosine between both


class FrozenNetwork:
    """What turns each picture, or each clip, into features, independently of the others.

    Args:
        prepare: inputs (B, ...) uint8, on the device, as `encode` reads them; in float32.
        encode: to features (B, ...); in evaluation mode.
        inputs: what they are, for messages: ``"pictures"``.
        device: where it computes, such as ``"cuda"``.
        precision: see `Precision`. Before bfloat16 is used, the first inputs are computed both
            ways; where the directions disagree, float32 is used, and a warning says so.
        batch_size: inputs at once. What does not fit into memory is halved until it does, and a
            warning says so.

    Raises:
        NeedsError: there is no such precision, or `batch_size` is less than 1.
    """

    def __init__(
        self,
        prepare: Callable[[Tensor], Tensor],
        encode: Callable[[Tensor], Tensor],
        *,
        inputs: str,
        device: str,
        precision: str,
        batch_size: int,
    ) -> None:
        if precision not in get_args(Precision):
            raise NeedsError(
                f"precision={precision!r}; expected one of {', '.join(get_args(Precision))}."
            )
        if batch_size < 1:
            raise NeedsError(f"batch_size={batch_size}; expected at least 1 of the {inputs}.")
        self.device = device
        self.bfloat16 = precision == "bfloat16" or (precision == "auto" and _has_bfloat16(device))
        self.batch_size = batch_size
        self._prepare = prepare
        self._encode = encode
        self._inputs = inputs
        self._is_checked = not self.bfloat16

    @torch.inference_mode()
    def __call__(self, inputs: UInt8[np.ndarray, "B ..."]) -> Float32[np.ndarray, "B ..."]:
        """Features of each input, as the network gives them."""
        if not self._is_checked and len(inputs):
            self._check_bfloat16(inputs[:_CHECKED])
        parts: list[np.ndarray] = []
        start = 0
        while start < len(inputs) or not parts:
            try:
                parts.append(self._compute(inputs[start : start + self.batch_size], self.bfloat16))
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error) or self.batch_size == 1:
                    raise
                self._halve_batch()
                continue
            start += self.batch_size
        return np.concatenate(parts)

    def _compute(
        self, inputs: UInt8[np.ndarray, "B ..."], bfloat16: bool
    ) -> Float32[np.ndarray, "B ..."]:
        prepared = self._prepare(torch.from_numpy(np.ascontiguousarray(inputs)).to(self.device))
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=bfloat16):
            features = self._encode(prepared)
        return np.asarray(features.float().cpu().numpy())

    def _halve_batch(self) -> None:
        smaller = self.batch_size // 2
        warnings.warn(
            f"{self.batch_size} {self._inputs} at once do not fit into the memory of "
            f"{self.device!r}; going on with {smaller}. Pass batch_size={smaller} to begin there.",
            ResourceWarning,
            stacklevel=5,
        )
        self.batch_size = smaller
        if torch.device(self.device).type == "cuda":
            torch.cuda.empty_cache()

    def _check_bfloat16(self, inputs: UInt8[np.ndarray, "B ..."]) -> None:
        exact, fast = (
            features.reshape(len(inputs), -1)
            for features in (self._compute(inputs, False), self._compute(inputs, True))
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
                stacklevel=4,
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
