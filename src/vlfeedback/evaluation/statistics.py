"""Means with 95 % intervals, and paired differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Float
from scipy.special import stdtrit

from vlfeedback.errors import ShapeError

__all__ = ["Estimate", "mean_interval", "paired_difference", "wilson_interval"]

_COVERAGE = 0.95
_UPPER = 0.5 + _COVERAGE / 2


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its 95 % interval."""

    mean: float
    low: float  # NaN where one value alone gives no interval
    high: float
    n: int  # values behind the mean

    @property
    def is_above_zero(self) -> bool:
        """Whether the whole interval is: as a difference, "beats it by more than its interval"."""
        return self.low > 0


def mean_interval(values: Sequence[float] | Float[np.ndarray, " N"]) -> Estimate:
    """Mean of independent values with Student's t interval; NaNs do not count.

    Source: the textbook's mean ± t(0.975, n - 1) s / √n.
    """
    given = np.asarray(values, dtype=np.float64)
    given = given[~np.isnan(given)]
    n = len(given)
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    mean = float(given.mean())
    if n == 1:
        return Estimate(mean, math.nan, math.nan, 1)
    half = float(stdtrit(n - 1, _UPPER) * given.std(ddof=1) / math.sqrt(n))
    return Estimate(mean, mean - half, mean + half, n)


def wilson_interval(share: float, n: int) -> Estimate:
    """A share of `n` trials with Wilson's score interval.

    Args:
        share: in [0, 1]; ties that count half are allowed.
        n: trials, taken as independent. Pairs drawn from few trajectories are not quite, so
            the true interval is somewhat wider.

    Source: Wilson 1927.

    >>> estimate = wilson_interval(0.9, 100)
    >>> round(estimate.low, 4), round(estimate.high, 4)
    (0.8256, 0.9448)
    """
    if n == 0 or math.isnan(share):
        return Estimate(math.nan, math.nan, math.nan, 0)
    z2 = NormalDist().inv_cdf(_UPPER) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    return Estimate(share, max(0.0, centre - half), min(1.0, centre + half), n)


def paired_difference(
    ours: Sequence[float] | Float[np.ndarray, " N"],
    theirs: Sequence[float] | Float[np.ndarray, " N"],
) -> Estimate:
    """Mean of ours minus theirs over the same repeats (or pairs), with Student's t interval.

    Raises:
        ShapeError: different numbers of values.
    """
    if len(ours) != len(theirs):
        raise ShapeError(f"{len(ours)} of our values and {len(theirs)} of theirs; expected pairs.")
    return mean_interval(np.asarray(ours, np.float64) - np.asarray(theirs, np.float64))
