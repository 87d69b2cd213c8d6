"""A batch's pictures as features, and scores of pictures as rewards of steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from vlfeedback.errors import NeedsError
from vlfeedback.scoring.pictures import Embed, embed_stack
from vlfeedback.types import SegmentBatch

__all__ = ["EncodingConfig", "TextCache", "first_features", "hold_scores", "picture_features"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodingConfig:
    """Settings that every source with a frozen picture encoder has.

    Attributes:
        frame_stride: steps from one scored picture to the next; in between it is held.
        precision: "bfloat16", or "auto": what the device is faster in.
        batch_size: pictures encoded at once; None: what suits the device.
    """

    frame_stride: int = 1
    precision: str = "float32"
    batch_size: int | None = None


class TextCache:
    """Features of texts, each encoded once and by itself, so that they depend on no other text.

    Args:
        source: id of the source, for messages.
        embed_text: one text to its features (D,).
    """

    def __init__(self, source: str, embed_text: Callable[[str], Float32[np.ndarray, " D"]]) -> None:
        self._source = source
        self._embed_text = embed_text
        self._features: dict[str, Float32[np.ndarray, " D"]] = {}

    def __call__(self, text: str) -> Float32[np.ndarray, " D"]:
        """Features of a text.

        Raises:
            NeedsError: the text is empty.
        """
        if not text.strip():
            raise NeedsError(f"{self._source!r} needs an instruction in words; got {text!r}.")
        if text not in self._features:
            self._features[text] = self._embed_text(text)
        return self._features[text]

    def of(self, batch: SegmentBatch) -> Float32[np.ndarray, "N D"]:
        """Features of each segment's instruction.

        Raises:
            NeedsError: instructions are missing, or one is empty.
        """
        if batch.instructions is None:
            raise NeedsError(
                f"{self._source!r} needs an instruction for every segment: instructions=[...]."
            )
        return np.stack([self(text) for text in batch.instructions])


def picture_features(
    batch: SegmentBatch, embed: Embed, *, source: str
) -> Float32[np.ndarray, "N F ..."]:
    """Features of every picture of a batch: its embeddings, or its pictures embedded.

    Args:
        batch: with frames (N, F, H, W, 3) or embeddings (N, F, ...).
        embed: encodes pictures, as `EmbeddingSource.embed`.
        source: id of the source, for the message.

    Raises:
        NeedsError: it has neither.
    """
    if batch.embeddings is not None:
        return batch.embeddings
    if batch.frames is None:
        raise NeedsError(f"{source!r} reads pictures: give frames (N, F, H, W, 3), or embeddings.")
    return embed_stack(batch.frames, embed)


def first_features(
    batch: SegmentBatch, embed: Embed, *, source: str
) -> Float32[np.ndarray, "N ..."]:
    """Features of the picture of the reset with which each segment's episode began.

    Raises:
        NeedsError: it has neither first_frames nor first_embeddings.
    """
    if batch.first_embeddings is not None:
        return batch.first_embeddings
    if batch.first_frames is None:
        raise NeedsError(
            f"{source!r} compares with the picture of the reset: give first_frames (N, H, W, 3), "
            "or first_embeddings."
        )
    return embed(batch.first_frames)


def hold_scores(
    scores: Float[np.ndarray, "N F"], batch: SegmentBatch
) -> Float32[np.ndarray, "N T"]:
    """Scores of pictures as rewards of steps: the newest is held; zero on padding.

    Raises:
        NeedsError: the first picture comes after the first step.
    """
    rewards = np.asarray(scores[:, batch.newest_pictures()], dtype=np.float32)
    return rewards if batch.mask is None else np.where(batch.mask, rewards, np.float32(0))
