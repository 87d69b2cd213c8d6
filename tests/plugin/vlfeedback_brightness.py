"""Brightness: the mean of the picture after each step. All that a plugin needs to be."""

from dataclasses import dataclass

import numpy as np

from vlfeedback import SegmentBatch, SourceNeeds
from vlfeedback.errors import NeedsError


@dataclass(frozen=True)
class BrightnessConfig:
    scale: float = 1.0  # reward of a white picture; a black one gets 0


class BrightnessReward:
    """Mean brightness of the picture after each step, 0 to `scale`."""

    config_type = BrightnessConfig
    needs = SourceNeeds(frames=True)

    def __init__(self, config: BrightnessConfig | None = None, *, device: str = "cpu") -> None:
        self.config = config or BrightnessConfig()

    def rewards(self, batch: SegmentBatch) -> np.ndarray:
        if batch.frames is None:
            raise NeedsError("'brightness' reads pictures: give frames (N, T, H, W, 3).")
        brightness = batch.frames.mean(axis=(2, 3, 4)) / 255
        rewards = np.asarray(self.config.scale * brightness, dtype=np.float32)
        return rewards if batch.mask is None else np.where(batch.mask, rewards, np.float32(0))
