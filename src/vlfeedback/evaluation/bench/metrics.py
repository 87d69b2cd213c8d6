"""The figures of an exam, with 95 % intervals: whole tasks are drawn with replacement.

Clips of one task are alike, so an interval over clips would be too narrow. Each data set of an exam
keeps its number of tasks in a resample. With few tasks intervals are coarse.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from jaxtyping import Float64, Int64
from scipy.optimize import isotonic_regression

from vlfeedback.evaluation.diagnosis.metrics import MetricKind

__all__ = [
    "METRICS",
    "fitted_scores",
    "kendall_tau_of_tiers",
    "pair_credits",
    "scores_on_the_scale",
]

METRICS: Mapping[str, MetricKind] = MappingProxyType(
    {
        "kendall_tau": MetricKind(
            "rank of policies",
            "correlation",
            0.0,
            "Kendall's tau_a: of every way to take one clip of each tier of a task, concordant "
            "minus discordant pairs over all pairs, a tie as neither; mean over these, over tasks, "
            "and over data sets.",
        ),
        "preference_accuracy": MetricKind(
            "better of two clips",
            "%",
            0.5,
            "Share of pairs of clips of one task in which the better one is preferred.",
        ),
        "ties": MetricKind(
            "ties",
            "%",
            None,
            "Share of these pairs in which both clips score the same, or a labeller says neither.",
        ),
        "mae": MetricKind(
            "error of scores",
            "points",
            None,
            "Mean absolute error of scores from 1 to 5, of sources whose every score r lies in "
            "[0, 1]: 1 + 4 r, rounded, is what they give. Less is better.",
        ),
        "mae_of_sets": MetricKind(
            "error of scores, mean of data sets",
            "points",
            None,
            "The same, as the mean of each data set's mean.",
        ),
        "mae_fitted": MetricKind(
            "error of scores, fitted",
            "points",
            None,
            "The same of any source: what 1 to 5 its scores stand for is learnt by isotonic "
            "regression on four fifths of the tasks, and judged on the rest, five times.",
        ),
        "voc": MetricKind(
            "scores with time",
            "correlation",
            0.0,
            "Value-order correlation: Spearman's rank correlation of score and time along a clip "
            "that gets on from its beginning to its end, mean over clips; a constant counts 0.",
        ),
        "voc_pearson": MetricKind(
            "scores with time, straight",
            "correlation",
            0.0,
            "Pearson's correlation in place of Spearman's, as RBM-EVAL has it.",
        ),
    }
)
"""By name, in the order they are shown; an exam has some of them."""

_FOLDS = 5


def pair_credits(leads: Float64[np.ndarray, " P"], tie_credit: float) -> Float64[np.ndarray, " P"]:
    """What each pair counts: 1 where the better clip is preferred, 0 where the other is.

    Args:
        leads: score of the better clip minus that of the worse.
        tie_credit: 0.5 as guessing would be, 0 where a tie is wrong.

    >>> pair_credits(np.array([0.2, 0.0, -3.0]), 0.5)
    array([1. , 0.5, 0. ])
    """
    return np.where(leads > 0, 1.0, np.where(leads == 0, tie_credit, 0.0))


def kendall_tau_of_tiers(
    tiers: Int64[np.ndarray, " N"], scores: Float64[np.ndarray, " N"]
) -> float:
    """Mean tau_a over every way to take one clip of each tier; NaN where there is one tier.

    Of k tiers a ranking has k (k - 1) / 2 pairs, and each pair of clips of two tiers is in equally
    many rankings: the mean over rankings is the mean over pairs of tiers of the mean sign.

    Args:
        tiers: of N clips of one task, larger is better.
        scores: what a source gave them.

    Source: robometer at c7f38e2, ``compile_results.py``, which goes through the rankings.

    >>> kendall_tau_of_tiers(np.array([0, 1, 2]), np.array([0.1, 0.3, 0.2]))
    0.3333333333333333
    """
    by_tier = [scores[tiers == tier] for tier in np.unique(tiers)]
    signs = [
        float(np.sign(better[:, None] - worse[None]).mean())
        for worse, better in itertools.combinations(by_tier, 2)
    ]
    return float(np.mean(signs)) if signs else float("nan")


def scores_on_the_scale(scores: Float64[np.ndarray, " N"]) -> Float64[np.ndarray, " N"] | None:
    """Rewards in [0, 1] as scores 1 to 5; None where one lies outside.

    Source: RoboReward (arXiv 2601.00675), reward = (score - 1) / 4.

    >>> scores_on_the_scale(np.array([0.0, 0.3, 1.0]))
    array([1., 2., 5.])
    """
    if len(scores) and (scores.min() < 0 or scores.max() > 1):
        return None
    return np.asarray(np.rint(1 + 4 * scores))


def fitted_scores(
    scores: Float64[np.ndarray, " N"],
    truth: Float64[np.ndarray, " N"],
    tasks: Sequence[object],
    *,
    rng: np.random.Generator,
) -> Float64[np.ndarray, " N"]:
    """What 1 to 5 each score stands for, learnt on clips of other tasks: the best of any unit.

    Args:
        scores: in a source's own unit; the larger, the better.
        truth: scores of the exam, 1 to 5.
        tasks: of each clip; clips of one task are learnt from together or not at all.
        rng: source of randomness: which fifth a task is in.

    Returns:
        Whole numbers; NaN where there are fewer than two tasks, and so nothing to learn from.
    """
    names = list(dict.fromkeys(tasks))
    fitted = np.full(len(scores), np.nan)
    if len(names) < 2:
        return fitted
    fold_of = dict(zip(names, rng.permutation(len(names)) % min(_FOLDS, len(names)), strict=True))
    folds = np.array([fold_of[task] for task in tasks])
    for fold in np.unique(folds):
        known, asked = folds != fold, folds == fold
        levels, places = np.unique(scores[known], return_inverse=True)
        counts = np.bincount(places).astype(np.float64)
        means = np.bincount(places, weights=truth[known]) / counts
        steps = isotonic_regression(means, weights=counts).x
        fitted[asked] = np.rint(np.interp(scores[asked], levels, steps))
    return fitted
