"""Labels in the shapes that people have: each means what it says, or is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from vlfeedback.errors import DtypeError, InvalidValueError, ShapeError
from vlfeedback.types import Outcome, PreferenceLabels

FIRST_SECOND_TIE: list[Any] = [
    [0, 1, 0.5],
    (0.0, 1.0, 0.5),
    np.array([0, 1, 0.5]),
    np.array([0, 1, 0.5], np.float16)[:, None],
    [[0], [1], [0.5]],
    [[1, 0], [0, 1], [0.5, 0.5]],
    np.array([[1, 0], [0, 1], [0.5, 0.5]], np.float32),
]


@pytest.mark.parametrize("rows", FIRST_SECOND_TIE, ids=repr)
@pytest.mark.parametrize(
    "read",
    [
        PreferenceLabels.from_vlp,
        PreferenceLabels.from_cpl,
        lambda rows: PreferenceLabels(rows, [True] * 3),
        lambda rows: PreferenceLabels(rows, [Outcome.ANSWERED] * 3),
        lambda rows: PreferenceLabels(rows, np.ones((3, 1), np.bool_)),
    ],
)
def test_first_second_and_tie_in_every_shape(
    read: Callable[[Any], PreferenceLabels], rows: Any
) -> None:
    labels = read(rows)
    assert labels.prefer_second.tolist() == [0, 1, 0.5]
    assert labels.prefer_second.dtype.kind == "f"
    assert labels.answered.all()


def test_lists_and_whole_numbers_are_held_as_float32() -> None:
    for rows in ([0, 1], [[0.0], [1.0]], np.array([0, 1]), np.array([[True], [False]])):
        assert PreferenceLabels(rows, [True, True]).prefer_second.dtype == np.float32


def test_what_the_labels_cost_may_be_lists_too() -> None:
    labels = PreferenceLabels([0, 1], [True, True], cost_usd=[0.5, 0.25], labeller=[0, 1])
    assert labels.cost_usd.tolist() == [0.5, 0.25] and labels.labeller.tolist() == [0, 1]


@pytest.mark.parametrize("rows", [[0, 1, -1], [[0], [1], [-1]], np.array([[0], [1], [-1]], "i1")])
def test_bprefs_numbers_in_a_column(rows: Any) -> None:
    assert PreferenceLabels.from_bpref(rows, "half").prefer_second.tolist() == [0, 1, 0.5]


@pytest.mark.parametrize("rows", [[1, 0, 0.75], [[1], [0], [0.75]], [[1, 0], [0, 1], [0.75, 0.25]]])
def test_of_imitations_probabilities_of_both_that_of_the_first_is_read(rows: Any) -> None:
    assert PreferenceLabels.from_imitation(rows).prefer_second.tolist() == [0, 1, 0.25]


def test_two_pairs_are_no_pair_of_shares() -> None:
    assert PreferenceLabels.from_vlp([0, 1]).prefer_second.tolist() == [0, 1]
    assert PreferenceLabels.from_vlp([[0, 1]]).prefer_second.tolist() == [1]
    assert PreferenceLabels.from_vlp([[0], [1]]).prefer_second.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("rows", "error", "match"),
    [
        ([[1, 1], [0, 1]], ShapeError, r"row 0 is \[1, 1\]; expected two numbers that add up to 1"),
        ([[0, 0]], ShapeError, r"shape \(1, 2\) and row 0 is \[0, 0\]"),
        (np.zeros((2, 3)), ShapeError, r"shape \(2, 3\); expected \(N,\), \(N, 1\), or \(N, 2\)"),
        (np.zeros((2, 1, 1)), ShapeError, r"shape \(2, 1, 1\)"),
        ([[0], [0, 1]], ShapeError, "rows of several lengths"),
        (["first"], DtypeError, "labels is <U5; expected numbers"),
        ([[2, -1]], InvalidValueError, "Label 0 is -1"),
    ],
)
def test_what_has_another_shape_is_refused(rows: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        PreferenceLabels.from_vlp(rows)
