"""Rules that know nothing of a task, as reward sources: what a good source has to be better than.

``length``: the longer a clip, the better; along a clip it is time itself, so that its value-order
correlation is 1. ``colour-change``: the more the picture differs from the first one, the better.
``last-frame``: the brighter the last picture, the better. ``chance``: a number drawn for each
picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from vlfeedback.errors import NeedsError
from vlfeedback.types import RewardSource, SegmentBatch, SourceNeeds

__all__ = [
    "BASELINES",
    "ChanceReward",
    "ColourChangeReward",
    "LastFrameReward",
    "LengthReward",
    "make_baselines",
]


@dataclass(frozen=True, slots=True)
class RuleConfig:
    """A rule without settings."""


class LengthReward:
    """Steps of the episode so far."""

    config = RuleConfig()
    needs = SourceNeeds(granularity="episode")

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """The number of steps at the last one, zeros before."""
        rewards = np.zeros((len(batch), batch.n_steps), dtype=np.float32)
        rewards[np.arange(len(batch)), batch.last_steps] = batch.last_steps + 1
        return rewards


class ColourChangeReward:
    """Mean absolute difference of each picture from the episode's first one, 0 to 255."""

    config = RuleConfig()
    needs = SourceNeeds(frames=True, first_frame=True)

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """One number a picture, held until the next.

        Raises:
            NeedsError: the batch has no pictures.
        """
        if batch.first_frames is None:
            raise NeedsError("'colour-change' compares with the first picture: give first_frames.")
        first = batch.first_frames[:, None].astype(np.int16)
        difference = np.abs(_pictures_of(batch) - first).mean(axis=(2, 3, 4))
        return _at_each_step(difference, batch)


class LastFrameReward:
    """Mean brightness of each picture, 0 to 255."""

    config = RuleConfig()
    needs = SourceNeeds(frames=True)

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """One number a picture, held until the next.

        Raises:
            NeedsError: the batch has no pictures.
        """
        return _at_each_step(_pictures_of(batch).mean(axis=(2, 3, 4)), batch)


@dataclass(frozen=True, slots=True)
class ChanceConfig:
    """Settings of `ChanceReward`.

    Attributes:
        seed: another seed, other numbers.
    """

    seed: int = 0


class ChanceReward:
    """Uniform noise in [0, 1), the same for the same picture and seed."""

    needs = SourceNeeds(frames=True)

    def __init__(self, config: ChanceConfig | None = None) -> None:
        self.config = config or ChanceConfig()

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """One number a picture, held until the next.

        Raises:
            NeedsError: the batch has no pictures.
        """
        pictures = _pictures_of(batch)
        key = str(self.config.seed).encode()
        numbers = [
            int.from_bytes(blake2b(picture.tobytes(), digest_size=3, key=key).digest()) / 2**24
            for picture in pictures.reshape(-1, *pictures.shape[2:])
        ]
        return _at_each_step(np.array(numbers).reshape(pictures.shape[:2]), batch)


BASELINES: Mapping[str, type] = {
    "length": LengthReward,
    "colour-change": ColourChangeReward,
    "last-frame": LastFrameReward,
    "chance": ChanceReward,
}
"""The rules by name, as tables show them."""


def make_baselines(seed: int) -> dict[str, RewardSource]:
    """All of them; the seed is of chance."""
    return {
        "length": LengthReward(),
        "colour-change": ColourChangeReward(),
        "last-frame": LastFrameReward(),
        "chance": ChanceReward(ChanceConfig(seed)),
    }


def _at_each_step(
    numbers: Float64[np.ndarray, "N F"], batch: SegmentBatch
) -> Float32[np.ndarray, "N T"]:
    """A number of each picture, held until the next; zero on padding."""
    held = numbers[:, batch.newest_pictures()].astype(np.float32)
    return held if batch.mask is None else np.where(batch.mask, held, np.float32(0))


def _pictures_of(batch: SegmentBatch) -> UInt8[np.ndarray, "N F H W 3"]:
    if batch.frames is None:
        raise NeedsError("This rule looks at pictures: give frames (N, F, H, W, 3).")
    return batch.frames
