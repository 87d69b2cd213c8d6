"""How often two labellers agree."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from vlfeedback.errors import ShapeError
from vlfeedback.types import PreferenceLabels

__all__ = ["agreement", "label_accuracy", "sides"]


def sides(labels: PreferenceLabels) -> Float64[np.ndarray, " N"]:
    """Which side each label prefers: -1 the first, 1 the second, 0 a tie or no answer."""
    preferred = np.sign(labels.prefer_second.astype(np.float64) - 0.5)
    return np.where(labels.answered, preferred, 0.0)


def agreement(labels: PreferenceLabels, truth: PreferenceLabels) -> Float64[np.ndarray, " n"]:
    """For each pair that `truth` orders: 1 labelled alike, 0 the other way round.

    A tie or no answer where `truth` has an order is half right, 0.5, as guessing would be.

    Raises:
        ShapeError: different numbers of labels.
    """
    if len(labels) != len(truth):
        raise ShapeError(f"{len(labels)} labels and {len(truth)} true ones; expected as many.")
    true_sides = sides(truth)
    ordered = true_sides != 0
    return np.asarray(0.5 + 0.5 * sides(labels)[ordered] * true_sides[ordered])


def label_accuracy(labels: PreferenceLabels, truth: PreferenceLabels) -> float:
    """Share of pairs labelled like `truth`; pairs without a true order do not count.

    A tie or a refusal where `truth` has an order is half right, as guessing would be.

    Returns:
        In [0, 1]; 0.5 is chance. NaN where `truth` orders no pair.

    Raises:
        ShapeError: different numbers of labels.

    Source: VLP paper, appendix B, Table 15 (which is silent on ties).
    """
    agreements = agreement(labels, truth)
    return float(np.mean(agreements)) if len(agreements) else float("nan")
