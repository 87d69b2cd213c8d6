"""Corrections of probabilities of preference by answers of somebody who is trusted more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Float64
from scipy.optimize import isotonic_regression, minimize_scalar
from scipy.special import expit, logit

from vlfeedback.errors import InvalidValueError, ShapeError

__all__ = ["Isotonic", "Recalibration", "Temperature", "fit_isotonic", "fit_temperature"]

_SURE = 1e-6  # probabilities of 0 and 1 have no logit; they are taken to be this far from it
_LARGEST = 1000.0  # temperature, and the inverse of the smallest


@dataclass(frozen=True, slots=True)
class Temperature:
    """Log-odds divided by one number.

    Attributes:
        temperature: > 0; above 1 makes less sure, below 1 surer.

    >>> print(Temperature(2.0)(np.array([0.5, 0.9])).round(3))  # log(9) / 2 = log(3)
    [0.5  0.75]
    """

    temperature: float

    def __call__(self, probability: Float[np.ndarray, " N"]) -> Float64[np.ndarray, " N"]:
        """The corrected probabilities."""
        return np.asarray(expit(_log_odds(probability) / self.temperature))


@dataclass(frozen=True, slots=True, eq=False)
class Isotonic:
    """How often answers of each confidence are right, a function that never falls.

    Attributes:
        confidence: (K,) where it is known, ascending, in [0.5, 1]; between them it is a line.
        accuracy: (K,) there, in [0.5, 1].
    """

    confidence: Float64[np.ndarray, " K"]
    accuracy: Float64[np.ndarray, " K"]

    def __call__(self, probability: Float[np.ndarray, " N"]) -> Float64[np.ndarray, " N"]:
        """The corrected probabilities."""
        p = np.asarray(probability, dtype=np.float64)
        right = np.interp(np.maximum(p, 1 - p), self.confidence, self.accuracy)
        return np.asarray(0.5 + np.sign(p - 0.5) * (right - 0.5))


Recalibration: TypeAlias = Temperature | Isotonic
"""A function of P[second preferred] that gives another one, and prefers the same side."""


def fit_temperature(
    probability: Float[np.ndarray, " N"], trusted: Float[np.ndarray, " N"]
) -> Temperature:
    """The temperature under which the trusted answers are likeliest.

    Args:
        probability: P[second preferred] that is to be corrected, in [0, 1].
        trusted: the same of somebody who is believed; 0.5 says nothing and does not count.

    Raises:
        InvalidValueError: nothing counts.
        ShapeError: different numbers of them.

    Source: Guo et al. 2017, "On calibration of modern neural networks", section 4.2.
    """
    p, y = _ordered(probability, trusted)
    logits = _log_odds(p)

    def loss(log_scale: float) -> float:
        gap = np.exp(log_scale) * logits
        return float(np.mean(np.logaddexp(0.0, gap) - y * gap))

    ends = (-np.log(_LARGEST), np.log(_LARGEST))
    found = minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-6})
    return Temperature(float(np.exp(-found.x)))


def fit_isotonic(
    probability: Float[np.ndarray, " N"], trusted: Float[np.ndarray, " N"]
) -> Isotonic:
    """Accuracy by confidence, by the least squares of all functions that do not fall.

    It never says that the other side is likelier: accuracies below a half become a half. The
    arguments and errors are those of `fit_temperature`. It needs more answers than that: below
    some hundreds it follows chance.

    Source: Zadrozny and Elkan 2002, "Transforming classifier scores into accurate multiclass
    probability estimates", section 3; for preferences folded at 0.5, our choice.
    """
    p, y = _ordered(probability, trusted)
    confidence, place = np.unique(np.maximum(p, 1 - p), return_inverse=True)
    counts = np.bincount(place)
    right = np.bincount(place, weights=np.where(p < 0.5, 1 - y, y)) / counts
    fitted = isotonic_regression(right, weights=counts.astype(np.float64)).x
    return Isotonic(confidence, np.maximum(fitted, 0.5))


def _ordered(
    probability: Float[np.ndarray, " N"], trusted: Float[np.ndarray, " N"]
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Those that somebody who is believed has ordered."""
    if len(probability) != len(trusted):
        raise ShapeError(
            f"{len(probability)} probabilities and {len(trusted)} trusted ones; expected as many."
        )
    counts = trusted != 0.5
    if not counts.any():
        raise InvalidValueError(
            f"None of {len(trusted)} trusted answers prefers a side; expected at least one that "
            "is not 0.5."
        )
    return probability[counts].astype(np.float64), trusted[counts].astype(np.float64)


def _log_odds(probability: Float[np.ndarray, " N"]) -> Float64[np.ndarray, " N"]:
    return np.asarray(logit(np.clip(probability.astype(np.float64), _SURE, 1 - _SURE)))
