"""Random rewards: a baseline that any method should beat.

Paper:    none; uniform in [-1, 1) is our choice
Needs:    actions
Returns:  one number a step, unitless, in [-1, 1)
Recipe:   1 hash the action's bytes with the seed; 2 read the first 24 bits as a fraction.

Drawn from the action alone, so that a step gets the same number online, in a segment and when a
dataset is relabelled. With few discrete actions each has its own constant reward: change `seed`
to see how much of a result is luck.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from jaxtyping import Float32

from vlfeedback.errors import NeedsError
from vlfeedback.types import SegmentBatch, SourceNeeds

__all__ = ["RandomConfig", "RandomReward"]


@dataclass(frozen=True, slots=True)
class RandomConfig:
    """Settings of the `random` source.

    Attributes:
        seed: another seed, other rewards.
    """

    seed: int = 0


class RandomReward:
    """Uniform noise in [-1, 1), the same for the same action and seed."""

    config_type = RandomConfig
    needs = SourceNeeds(actions=True)

    def __init__(self, config: RandomConfig | None = None, *, device: str = "cpu") -> None:
        self.config = config or RandomConfig()

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """One number a step, zero on padding.

        Raises:
            NeedsError: the batch has no actions.
        """
        if batch.actions is None:
            raise NeedsError("'random' draws from the actions: give actions (N, T, ...).")
        # float32, as datasets store actions; adding 0 makes -0.0 and 0.0 the same bytes.
        actions = np.ascontiguousarray(batch.actions, dtype=np.float32) + np.float32(0)
        rows = actions.reshape(-1, math.prod(actions.shape[2:]))
        key = str(self.config.seed).encode()
        digests = b"".join(blake2b(row.tobytes(), digest_size=4, key=key).digest() for row in rows)
        # 24 bits are what a float32 in [-1, 1) holds exactly.
        numbers = (np.frombuffer(digests, dtype="<u4") >> 8) / np.float64(2**23) - 1
        rewards = numbers.astype(np.float32).reshape(len(batch), batch.n_steps)
        return rewards if batch.mask is None else np.where(batch.mask, rewards, np.float32(0))
