"""Intervals of figures over segments and pairs of segments, which come from few episodes.

Segments of one episode are alike, so an interval over segments would be too narrow. Whole episodes
are drawn with replacement instead, and what belongs to both of two drawn things (a pair of
episodes, an episode and a sentence) counts as often as the product of their draws.

Source: Owen 2007, "The pigeonhole bootstrap", for pairs; Efron's percentile interval.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from vlfeedback.evaluation.statistics import Estimate

__all__ = [
    "Bootstrap",
    "Resampled",
    "combine",
    "estimate_mean",
    "estimate_mean_of_groups",
    "estimate_statistic",
    "resample_mean",
]

_QUANTILES = (0.025, 0.975)


class Bootstrap:
    """How often each member is drawn in each of B resamples of its own stratum.

    Args:
        stratum_of: the members, such as episodes, and of each its stratum, such as its level: a
            resample has as many of every stratum as there are.
        rng: source of randomness.
        n_resamples: B.
    """

    def __init__(
        self,
        stratum_of: Mapping[Any, Hashable],
        *,
        rng: np.random.Generator,
        n_resamples: int = 1000,
    ) -> None:
        members = list(stratum_of)
        self._column = {member: k for k, member in enumerate(members)}
        self._counts = np.zeros((n_resamples, len(members)), dtype=np.int64)
        for stratum in dict.fromkeys(stratum_of.values()):
            columns = [k for k, member in enumerate(members) if stratum_of[member] == stratum]
            shares = np.full(len(columns), 1 / len(columns))
            self._counts[:, columns] = rng.multinomial(len(columns), shares, size=n_resamples)

    def weights(self, members: Sequence[Hashable]) -> Int64[np.ndarray, "B N"]:
        """How often each of N things is drawn that belong to one member each."""
        return self._counts[:, [self._column[member] for member in members]]

    def pair_weights(
        self, first: Sequence[Hashable], second: Sequence[Hashable]
    ) -> Int64[np.ndarray, "B N"]:
        """How often each of N things is drawn that belong to two members each."""
        ours, theirs = self.weights(first), self.weights(second)
        same = np.array([a == b for a, b in zip(first, second, strict=True)], dtype=bool)
        return np.where(same, ours, ours * theirs)


@dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """A figure and what it is in each resample, to be combined with others before an interval.

    Attributes:
        value: NaN where it is not defined.
        draws: (B,), one a resample; NaN where it is not defined there.
        n: values behind it.
    """

    value: float
    draws: Float64[np.ndarray, " B"]
    n: int

    @property
    def estimate(self) -> Estimate:
        """With its 95 % interval."""
        return _estimate(self.value, self.draws[~np.isnan(self.draws)], self.n)


def combine(
    function: Callable[..., Float64[np.ndarray, " B"]], *figures: Resampled, n: int | None = None
) -> Resampled:
    """A function of several figures, resample by resample.

    Of figures on the same episodes, drawn by the same `Bootstrap`, this pairs them; figures of
    other episodes must come from a bootstrap with another random stream.

    Args:
        function: of as many arrays, element by element.
        figures: of as many resamples.
        n: how many values the figure reports; default: the sum of theirs.
    """
    value = function(*(np.array([figure.value]) for figure in figures))
    draws = function(*(figure.draws for figure in figures))
    count = sum(figure.n for figure in figures) if n is None else n
    return Resampled(float(value[0]), np.asarray(draws), count)


def resample_mean(
    values: Float64[np.ndarray, " N"], weights: Int64[np.ndarray, "B N"], *, n: int | None = None
) -> Resampled:
    """Mean of the values that are no NaN.

    Args:
        values: of each of N things.
        weights: how often each is drawn in each resample.
        n: how many values the figure reports; default: those that are no NaN.
    """
    defined = ~np.isnan(values)
    values, weights = values[defined], weights[:, defined]
    total = weights.sum(axis=1)
    draws = np.full(len(weights), np.nan)
    np.divide(weights @ values, total, out=draws, where=total > 0)
    mean = float(values.mean()) if len(values) else np.nan
    return Resampled(mean, draws, len(values) if n is None else n)


def estimate_mean(
    values: Float64[np.ndarray, " N"], weights: Int64[np.ndarray, "B N"], *, n: int | None = None
) -> Estimate:
    """Mean with its 95 % bootstrap interval; NaN where there are no values.

    Args:
        values: of each of N things.
        weights: how often each is drawn in each resample.
        n: how many values the estimate reports; default: N.
    """
    count = len(values) if n is None else n
    if not len(values):
        return Estimate(np.nan, np.nan, np.nan, count)
    total = weights.sum(axis=1)
    estimates = (weights @ values)[total > 0] / total[total > 0]
    return _estimate(float(values.mean()), estimates, count)


def estimate_mean_of_groups(
    values: Float64[np.ndarray, " N"],
    weights: Int64[np.ndarray, "B N"],
    groups: Sequence[Hashable],
) -> Estimate:
    """Mean over groups of each group's mean, with its 95 % bootstrap interval; NaN without values.

    Args:
        values: of each of N things.
        weights: how often each is drawn in each resample.
        groups: that each thing is of; a resample without any thing of a group does without it.
    """
    if not len(values):
        return Estimate(np.nan, np.nan, np.nan, 0)
    names = list(dict.fromkeys(groups))
    places = np.array([names.index(group) for group in groups])
    member = (places[:, None] == np.arange(len(names))).astype(np.float64)  # (N, G)
    totals = weights @ member
    sums = (weights * values) @ member
    means = np.divide(sums, totals, out=np.full_like(sums, np.nan), where=totals > 0)
    drawn = (totals > 0).any(axis=1)
    value = float(np.mean([values[places == k].mean() for k in range(len(names))]))
    return _estimate(value, np.nanmean(means[drawn], axis=1), len(values))


def estimate_statistic(
    statistic: Callable[[Int64[np.ndarray, " M"]], float], weights: Int64[np.ndarray, "B N"]
) -> Estimate:
    """Any statistic with its 95 % bootstrap interval.

    Args:
        statistic: called with indices into the N things, repeated as they were drawn; NaN where it
            is not defined, which counts in no interval.
        weights: how often each thing is drawn in each resample.
    """
    places = np.arange(weights.shape[1])
    estimates = np.array([statistic(np.repeat(places, row)) for row in weights], dtype=np.float64)
    return _estimate(statistic(places), estimates[~np.isnan(estimates)], len(places))


def _estimate(value: float, estimates: Float64[np.ndarray, " R"], n: int) -> Estimate:
    if not len(estimates):
        return Estimate(value, np.nan, np.nan, n)
    low, high = np.quantile(estimates, _QUANTILES)
    return Estimate(value, float(low), float(high), n)
