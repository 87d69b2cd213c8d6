"""Does it matter to a labeller which segment it is shown first?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlfeedback.errors import ShapeError
from vlfeedback.evaluation.statistics import Estimate, wilson_interval
from vlfeedback.preferences.accuracy import sides
from vlfeedback.types import PreferenceLabels

__all__ = ["OrderBias", "order_bias"]


@dataclass(frozen=True, slots=True)
class OrderBias:
    """How a labeller's answers depend on the order of a pair, of pairs it decides in both orders.

    Attributes:
        consistency: share of these pairs of which it prefers the same segment in both orders, in
            [0, 1]; guessing is 0.5.
        bias: share of its answers that name what it is shown first, less a half, in [-0.5, 0.5]:
            0.5 always the first, -0.5 always the second.
    """

    consistency: Estimate
    bias: Estimate


def order_bias(forwards: PreferenceLabels, backwards: PreferenceLabels) -> OrderBias:
    """Compare the labels of N pairs with those of the same pairs in the other order.

    Ties, and whatever is not answered, decide nothing. The intervals are Wilson's for 95 %; that of
    the bias takes the two answers about a pair as independent, and is too wide where they agree.

    Args:
        forwards: labels of the pairs.
        backwards: labels of ``SegmentPairs(pairs.second, pairs.first)``, of the same labeller with
            `both_orders` off.

    Raises:
        ShapeError: different numbers of labels.

    >>> forwards = PreferenceLabels(np.float32([0, 0, 1, 0]), np.ones(4, bool))
    >>> backwards = PreferenceLabels(np.float32([1, 0, 0, 0]), np.ones(4, bool))
    >>> found = order_bias(forwards, backwards)
    >>> found.consistency.mean, found.bias.mean
    (0.5, 0.25)
    """
    if len(forwards) != len(backwards):
        raise ShapeError(
            f"{len(forwards)} labels forwards and {len(backwards)} backwards; expected as many."
        )
    forwards_sides, backwards_sides = sides(forwards), sides(backwards)
    decided = (forwards_sides != 0) & (backwards_sides != 0)
    said = np.stack([forwards_sides[decided], backwards_sides[decided]])
    n = int(decided.sum())
    consistent = float(np.mean(said[0] == -said[1])) if n else float("nan")
    first = wilson_interval(float(np.mean(said == -1)) if n else float("nan"), 2 * n)
    bias = Estimate(first.mean - 0.5, first.low - 0.5, first.high - 0.5, first.n)
    return OrderBias(wilson_interval(consistent, n), bias)
