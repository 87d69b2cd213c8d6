"""Whether the task is done, as a reward source, for reference.

Paper:    none
Needs:    the successes that the environment itself noted, which recordings alone have
Returns:  1 at a step after which the task is done, else 0
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from vlfeedback.errors import NeedsError
from vlfeedback.types import SegmentBatch, SourceNeeds

__all__ = ["SuccessConfig", "SuccessReward"]


@dataclass(frozen=True, slots=True)
class SuccessConfig:
    """The `success` source has no settings."""


class SuccessReward:
    """Rewards the steps after which the task is done with 1."""

    config_type = SuccessConfig
    needs = SourceNeeds(successes=True)

    def __init__(self, config: SuccessConfig | None = None, *, device: str = "cpu") -> None:
        self.config = config or SuccessConfig()

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """1 where the task is done, else 0, and 0 on padding.

        Raises:
            NeedsError: the batch does not say.
        """
        if batch.successes is None:
            raise NeedsError(
                "'success' reads whether the task is done and this batch does not say; record "
                "successes, and gather with needs=source.needs."
            )
        rewards = batch.successes.astype(np.float32)
        return rewards if batch.mask is None else np.where(batch.mask, rewards, np.float32(0))
