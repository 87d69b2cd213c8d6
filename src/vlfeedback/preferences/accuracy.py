"""How often two labellers agree."""

from __future__ import annotations

import numpy as np

from vlfeedback.errors import ShapeError
from vlfeedback.types import PreferenceLabels

__all__ = ["label_accuracy"]


def label_accuracy(labels: PreferenceLabels, truth: PreferenceLabels) -> float:
    """Share of pairs labelled like `truth`; pairs without a true order do not count.

    A tie or a refusal where `truth` has an order is half right, as guessing would be.

    Returns:
        In [0, 1]; 0.5 is chance. NaN where `truth` orders no pair.

    Raises:
        ShapeError: different numbers of labels.

    Source: VLP paper, appendix B, Table 15 (which is silent on ties).
    """
    if len(labels) != len(truth):
        raise ShapeError(f"{len(labels)} labels and {len(truth)} true ones; expected as many.")
    ordered = truth.answered & (truth.prefer_second != 0.5)
    if not ordered.any():
        return float("nan")
    given = np.sign(labels.prefer_second[ordered] - 0.5) * labels.answered[ordered]
    wanted = np.sign(truth.prefer_second[ordered] - 0.5)
    return float(np.mean(0.5 + 0.5 * given * wanted))
