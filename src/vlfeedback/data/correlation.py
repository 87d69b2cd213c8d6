"""Correlation of two columns of numbers, and what it is where one of them is constant."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from scipy.stats import rankdata

__all__ = ["pearson", "spearman"]

_CONSTANT = 1e-12  # product of the two root sums of squares, up to which a column is constant


def pearson(
    x: Float64[np.ndarray, " N"], y: Float64[np.ndarray, " N"], *, if_constant: float
) -> float:
    """Pearson's coefficient in [-1, 1].

    Args:
        x: N numbers.
        y: as many.
        if_constant: the answer where `x` or `y` is constant. NaN where the figure is a property of
            both columns, and so is not defined; 0.0 where the question is whether `x` orders
            `y`, which a constant does not.

    Returns:
        NaN for fewer than 2 values.
    """
    if len(x) < 2:
        return float("nan")
    x, y = x - x.mean(), y - y.mean()
    spread = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / spread if spread > _CONSTANT else if_constant


def spearman(
    x: Float64[np.ndarray, " N"], y: Float64[np.ndarray, " N"], *, if_constant: float
) -> float:
    """Pearson's coefficient of ranks, equal values sharing their mean rank; see `pearson`.

    >>> spearman(np.array([1.0, 2.0, 9.0]), np.array([0.1, 0.3, 0.2]), if_constant=0.0)
    0.5
    """
    return pearson(rankdata(x), rankdata(y), if_constant=if_constant)
