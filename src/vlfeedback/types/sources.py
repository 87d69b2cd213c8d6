"""The protocols a source of feedback fulfils."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8

from vlfeedback.types.batches import SegmentBatch, SegmentPairs, SourceNeeds
from vlfeedback.types.labels import PreferenceLabels

__all__ = ["EmbeddingSource", "PreferenceSource", "RewardSource"]


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

    A source may also say what its embeddings depend on, in a property ``embedding_id: str``: two
    sources with equal ids give equal embeddings, and share a cache of them. Without it, a source
    shares only with its own class and settings.
    """

    def embed(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[np.ndarray, "B ..."]:
        """Encode pictures, independently of each other."""


@runtime_checkable
class PreferenceSource(Protocol):
    """Anything that says which of two segments follows the instruction better."""

    needs: SourceNeeds

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        """Compare each pair."""
