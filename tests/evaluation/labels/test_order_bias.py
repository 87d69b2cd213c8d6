"""Consistency over both orders, and the bias for what is shown first."""

import math

import numpy as np
import pytest

from vlfeedback.errors import ShapeError
from vlfeedback.evaluation.labels import order_bias
from vlfeedback.evaluation.statistics import wilson_interval
from vlfeedback.types import Outcome, PreferenceLabels


def labels(text: str) -> PreferenceLabels:
    """One label a letter: f the first, s the second, t a tie, u unsure, r refused."""
    known = {"f": 0.0, "s": 1.0}
    outcomes = {"u": Outcome.UNSURE, "r": Outcome.REFUSED}
    return PreferenceLabels(
        np.array([known.get(letter, 0.5) for letter in text], np.float32),
        np.array([outcomes.get(letter, Outcome.ANSWERED) for letter in text], np.uint8),
    )


def test_a_labeller_that_minds_no_order_is_consistent_and_unbiased() -> None:
    found = order_bias(labels("ffsfs"), labels("ssfsf"))
    assert (found.consistency.mean, found.bias.mean) == (1.0, 0.0)
    assert (found.consistency.n, found.bias.n) == (5, 10)


def test_one_that_always_names_the_first_is_never_consistent() -> None:
    found = order_bias(labels("ffff"), labels("ffff"))
    assert (found.consistency.mean, found.bias.mean) == (0.0, 0.5)
    assert order_bias(labels("ssss"), labels("ssss")).bias.mean == -0.5


def test_the_bias_is_the_share_of_answers_for_the_first_beyond_a_half() -> None:
    found = order_bias(labels("ffsfff"), labels("sffsss"))  # one pair of six is "first" twice
    assert found.consistency.mean == pytest.approx(5 / 6)
    assert found.bias.mean == pytest.approx(7 / 12 - 1 / 2)


def test_the_intervals_are_wilsons() -> None:
    found = order_bias(labels("ffsfff"), labels("sffsss"))
    assert found.consistency == wilson_interval(5 / 6, 6)
    share = wilson_interval(7 / 12, 12)
    assert (found.bias.low, found.bias.high) == (share.low - 0.5, share.high - 0.5)


def test_pairs_that_one_order_does_not_decide_are_left_out() -> None:
    found = order_bias(labels("ffutrs"), labels("sfffff"))
    assert found.consistency.n == 3
    assert found.consistency.mean == pytest.approx(2 / 3)


def test_without_decided_pairs_nothing_is_known() -> None:
    found = order_bias(labels("ut"), labels("ft"))
    assert math.isnan(found.consistency.mean) and math.isnan(found.bias.mean)
    assert found.consistency.n == 0


def test_other_numbers_of_labels_are_refused() -> None:
    with pytest.raises(ShapeError, match="2 labels forwards and 3 backwards"):
        order_bias(labels("ff"), labels("fff"))
