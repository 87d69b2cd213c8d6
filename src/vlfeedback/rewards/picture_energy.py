"""Picture energy: difference of a window's first and last picture. No language, no learning.

Paper:    none; the trivial baseline every table of preference accuracy should carry, because a
          scripted policy moves things and K-means pairs mostly set it against a random one
Needs:    pictures over 50 steps
Returns:  mean absolute difference of first and last picture, 0 to 255, once a window
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from vlfeedback.errors import NeedsError
from vlfeedback.types import SegmentBatch, SourceNeeds

__all__ = ["PictureEnergyConfig", "PictureEnergyReward"]


@dataclass(frozen=True, slots=True)
class PictureEnergyConfig:
    """The `picture-energy` source has no settings."""


class PictureEnergyReward:
    """Mean absolute difference between the first and the last picture of each window."""

    config_type = PictureEnergyConfig
    needs = SourceNeeds(frames=True, granularity="window", context=50, frame_stride=7)

    def __init__(self, config: PictureEnergyConfig | None = None, *, device: str = "cpu") -> None:
        self.config = config or PictureEnergyConfig()

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """Energy at each window's last step, zeros before.

        Raises:
            NeedsError: the batch has no pictures.
        """
        if batch.frames is None:
            raise NeedsError("'picture-energy' reads pictures: give frames (N, F, H, W, 3).")
        rows = np.arange(len(batch))
        last = np.searchsorted(batch.picture_steps, batch.last_steps, side="right") - 1
        first, final = batch.frames[:, 0].astype(np.int16), batch.frames[rows, last]
        rewards = np.zeros((len(batch), batch.n_steps), dtype=np.float32)
        rewards[rows, batch.last_steps] = np.abs(first - final).mean(axis=(1, 2, 3))
        return rewards
