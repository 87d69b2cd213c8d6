"""A reward source with known rewards, for the environment `PointReachEnv`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8

from vlfeedback.errors import DtypeError, NeedsError
from vlfeedback.types import Granularity, SegmentBatch, SourceNeeds

__all__ = ["BrightnessConfig", "BrightnessEmbedder", "BrightnessReward"]


@dataclass(frozen=True, slots=True)
class BrightnessConfig:
    """Settings of a `BrightnessReward`; fields of its `SourceNeeds`.

    Attributes:
        granularity: see `vlfeedback.SourceNeeds`.
        context: steps.
        frame_stride: steps.
    """

    granularity: Granularity = "step"
    context: int = 1
    frame_stride: int = 1


class BrightnessReward:
    """Mean brightness of the pictures of a step, a window or an episode, in [0, 1]."""

    def __init__(self, config: BrightnessConfig | None = None) -> None:
        self.config = config or BrightnessConfig()
        self.needs = SourceNeeds(
            frames=True,
            granularity=self.config.granularity,
            context=self.config.context,
            frame_stride=self.config.frame_stride,
        )
        self.batch_sizes: list[int] = []  # N of every call of `rewards` so far

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """Brightness at each step, held between pictures; or its mean at the last real step.

        Raises:
            NeedsError: the batch has no pictures.
        """
        self.batch_sizes.append(len(batch))
        steps = np.arange(batch.n_steps)
        newest = np.searchsorted(batch.picture_steps, steps, side="right") - 1
        brightness = self._brightness(batch)
        real = steps <= batch.last_steps[:, None]
        if self.needs.granularity == "step":
            return np.where(real, brightness[:, newest], 0).astype(np.float32)
        in_segment = batch.picture_steps <= batch.last_steps[:, None]
        rewards = np.zeros(real.shape, dtype=np.float32)
        rewards[np.arange(len(batch)), batch.last_steps] = brightness.mean(axis=1, where=in_segment)
        return rewards

    def _brightness(self, batch: SegmentBatch) -> np.ndarray:
        if batch.frames is None:
            raise NeedsError("'brightness' reads pictures: give frames (N, F, H, W, 3).")
        return np.asarray(batch.frames.mean(axis=(2, 3, 4)) / 255)


class BrightnessEmbedder(BrightnessReward):
    """The same through embeddings: the brightness of each picture is computed once, by `embed`."""

    def __init__(self, config: BrightnessConfig | None = None) -> None:
        super().__init__(config)
        self.embedded: list[int] = []  # B of every call of `embed` so far

    def embed(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[np.ndarray, "B 1"]:
        """Brightness of each picture, in [0, 1].

        Raises:
            DtypeError: the pictures are not uint8.
        """
        if frames.dtype != np.uint8:
            raise DtypeError(f"frames is {frames.dtype}; sources take uint8 0-255.")
        self.embedded.append(len(frames))
        return np.asarray(frames.mean(axis=(1, 2, 3)) / 255, dtype=np.float32)[:, None]

    def _brightness(self, batch: SegmentBatch) -> np.ndarray:
        if batch.embeddings is None:
            return super()._brightness(batch)
        return np.asarray(batch.embeddings[..., 0])
