"""Labels in the shapes that people have them in: lists, columns, and a column for each segment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from vlfeedback.errors import DtypeError, ShapeError

__all__ = ["LabelRows", "label_rows"]

LabelRows = np.ndarray | Sequence[Any]
"""(N,) numbers, (N, 1), or (N, 2) with what speaks for the first segment and for the second."""

_ROUNDING = 1e-3  # by which two shares may miss 1; our choice


def label_rows(
    labels: LabelRows, *, side: Literal["first", "second"] = "second", name: str = "labels"
) -> np.ndarray:
    """One number a pair.

    Args:
        labels: N of them; of one-hot rows and of probabilities, (N, 2), one column is taken.
        side: whose column that is.
        name: for messages.

    Returns:
        (N,), of the dtype that they had.

    Raises:
        ShapeError: they are neither (N,), (N, 1) nor (N, 2), or rows of two do not add up to 1.
        DtypeError: they are no numbers.

    >>> label_rows([[1, 0], [0, 1], [0.5, 0.5]])
    array([0. , 1. , 0.5])
    """
    try:
        rows = np.asarray(labels)
    except ValueError as error:
        raise ShapeError(f"{name} is a list of rows of several lengths ({error}).") from error
    if rows.dtype.kind not in "biuf":
        raise DtypeError(f"{name} is {rows.dtype}; expected numbers, one for each pair.")
    if rows.ndim == 1:
        return rows
    if rows.ndim != 2 or rows.shape[1] not in (1, 2):
        raise ShapeError(
            f"{name} has shape {rows.shape}; expected (N,), (N, 1), or (N, 2) with a column for "
            "each of the two segments."
        )
    if rows.shape[1] == 1:
        return rows[:, 0]
    invalid = np.flatnonzero(~(np.abs(rows.sum(axis=1, dtype=np.float64) - 1) <= _ROUNDING))
    if len(invalid):
        raise ShapeError(
            f"{name} has shape {rows.shape} and row {invalid[0]} is {rows[invalid[0]].tolist()}; "
            "expected two numbers that add up to 1, one for each of the two segments: [1, 0] where "
            "the first is better, [0, 1] the second, [0.5, 0.5] a tie."
        )
    return rows[:, ("first", "second").index(side)]
