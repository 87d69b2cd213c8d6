"""The protocols a source of feedback fulfils."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8

from vlfeedback.errors import NeedsError
from vlfeedback.types.batches import SegmentBatch, SegmentPairs, SourceNeeds
from vlfeedback.types.labels import PreferenceLabels

__all__ = [
    "EmbeddingSource",
    "PreferenceSource",
    "RewardSource",
    "class_and_settings",
    "embedding_id",
    "unwrapped",
]


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


def unwrapped(source: Any) -> Any:
    """The source that gives the answers, where another passes them on as they are.

    Such a wrapper names what it wraps in an attribute ``wrapped``, as
    `vlfeedback.CachedEmbeddings` does; records then speak of the source alone.
    """
    while (inner := getattr(source, "wrapped", None)) is not None:
        source = inner
    return source


def class_and_settings(source: Any) -> tuple[str, dict[str, Any]]:
    """What a record says of a source of either kind: ``"module:Class"``, and its settings.

    Settings are the fields of its ``config``; none where that is no dataclass.
    """
    source = unwrapped(source)
    cls, config = type(source), getattr(source, "config", None)
    settings = asdict(config) if is_dataclass(config) and not isinstance(config, type) else {}
    return f"{cls.__module__}:{cls.__qualname__}", settings


def embedding_id(source: EmbeddingSource) -> str:
    """Names what a source's embeddings depend on beside the picture, see `EmbeddingSource`.

    Raises:
        NeedsError: the source has neither an ``embedding_id`` nor a ``config``.
    """
    named: str | None = getattr(source, "embedding_id", None)
    if named is not None:
        return named
    if not hasattr(source, "config"):
        raise NeedsError(
            f"{type(source).__name__} does not say what its embeddings depend on; give it a "
            "property embedding_id: str that differs where they do, such as a digest of the "
            "encoder's weights."
        )
    name, settings = class_and_settings(source)
    return f"{name} {json.dumps(settings, sort_keys=True)}"
