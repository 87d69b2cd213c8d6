"""RIME: which labels a reward model trusts, which it turns round, and which it leaves for later.

Paper:    Cheng et al. 2024, "RIME"; code read: CJReinforce/RIME_ICML2024, reward_model_RIME.py
Recipe:   before each pass over the labels
          1 KL of a label and of what the ensemble predicts: its cross entropy, which is the same
            for labels of 0 and 1;
          2 tau_low = -ln(rho + 1e-8) + alpha rho + min(beta_t s^2, 3), rho a running mean of the
            largest KL of the trusted, s^2 the variance of theirs; tau_up = -ln(0.001);
          3 below tau_low a label is trusted, above tau_up it is turned round for this pass; what
            lies between is left out of it.
Differs:  ties are never turned round, and where both bounds hold a label is turned round (the
          code lists it twice). Labels that are certain, such as a person's, are always trusted.
Source of the defaults: the scripts of the code, run_parallel.sh; its config says others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64
from scipy.special import expit

from vlfeedback.errors import InvalidValueError

__all__ = ["RIMEConfig", "RIMEFilter", "Trust", "label_divergence"]

_SMALL = 1e-8
_LARGEST_SLACK = 3.0
_MOMENTUM = 0.1


@dataclass(frozen=True, slots=True)
class RIMEConfig:
    """Bounds of trust.

    Attributes:
        alpha: of rho in the lower bound.
        beta_start: weight of the variance in the first pass.
        beta_end: least weight.
        beta_passes: passes, of all sessions, after which it is the least; 60 for the DeepMind
            control suite.
        flip_probability: labels that the ensemble gives less than this are turned round.
        least_passes: of a session, before accuracy may end it; 15 for the control suite.

    Raises:
        ValueError: a number is out of its range.
    """

    alpha: float = 0.5
    beta_start: float = 3.0
    beta_end: float = 1.0
    beta_passes: int = 600
    flip_probability: float = 0.001
    least_passes: int = 5

    def __post_init__(self) -> None:
        if not 0 < self.flip_probability < 0.5:
            raise InvalidValueError(
                f"flip_probability={self.flip_probability}; expected a number in (0, 0.5)."
            )
        if self.beta_passes < 1 or self.beta_end > self.beta_start:
            raise InvalidValueError(
                f"beta_passes={self.beta_passes}, beta_start={self.beta_start} and beta_end="
                f"{self.beta_end}; expected at least one pass, and a weight that falls."
            )

    @property
    def upper(self) -> float:
        """tau_up, in nats."""
        return -math.log(self.flip_probability)

    def beta(self, n_passes: int) -> float:
        """Weight of the variance after so many passes."""
        slope = (self.beta_start - self.beta_end) / self.beta_passes
        return max(self.beta_end, self.beta_start - slope * n_passes)


class Trust(NamedTuple):
    """What becomes of each label in a pass; one that is neither is left out."""

    trusted: Bool[np.ndarray, " N"]
    flipped: Bool[np.ndarray, " N"]

    @property
    def uncertain(self) -> Bool[np.ndarray, " N"]:
        """Neither: what a person might be asked about."""
        return np.asarray(~(self.trusted | self.flipped))


def label_divergence(
    member_logits: Float[np.ndarray, "K N"], prefer_second: Float32[np.ndarray, " N"]
) -> Float64[np.ndarray, " N"]:
    """-sum_c y_c ln P_c of each label, P the mean over members of what they predict; in nats."""
    second = expit(member_logits.astype(np.float64)).mean(axis=0)
    first = expit(-member_logits.astype(np.float64)).mean(axis=0)
    logs = np.log(np.maximum([first, second], np.finfo(np.float64).tiny))
    return np.asarray(-((1 - prefer_second) * logs[0] + prefer_second * logs[1]))


class RIMEFilter:
    """Judges labels before each pass, and remembers what the trusted ones looked like.

    Args:
        config: bounds.
    """

    def __init__(self, config: RIMEConfig | None = None) -> None:
        self.config = config or RIMEConfig()
        self.n_passes = 0
        self._largest = 0.0  # rho
        self._count, self._mean, self._squares = 0, 0.0, 0.0

    @property
    def lower(self) -> float:
        """tau_low, in nats: 18.4 before the first pass, so that all labels are trusted."""
        variance = self._squares / self._count if self._count else 0.0
        slack = min(self.config.beta(self.n_passes) * variance, _LARGEST_SLACK)
        return -math.log(self._largest + _SMALL) + self.config.alpha * self._largest + slack

    def judge(
        self,
        member_logits: Float[np.ndarray, "K N"],
        prefer_second: Float32[np.ndarray, " N"],
        certain: Bool[np.ndarray, " N"],
    ) -> Trust:
        """What to do with these labels; nothing is remembered of it.

        Args:
            member_logits: of P(second preferred), by each of K members.
            prefer_second: the labels.
            certain: labels that are trusted in any case.
        """
        divergence = label_divergence(member_logits, prefer_second)
        flipped = (divergence > self.config.upper) & (prefer_second != 0.5) & ~certain
        return Trust(certain | ((divergence < self.lower) & ~flipped), flipped)

    def begin_pass(
        self,
        member_logits: Float[np.ndarray, "K N"],
        prefer_second: Float32[np.ndarray, " N"],
        certain: Bool[np.ndarray, " N"],
    ) -> Trust:
        """The same for the pass that comes; the bounds follow the trusted."""
        trust = self.judge(member_logits, prefer_second, certain)
        divergence = label_divergence(member_logits, prefer_second)[trust.trusted]
        if len(divergence):
            self._largest += _MOMENTUM * (float(divergence.max()) - self._largest)
            self._count_in(divergence)
        self.n_passes += 1
        return trust

    def state(self) -> dict[str, Any]:
        """What is remembered; JSON values."""
        return {
            "n_passes": self.n_passes,
            "largest": self._largest,
            "moments": [self._count, self._mean, self._squares],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a `state`."""
        self.n_passes, self._largest = int(state["n_passes"]), float(state["largest"])
        self._count, self._mean, self._squares = state["moments"]

    def _count_in(self, divergence: np.ndarray) -> None:
        """Merge the moments of a batch into those before it (Chan et al. 1983)."""
        n, mean = len(divergence), float(divergence.mean())
        gap, total = mean - self._mean, self._count + n
        self._squares += float(((divergence - mean) ** 2).sum())
        self._squares += gap**2 * self._count * n / total
        self._mean += gap * n / total
        self._count = total
