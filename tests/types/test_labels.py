from typing import Any

import numpy as np
import pytest

from vlfeedback.errors import DtypeError, InvalidTypeError, ShapeError
from vlfeedback.types import Outcome, PreferenceLabels


def labels(*values: float, answered: list[bool] | None = None) -> PreferenceLabels:
    return PreferenceLabels(
        np.array(values, np.float32), np.array(answered or [True] * len(values))
    )


ALL_OUTCOMES = PreferenceLabels(
    np.array([1, 0.5, 0, 0, 0, 0, 0.5], np.float32),
    np.array([0, 1, 2, 3, 4, 5, 0], np.uint8),
    cost_usd=np.array([0.5, 0.5, 0.25, 0.25, 0, 0, 0.5]),
    tokens=np.array([100, 100, 50, 50, 0, 0, 100]),
    seconds=np.array([1, 1, 1, 1, 60, 0, 1], np.float32),
    labeller=np.array([0, 0, 1, 0, 1, 0, 1], np.int32),
)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_labels_lie_between_first_and_second(value: float) -> None:
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        labels(0.0, value)


def test_the_label_of_an_unanswered_pair_is_ignored() -> None:
    assert len(labels(0.0, float("nan"), answered=[True, False])) == 2


def test_every_label_has_an_outcome() -> None:
    with pytest.raises(ShapeError, match=r"outcome has shape \(1,\) and prefer_second \(2,\)"):
        labels(0.0, 1.0, answered=[True])
    with pytest.raises(ShapeError, match=r"prefer_second has shape \(1, 2\)"):
        PreferenceLabels(np.zeros((1, 2), np.float32), np.zeros((1, 2), np.uint8))
    with pytest.raises(InvalidTypeError, match="needs an outcome for each pair"):
        PreferenceLabels(np.zeros(2, np.float32))


def test_answers_given_as_numbers_are_refused_instead_of_read_as_outcomes() -> None:
    with pytest.raises(DtypeError, match=r"outcome is int64; expected uint8, .*bool, True: answ"):
        PreferenceLabels(np.zeros(2, np.float32), np.array([1, 0]))


def test_a_bool_for_each_pair_tells_answered_from_skipped() -> None:
    made = labels(0.0, 1.0, answered=[True, False])
    assert made.outcome.tolist() == [Outcome.ANSWERED, Outcome.SKIPPED]
    assert made.outcome.dtype == np.uint8


def test_the_older_name_of_the_outcome_is_understood() -> None:
    made = PreferenceLabels(np.zeros(2, np.float32), answered=np.array([False, True]))
    assert made.outcome.tolist() == [Outcome.SKIPPED, Outcome.ANSWERED]


def test_an_answer_is_as_sure_as_the_side_that_it_prefers_and_none_is_not_sure_at_all() -> None:
    made = labels(0.75, 0.25, 0.5, 1.0, float("nan"), answered=[True] * 4 + [False])
    assert made.confidence.tolist() == [0.75, 0.75, 0.5, 1.0, 0.0]


def test_of_all_outcomes_only_answered_is_answered() -> None:
    assert ALL_OUTCOMES.answered.tolist() == [True] + [False] * 5 + [True]
    assert [outcome.word for outcome in Outcome] == [
        "answered",
        "unsure",
        "refused",
        "unparsable",
        "failed",
        "skipped",
    ]
    assert [int(outcome) for outcome in Outcome] == [0, 1, 2, 3, 4, 5]


def test_what_is_left_out_is_zero() -> None:
    made = labels(0.0, 1.0)
    for array, dtype in (
        (made.cost_usd, np.float64),
        (made.tokens, np.int64),
        (made.seconds, np.float64),
        (made.labeller, np.int64),
    ):
        assert array.tolist() == [0, 0] and array.dtype == dtype


def test_numbers_of_another_width_are_widened() -> None:
    assert ALL_OUTCOMES.seconds.dtype == np.float64
    assert ALL_OUTCOMES.labeller.dtype == np.int64


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cost_usd": np.array([0, -1.0])}, r"cost_usd of pair 1 is -1\.0; expected a finite num"),
        ({"cost_usd": np.array([np.nan, 0])}, "cost_usd of pair 0 is nan"),
        ({"seconds": np.array([0, np.inf])}, "seconds of pair 1 is inf"),
        ({"tokens": np.array([-3, 0])}, "tokens of pair 0 is -3"),
        ({"labeller": np.array([0, -1])}, "labeller of pair 1 is -1"),
        ({"outcome": np.array([0, 6], np.uint8)}, "outcome of pair 1 is 6; expected 0 to 5"),
    ],
)
def test_a_number_outside_its_range_is_refused_with_its_pair(
    fields: dict[str, Any], message: str
) -> None:
    fields = {"outcome": np.zeros(2, np.uint8)} | fields
    with pytest.raises(ValueError, match=message):
        PreferenceLabels(np.zeros(2, np.float32), **fields)


def test_a_fraction_of_a_token_is_refused() -> None:
    with pytest.raises(DtypeError, match="tokens is float64; expected int64"):
        PreferenceLabels(np.zeros(1, np.float32), np.zeros(1, np.uint8), tokens=np.array([0.5]))


def test_costs_of_another_number_of_pairs_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"cost_usd has shape \(3,\) and prefer_second \(2,\)"):
        PreferenceLabels(np.zeros(2, np.float32), np.zeros(2, np.uint8), cost_usd=np.zeros(3))


def test_labels_show_how_many_there_are_of_each_outcome() -> None:
    shown = repr(labels(0.0, 0.5, 0.5, answered=[True, True, False]))
    assert shown == "PreferenceLabels(N=3, answered=2, ties=1, skipped=1)"
    assert repr(labels(1.0)) == "PreferenceLabels(N=1, answered=1, ties=0)"
    assert repr(ALL_OUTCOMES) == (
        "PreferenceLabels(N=7, answered=2, ties=1, unsure=1, refused=1, unparsable=1, failed=1, "
        "skipped=1)"
    )


def test_counts_leave_out_what_never_occurred() -> None:
    assert labels(0.0, 0.5, 0.5, answered=[True, True, False]).counts() == {
        Outcome.ANSWERED: 2,
        Outcome.SKIPPED: 1,
    }


def test_taking_rows_takes_what_they_cost_and_who_answered() -> None:
    taken = ALL_OUTCOMES.take([6, 2])
    assert taken.prefer_second.tolist() == [0.5, 0]
    assert taken.outcome.tolist() == [Outcome.ANSWERED, Outcome.REFUSED]
    assert taken.cost_usd.tolist() == [0.5, 0.25]
    assert taken.tokens.tolist() == [100, 50]
    assert taken.seconds.tolist() == [1, 1]
    assert taken.labeller.tolist() == [1, 1]


def test_parts_joined_again_are_the_whole() -> None:
    whole = PreferenceLabels.concatenate([ALL_OUTCOMES.take(slice(3)), ALL_OUTCOMES.take([3, 4])])
    for name in ("prefer_second", "outcome", "cost_usd", "tokens", "seconds", "labeller"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(ALL_OUTCOMES, name)[:5])


def test_nothing_cannot_be_joined() -> None:
    with pytest.raises(ValueError, match="0 parts to concatenate"):
        PreferenceLabels.concatenate([])
