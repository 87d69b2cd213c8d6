"""How a source's score and the environment's own reward become one reward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float64

from vlfeedback.errors import InvalidValueError
from vlfeedback.types import RewardSource

__all__ = ["RewardMix", "RewardMode"]

RewardMode = Literal["replace", "progress", "add", "shape"]


@dataclass(frozen=True, slots=True)
class RewardMix:
    """Reward of a step from the environment's reward and the source's scores around it.

    - ``"replace"``: ``scale * score``
    - ``"progress"``: ``scale * (score - score before)``: what the step changed. Where episodes are
      not terminated the best policies are those of ``"replace"``, since discounted differences sum
      to ``(1 - gamma)`` times the discounted scores and a constant; but holding a high score pays
      nothing, zero is where nothing changes, and values are of the size of a score and not of
      ``1 / (1 - gamma)`` scores.
    - ``"add"``: ``env_reward + scale * score``
    - ``"shape"``: ``env_reward + scale * (discount * phi(s') - phi(s))`` with the score as the
      potential phi. Ng, Harada and Russell 1999 (theorem 1): the optimal policies stay those of
      the environment, if `discount` is the learner's. At a terminated step phi(s') is 0, as
      their proof asks of the absorbing state; at a truncated one it is the score, since the
      episode would have gone on.
    """

    mode: str = "replace"  # one of `RewardMode`
    scale: float = 1.0  # reward units per unit of score
    discount: float = 0.99  # in [0, 1]; read by "shape" alone

    def __post_init__(self) -> None:
        if self.mode not in get_args(RewardMode):
            raise InvalidValueError(
                f"mode={self.mode!r}; choose one of {list(get_args(RewardMode))}."
            )
        if not 0.0 <= self.discount <= 1.0:
            raise InvalidValueError(f"discount={self.discount}; expected a number in [0, 1].")

    @property
    def compares_steps(self) -> bool:
        """Whether a reward reads the score before the step as well, also after a reset."""
        return self.mode in ("progress", "shape")

    def check(self, source: RewardSource) -> None:
        """Refuse a source that cannot be used in this mode.

        Raises:
            ValueError: a change of score is asked of a source that has none before the end of an
                episode.
        """
        if self.compares_steps and source.needs.granularity == "episode":
            raise InvalidValueError(
                f"mode={self.mode!r} needs a score at every step and {type(source).__name__} "
                "scores whole episodes; use mode='add' or 'replace'."
            )

    def __call__(
        self,
        env_rewards: Float64[np.ndarray, " N"],
        scores: Float64[np.ndarray, " N"],
        scores_before: Float64[np.ndarray, " N"],
        terminated: Bool[np.ndarray, " N"],
    ) -> Float64[np.ndarray, " N"]:
        """Rewards of N environments that took one step."""
        if self.mode == "replace":
            return self.scale * scores
        if self.mode == "progress":
            return np.asarray(self.scale * (scores - scores_before))
        if self.mode == "add":
            return env_rewards + self.scale * scores
        potential = np.where(terminated, 0.0, scores)
        return np.asarray(env_rewards + self.scale * (self.discount * potential - scores_before))
