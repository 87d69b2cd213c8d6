"""Calibration of preference probabilities, and accuracy by how far two returns lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

__all__ = [
    "Bin",
    "accuracy_by_gap",
    "brier_score",
    "expected_calibration_error",
    "preference_probability",
    "quantile_bin",
    "reliability_bins",
]


@dataclass(frozen=True, slots=True)
class Bin:
    """Pairs of like confidence, or of like difficulty."""

    low: float  # edges
    high: float
    n: int  # pairs in it
    mean: float  # of what was binned; NaN where empty
    accuracy: float  # share that is right; NaN where empty


def preference_probability(
    score_gap: Float[np.ndarray, "*N"], log_odds_scale: float
) -> Float[np.ndarray, "*N"]:
    """P[second preferred] = sigmoid(scale * (score of the second - score of the first)).

    Source: VLP paper, equation 3 (Bradley and Terry 1952).
    """
    # tanh does not overflow where exp does.
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * log_odds_scale * score_gap))


def reliability_bins(
    probability: Float[np.ndarray, " N"], prefer_second: Float[np.ndarray, " N"], n_bins: int = 10
) -> list[Bin]:
    """Confidence against accuracy, in bins of equal width from 0.5 to 1.

    Confidence is the probability of the side that was chosen, so that it does not matter which
    segment of a pair comes first. A confidence of exactly 0.5 is half right.

    Args:
        probability: P[second preferred], in [0, 1].
        prefer_second: the truth; pairs at 0.5 have no order and do not count.
        n_bins: how many (10 is our choice).

    Source: Guo et al. 2017, "On calibration of modern neural networks", section 2.
    """
    ordered = prefer_second != 0.5
    p, y = probability[ordered], prefer_second[ordered]
    confidence = np.maximum(p, 1 - p)
    right = 0.5 + 0.5 * np.sign(p - 0.5) * np.sign(y - 0.5)
    edges = np.linspace(0.5, 1.0, n_bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="right") - 1, 0, n_bins - 1)
    return [
        _bin(edges[k], edges[k + 1], confidence[place == k], right[place == k])
        for k in range(n_bins)
    ]


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """Mean gap of confidence and accuracy, bins weighted by their pairs; in [0, 0.5], 0 is best.

    Source: Guo et al. 2017, equation 3.
    """
    total = sum(b.n for b in bins)
    if total == 0:
        return float("nan")
    return sum(b.n * abs(b.accuracy - b.mean) for b in bins if b.n) / total


def brier_score(
    probability: Float[np.ndarray, " N"], prefer_second: Float[np.ndarray, " N"]
) -> float:
    """Mean squared error of the probabilities; 0.25 is what always saying 0.5 gets, 0 is best.

    Source: Brier 1950. Pairs without a true order do not count.
    """
    ordered = prefer_second != 0.5
    if not ordered.any():
        return float("nan")
    return float(np.mean((probability[ordered] - prefer_second[ordered]) ** 2))


def quantile_bin(gap: Float[np.ndarray, " N"], n_bins: int) -> Int64[np.ndarray, " N"]:
    """Which of `n_bins` equally full bins each gap falls in, 0 the smallest gaps.

    Equal gaps fall in the same bin, so bins may be uneven where gaps repeat.
    """
    edges = np.quantile(gap, np.linspace(0, 1, n_bins + 1)[1:-1]) if len(gap) else np.empty(0)
    return np.asarray(np.searchsorted(edges, gap, side="left"), dtype=np.int64)


def accuracy_by_gap(
    tasks: Sequence[tuple[Float[np.ndarray, " _"], Float[np.ndarray, " _"]]], n_bins: int = 4
) -> list[Bin]:
    """Accuracy where the two returns are alike, and where they are far apart.

    Args:
        tasks: for each task ``(gap, right)``: |return of the second - return of the first|, and
            1 where the label is right, 0 where it is wrong, 0.5 for a tie. Pairs of equal
            returns have no order; leave them out.
        n_bins: quantile bins, formed within each task, because tasks pay rewards on scales of
            their own (4 is our choice).

    Returns:
        From the smallest gaps to the largest. Edges are quantiles in [0, 1]; `mean` is the mean
        gap in units of the task's largest gap.
    """
    parts = []
    for gap, right in tasks:
        if len(gap):
            parts.append((quantile_bin(gap, n_bins), gap / max(gap.max(), 1e-12), right))
    if not parts:
        return []
    place, size, right = (np.concatenate(column) for column in zip(*parts, strict=True))
    return [
        _bin(k / n_bins, (k + 1) / n_bins, size[place == k], right[place == k])
        for k in range(n_bins)
    ]


def _bin(
    low: float, high: float, binned: Float[np.ndarray, " n"], right: Float[np.ndarray, " n"]
) -> Bin:
    if not len(binned):
        return Bin(float(low), float(high), 0, float("nan"), float("nan"))
    return Bin(float(low), float(high), len(binned), float(binned.mean()), float(right.mean()))
