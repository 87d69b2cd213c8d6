"""The protocols a source of feedback fulfils, and the labels it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from vlfeedback.errors import DtypeError, ShapeError
from vlfeedback.types.batches import SegmentBatch, SegmentPairs, SourceNeeds

__all__ = ["EmbeddingSource", "PreferenceLabels", "PreferenceSource", "RewardSource"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PreferenceLabels:
    """Answers for N pairs."""

    prefer_second: Float32[np.ndarray, " N"]  # in [0, 1]: 0 first, 1 second, 0.5 tie
    answered: Bool[np.ndarray, " N"]  # False: refused, unparsable, skipped; never trained on

    def __post_init__(self) -> None:
        if self.prefer_second.shape != self.answered.shape or self.prefer_second.ndim != 1:
            raise ShapeError(
                f"prefer_second has shape {self.prefer_second.shape} and answered "
                f"{self.answered.shape}; expected (N,) for both."
            )
        if self.answered.dtype != np.bool_:
            raise DtypeError(f"answered is {self.answered.dtype}; expected bool, True: answered.")
        given = self.prefer_second[self.answered]
        if not np.all((given >= 0) & (given <= 1)):
            raise ValueError(
                "prefer_second must lie in [0, 1] (0 first, 1 second, 0.5 tie); got values in "
                f"[{given.min()}, {given.max()}]."
            )

    def __len__(self) -> int:
        return len(self.prefer_second)

    def __repr__(self) -> str:
        ties = int(np.sum(self.answered & (self.prefer_second == 0.5)))
        return f"PreferenceLabels(N={len(self)}, answered={self.answered.sum()}, ties={ties})"


@runtime_checkable
class RewardSource(Protocol):
    """Anything that turns segments into rewards."""

    needs: SourceNeeds

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """One number a step; a window or episode score sits at the last real step."""


@runtime_checkable
class EmbeddingSource(RewardSource, Protocol):
    """A reward source that reads each picture once: wrappers keep embeddings, not pictures.

    `rewards(batch)` must give the same answer for `frames` and for the `embeddings` of them.
    """

    def embed(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[np.ndarray, "B ..."]:
        """Encode pictures, independently of each other."""


@runtime_checkable
class PreferenceSource(Protocol):
    """Anything that says which of two segments follows the instruction better."""

    needs: SourceNeeds

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        """Compare each pair."""
