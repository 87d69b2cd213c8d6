"""A frozen network applied in batches that fit into memory, in float32 or bfloat16."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from vlfeedback.encoders.bfloat16 import is_bfloat16_faster
from vlfeedback.errors import InvalidValueError

__all__ = ["FrozenNetwork", "Precision"]

Precision = Literal["float32", "bfloat16", "auto"]
"""How a network computes. "auto": bfloat16 where the device is faster in it, by timing."""

_CHECKED = 2  # inputs computed both ways before bfloat16 is trusted
_AGREEMENT = 0.995  # least cosine between both


class FrozenNetwork:
    """A frozen network that turns each picture, or each video, into features of its own.

    Args:
        prepare: inputs (B, ...) uint8, on the device, as `encode` reads them; in float32.
        encode: to features (B, ...); in evaluation mode.
        in_bfloat16: the same with products in bfloat16; None: `encode` under autocast.
        probe: inputs that are computed both ways before bfloat16 is used; None: the first ones.
            Where the directions disagree, float32 is used, with a warning.
        inputs: what they are, for messages: ``"pictures"``.
        device: where it computes, such as ``"cuda"``.
        precision: see `Precision`.
        batch_size: inputs at once. What does not fit into memory is halved until it does, with a
            warning.

    Raises:
        InvalidValueError: there is no such precision, or `batch_size` is less than 1.
    """

    def __init__(
        self,
        prepare: Callable[[Tensor], Tensor],
        encode: Callable[[Tensor], Tensor],
        *,
        in_bfloat16: Callable[[Tensor], Tensor] | None = None,
        probe: UInt8[np.ndarray, "P ..."] | None = None,
        inputs: str,
        device: str,
        precision: str,
        batch_size: int,
    ) -> None:
        if precision not in get_args(Precision):
            raise InvalidValueError(
                f"precision={precision!r}; expected one of {', '.join(get_args(Precision))}."
            )
        if batch_size < 1:
            raise InvalidValueError(
                f"batch_size={batch_size}; expected at least 1 of the {inputs}."
            )
        self.device = device
        self.batch_size = batch_size
        self._bfloat16 = precision == "bfloat16" or (
            precision == "auto" and is_bfloat16_faster(device)
        )
        self._prepare = prepare
        self._encode = encode
        self._in_bfloat16 = in_bfloat16 or self._autocast
        self._probe = probe
        self._inputs = inputs
        self._is_checked = not self._bfloat16

    @property
    def bfloat16(self) -> bool:
        """Whether it computes in bfloat16; the probe decides, if that is still open.

        Without a probe, the first inputs may still change it.
        """
        if not self._is_checked and self._probe is not None:
            self._check_bfloat16(self._probe)
        return self._bfloat16

    def settle(self, bfloat16: bool) -> None:
        """Compute in bfloat16, or do not, without the probe, whose outcome is known."""
        self._bfloat16 = bfloat16
        self._is_checked = True

    def __call__(self, inputs: UInt8[np.ndarray, "B ..."]) -> Float32[np.ndarray, "B ..."]:
        """Features of each input, as the network gives them.

        Raises:
            MemoryError, torch.OutOfMemoryError: not even one input fits into memory.
        """
        if not self.bfloat16:
            return self._in_batches(inputs, False)
        if not self._is_checked and len(inputs):
            self._check_bfloat16(inputs[:_CHECKED])
        return self._in_batches(inputs, self._bfloat16)

    def _in_batches(
        self, inputs: UInt8[np.ndarray, "B ..."], bfloat16: bool
    ) -> Float32[np.ndarray, "B ..."]:
        parts: list[np.ndarray] = []
        start = 0
        while start < len(inputs) or not parts:
            size = min(self.batch_size, max(1, len(inputs) - start))
            try:
                parts.append(self._compute(inputs[start : start + size], bfloat16))
            except (MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
                if size == 1:
                    error.add_note(
                        f"Not even one of the {self._inputs} fits into the memory of "
                        f"{self.device!r} beside the network: use a smaller network, or a device "
                        "with more memory."
                    )
                    raise
            else:
                start += size
                continue
            # Here and not above: as long as the exception is there, so is what did not fit.
            self._halve_batch(size)
        return np.concatenate(parts)

    @torch.inference_mode()
    def _compute(
        self, inputs: UInt8[np.ndarray, "B ..."], bfloat16: bool
    ) -> Float32[np.ndarray, "B ..."]:
        # torch warns of arrays that cannot be written to.
        tensor = torch.from_numpy(np.require(inputs, requirements=("C", "W"))).to(self.device)
        encode = self._in_bfloat16 if bfloat16 else self._encode
        return np.asarray(encode(self._prepare(tensor)).float().cpu().numpy())

    def _autocast(self, prepared: Tensor) -> Tensor:
        with torch.autocast(torch.device(self.device).type, torch.bfloat16):
            return self._encode(prepared)

    def _halve_batch(self, size: int) -> None:
        self.batch_size = size // 2
        warnings.warn(
            f"{size} {self._inputs} at once do not fit into the memory of {self.device!r}; going "
            f"on with {self.batch_size}. Pass batch_size={self.batch_size} to begin there.",
            ResourceWarning,
            stacklevel=5,
        )
        if torch.device(self.device).type == "cuda":
            torch.cuda.empty_cache()

    def _check_bfloat16(self, inputs: UInt8[np.ndarray, "P ..."]) -> None:
        exact, fast = (
            self._in_batches(inputs, bfloat16).reshape(len(inputs), -1)
            for bfloat16 in (False, True)
        )
        lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(fast, axis=1)
        cosine = float(((exact * fast).sum(axis=1) / np.maximum(lengths, 1e-12)).min())
        self._is_checked = True
        if not cosine >= _AGREEMENT:
            self._bfloat16 = False
            warnings.warn(
                f"In bfloat16 the features point elsewhere than in float32 (cosine {cosine:.4f}, "
                f"expected {_AGREEMENT}); computing in float32.",
                RuntimeWarning,
                stacklevel=4,
            )


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return "can't allocate memory" in str(error)  # torch's message on a CPU
