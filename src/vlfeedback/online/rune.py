"""RUNE: the agent also seeks what the members of its reward model disagree about.

Paper:    Liang et al. 2022, "Reward Uncertainty for Exploration in Preference-based Reinforcement
          Learning"; code read: rll-research/rune at 8b3c77a, agent/sac_explore.py
Computes: r(s, a) = mean_k r_k(s, a) + beta_t std_k r_k(s, a), beta_t = beta_0 (1 - rho)^t, over the
          K members of the ensemble; t are steps of the environment, when a batch is drawn
Differs:  the standard deviations of the whole buffer are made anew with the rewards, also where the
          ring has wrapped; exploration by entropy comes before, as in PEBBLE
"""

from __future__ import annotations

from dataclasses import dataclass

from vlfeedback.errors import InvalidValueError

__all__ = ["RUNEConfig"]


@dataclass(frozen=True, slots=True)
class RUNEConfig:
    """How much disagreement is worth.

    Attributes:
        weight: beta_0, of the standard deviation over members.
        decay: rho, share of the weight that is lost at each step.

    Raises:
        ValueError: a number is out of its range.

    Source: the code's config/agent/sac_explore.yaml, which its Meta-World scripts leave as it is.
    """

    weight: float = 0.05
    decay: float = 1e-5

    def __post_init__(self) -> None:
        if self.weight <= 0 or not 0 <= self.decay < 1:
            raise InvalidValueError(
                f"weight={self.weight} and decay={self.decay}; expected a weight above 0 and a "
                "share in [0, 1). Leave RUNE out for none."
            )

    def weight_at(self, step: int) -> float:
        """beta_t after so many steps of the environments together."""
        return self.weight * (1.0 - self.decay) ** step
