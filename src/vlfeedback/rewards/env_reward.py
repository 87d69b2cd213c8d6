"""The environment's own reward, as a reward source, for reference.

Paper:    none
Needs:    the rewards that the environment itself gave
Returns:  those rewards, one a step, in the environment's unit
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from vlfeedback.errors import NeedsError
from vlfeedback.types import SegmentBatch, SourceNeeds

__all__ = ["EnvReward", "EnvRewardConfig"]


@dataclass(frozen=True, slots=True)
class EnvRewardConfig:
    """The `env` source has no settings."""


class EnvReward:
    """Hands on the environment's own reward."""

    config_type = EnvRewardConfig
    needs = SourceNeeds(env_rewards=True)

    def __init__(self, config: EnvRewardConfig | None = None, *, device: str = "cpu") -> None:
        self.config = config or EnvRewardConfig()

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """A copy of the environment's rewards, zero on padding.

        Raises:
            NeedsError: the batch has none.
        """
        if batch.env_rewards is None:
            raise NeedsError(
                "'env' hands on the environment's own rewards and this batch has none; record "
                "them, and gather with needs=source.needs."
            )
        rewards = batch.env_rewards.astype(np.float32)
        return rewards if batch.mask is None else np.where(batch.mask, rewards, np.float32(0))
