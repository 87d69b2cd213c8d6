"""An encoder of pictures and texts whose every feature is known by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8

from vlfeedback.errors import DtypeError, NeedsError
from vlfeedback.types import SegmentBatch, SourceNeeds

__all__ = ["ShadeEncoder", "ShadeEncoderConfig"]


@dataclass(frozen=True, slots=True)
class ShadeEncoderConfig:
    """Settings of a `ShadeEncoder`.

    Attributes:
        frame_stride: steps from one picture to the next.
    """

    frame_stride: int = 1


class ShadeEncoder:
    """Knows pictures by their brightness, and of words "bright" and "dark" alone.

    A picture of mean brightness b in [0, 1] has the features (cos a, sin a) with a = 90 degrees
    times b. A text has those of a white picture where it says "bright", of a black one where it
    says "dark", and of the grey between them where it says neither. Rewards are cosines.

    >>> encoder = ShadeEncoder()
    >>> encoder.embed(np.full((1, 8, 8, 3), 255, np.uint8)).round(3) + 0.0
    array([[0., 1.]], dtype=float32)
    >>> encoder.embed_text("go where it is dark")
    array([1., 0.], dtype=float32)
    """

    def __init__(self, config: ShadeEncoderConfig | None = None) -> None:
        self.config = config or ShadeEncoderConfig()
        self.needs = SourceNeeds(
            frames=True, instruction=True, frame_stride=self.config.frame_stride
        )
        self.embedded: list[int] = []  # B of every call of `embed` so far

    def embed(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[np.ndarray, "B 2"]:
        """Features of each picture.

        Raises:
            DtypeError: the pictures are not uint8.
        """
        if frames.dtype != np.uint8:
            raise DtypeError(f"frames is {frames.dtype}; sources take uint8 0-255.")
        self.embedded.append(len(frames))
        return _features(frames.mean(axis=(1, 2, 3)) / 255)

    def embed_text(self, text: str) -> Float32[np.ndarray, " 2"]:
        """Features of a text."""
        words = text.lower().split()
        shade = 1.0 if "bright" in words else 0.0 if "dark" in words else 0.5
        return np.asarray(_features(np.array([shade]))[0])

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """Cosine of the instruction and the newest picture at each step; zero on padding.

        Raises:
            NeedsError: the batch has no pictures, or no instructions.
        """
        if batch.instructions is None:
            raise NeedsError("'shade' needs an instruction for every segment: instructions=[...].")
        if batch.embeddings is not None:
            pictures = batch.embeddings
        elif batch.frames is not None:
            n, f, *picture = batch.frames.shape
            pictures = self.embed(batch.frames.reshape(n * f, *picture)).reshape(n, f, 2)
        else:
            raise NeedsError("'shade' reads pictures: give frames (N, F, H, W, 3), or embeddings.")
        texts = np.stack([self.embed_text(text) for text in batch.instructions])
        scores = np.einsum("nfd,nd->nf", pictures, texts)
        rewards = scores[:, batch.newest_pictures()]
        real = np.arange(batch.n_steps) <= batch.last_steps[:, None]
        return np.where(real, rewards, 0).astype(np.float32)


def _features(shades: np.ndarray) -> Float32[np.ndarray, "B 2"]:
    angles = shades * np.pi / 2
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1).astype(np.float32)
