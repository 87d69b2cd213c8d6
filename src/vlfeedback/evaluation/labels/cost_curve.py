"""Accuracy against cost: a cheap labeller, and an expensive one for some of the pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from vlfeedback.errors import ShapeError
from vlfeedback.evaluation.statistics import Estimate, wilson_interval
from vlfeedback.preferences.accuracy import agreement, sides
from vlfeedback.types import PreferenceLabels

__all__ = ["CostCurve", "accuracy_by_labeller", "cost_curve"]


@dataclass(frozen=True, slots=True, eq=False)
class CostCurve:
    """Accuracy with 0, 1, ... N answers of an expensive labeller, of N pairs; all in [0, 1].

    Attributes:
        least_sure_first: (N + 1,) it is asked where the cheap one is least sure.
        at_random: (N + 1,) it is asked about pairs drawn at random; the mean over all draws.
        expensive_only: (N + 1,) so too, and the other pairs have no label, which is half right.
    """

    least_sure_first: Float64[np.ndarray, " M"]
    at_random: Float64[np.ndarray, " M"]
    expensive_only: Float64[np.ndarray, " M"]

    def answers_for(self, accuracy: float) -> tuple[int | None, int | None, int | None]:
        """How many answers each needs for this accuracy, in the order above; None: never."""
        curves = (self.least_sure_first, self.at_random, self.expensive_only)
        reached = [np.flatnonzero(curve >= accuracy - 1e-12) for curve in curves]
        first, second, third = (int(r[0]) if len(r) else None for r in reached)
        return first, second, third


def cost_curve(
    cheap: PreferenceLabels, expensive: PreferenceLabels, truth: PreferenceLabels, *, seed: int = 0
) -> CostCurve:
    """How accurate a cascade of two is, for every number of pairs that may go on.

    Pairs that the truth does not order count nowhere, but cost an answer like any other. A tie or
    no answer where it does is half right, as guessing would be; a pair that the expensive labeller
    does not answer keeps the cheap one's answer.

    Args:
        cheap: N labels, best with probabilities.
        expensive: of the same pairs.
        truth: of the same pairs.
        seed: of the order of pairs of which the cheap labeller is equally sure.

    Raises:
        ShapeError: different numbers of labels, or the truth orders none.
    """
    n, ordered = len(cheap), sides(truth) != 0
    if not len(expensive) == len(truth) == n or not ordered.any():
        raise ShapeError(
            f"{n} cheap labels, {len(expensive)} expensive and {len(truth)} true ones, "
            f"{ordered.sum()} of them with an order; expected as many of each, and some with one."
        )
    cheap_right, expensive_right = np.zeros(n), np.zeros(n)
    cheap_right[ordered] = agreement(cheap, truth)
    expensive_right[ordered] = agreement(expensive, truth)
    gain = np.where(expensive.answered, expensive_right - cheap_right, 0.0)
    order = np.random.default_rng(seed).permutation(n)
    order = order[np.argsort(cheap.confidence[order], kind="stable")]
    share = np.linspace(0, 1, n + 1)
    start, n_ordered = cheap_right.sum(), int(ordered.sum())
    guess = 0.5 * n_ordered
    return CostCurve(
        (start + np.concatenate([[0.0], np.cumsum(gain[order])])) / n_ordered,
        (start + share * gain.sum()) / n_ordered,
        (guess + share * (expensive_right.sum() - guess)) / n_ordered,
    )


def accuracy_by_labeller(labels: PreferenceLabels, truth: PreferenceLabels) -> list[Estimate]:
    """How often each of several labellers is right where it gave the label, with 95 % intervals.

    Pairs without a true order do not count.

    Returns:
        One for each position in `PreferenceDataset.labelled_by` up to the last that gave a label.

    Raises:
        ShapeError: different numbers of labels.
    """
    right, of = agreement(labels, truth), labels.labeller[sides(truth) != 0]
    return [
        wilson_interval(
            float(right[of == k].mean()) if (of == k).any() else 0.0, int((of == k).sum())
        )
        for k in range(int(labels.labeller.max(initial=-1)) + 1)
    ]
