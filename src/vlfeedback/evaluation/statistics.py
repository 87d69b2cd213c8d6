"""Means with 95 % intervals, over repeats and over seeds, and paired differences."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from jaxtyping import Float, Float64
from scipy.special import stdtrit
from scipy.stats import trim_mean

from vlfeedback.errors import ShapeError

__all__ = [
    "Estimate",
    "bootstrap_interval",
    "interquartile_mean",
    "mean_interval",
    "paired_difference",
    "wilson_interval",
]

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
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[~np.isnan(numbers)]
    n = len(numbers)
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    mean = float(numbers.mean())
    if n == 1:
        return Estimate(mean, math.nan, math.nan, 1)
    half = float(stdtrit(n - 1, _UPPER) * numbers.std(ddof=1) / math.sqrt(n))
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


def interquartile_mean(scores: Float[np.ndarray, "..."], axis: int | None = None) -> Any:
    """Mean of the middle half of the scores: of all of them, or along one axis.

    A quarter of the number of scores, rounded down, is cut off at each end.

    Source: Agarwal et al. 2021, "Deep RL at the edge of the statistical precipice", section 4.3;
    their code takes scipy's `trim_mean` of all runs and tasks.

    >>> print(interquartile_mean(np.array([0.0, 1.0, 3.0, 100.0])))
    2.0
    """
    return trim_mean(scores, proportiontocut=0.25, axis=axis)


def bootstrap_interval(
    scores: Float[np.ndarray, "S K"],
    statistic: Callable[..., Any],
    *,
    rng: np.random.Generator,
    n_resamples: int = 2000,
) -> tuple[float, float]:
    """95 % percentile interval of a statistic over S seeds of K tasks, by stratified bootstrap.

    The seeds of each task are drawn with replacement, independently of other tasks. With few
    seeds intervals are too narrow.

    Args:
        scores: a row for each seed, a column for each task.
        statistic: called as ``statistic(array, axis=1)`` with all scores of a resample in a
            row, such as `interquartile_mean` or `np.mean`.
        rng: source of randomness.
        n_resamples: as in the paper's code for intervals of figures.

    Returns:
        Lower and upper end; both the statistic itself where there is one seed.

    Source: Agarwal et al. 2021, section 4.1.
    """
    n_seeds, n_tasks = scores.shape
    rows = rng.integers(n_seeds, size=(n_resamples, n_seeds, n_tasks))
    resamples: Float64[np.ndarray, "B S K"] = scores[rows, np.arange(n_tasks)]
    low, high = np.quantile(
        statistic(resamples.reshape(n_resamples, -1), axis=1), [1 - _UPPER, _UPPER]
    )
    return float(low), float(high)
