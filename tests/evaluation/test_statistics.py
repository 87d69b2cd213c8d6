import math

import numpy as np
import pytest
from scipy.stats import binomtest

from vlfeedback.errors import ShapeError
from vlfeedback.evaluation.statistics import (
    bootstrap_interval,
    interquartile_mean,
    mean_interval,
    paired_difference,
    wilson_interval,
)


def test_the_interval_of_a_mean_is_students() -> None:
    # t(0.975, 2) = 4.302653; the deviation of 1, 2, 3 is 1.
    estimate = mean_interval([1.0, 2.0, 3.0])
    assert estimate.mean == 2.0
    assert estimate.low == pytest.approx(2 - 4.302653 / math.sqrt(3), abs=1e-5)
    assert estimate.high == pytest.approx(2 + 4.302653 / math.sqrt(3), abs=1e-5)


def test_one_value_has_a_mean_and_no_interval_and_nothing_has_neither() -> None:
    one = mean_interval([0.25, float("nan")])
    assert (one.mean, one.n) == (0.25, 1)
    assert math.isnan(one.low)
    assert not one.is_above_zero
    assert math.isnan(mean_interval([]).mean)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (7, 10), (93, 100), (100, 100)])
def test_wilsons_interval_is_scipys(k: int, n: int) -> None:
    wanted = binomtest(k, n).proportion_ci(method="wilson")
    estimate = wilson_interval(k / n, n)
    assert (estimate.low, estimate.high) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


def test_a_paired_difference_is_small_where_both_rise_and_fall_together() -> None:
    ours, theirs = [0.9, 0.5, 0.7], [0.8, 0.4, 0.6]
    estimate = paired_difference(ours, theirs)
    assert estimate.mean == pytest.approx(0.1)
    assert estimate.is_above_zero
    assert not paired_difference(theirs, ours).is_above_zero
    assert not paired_difference([0.9, 0.5], [0.5, 0.6]).is_above_zero


def test_unpaired_values_are_refused() -> None:
    with pytest.raises(ShapeError, match="2 of our values and 1"):
        paired_difference([1.0, 2.0], [1.0])


def test_the_interquartile_mean_drops_a_quarter_at_each_end() -> None:
    assert interquartile_mean(np.array([[9.0, 1.0], [2.0, -50.0]])) == (1 + 2) / 2
    # Of 6 scores a quarter is 1.5: one goes at each end.
    assert interquartile_mean(np.array([0.0, 1.0, 2.0, 3.0, 4.0, 90.0])) == (1 + 2 + 3 + 4) / 4


def test_the_interquartile_mean_along_an_axis_is_that_of_each_row() -> None:
    rows = np.array([[0.0, 1.0, 3.0, 100.0], [-9.0, 2.0, 2.0, 9.0]])
    np.testing.assert_array_equal(interquartile_mean(rows, axis=1), [2.0, 2.0])


def test_a_bootstrap_of_equal_seeds_has_no_width() -> None:
    scores = np.tile([0.2, 0.8], (3, 1))
    low, high = bootstrap_interval(scores, np.mean, rng=np.random.default_rng(0))
    assert (low, high) == pytest.approx((0.5, 0.5))


def test_the_bootstrap_interval_of_a_mean_is_that_of_its_resamples() -> None:
    # Of two seeds the mean of a resample is 0, 0.5 or 1 with probabilities 1/4, 1/2 and 1/4.
    scores = np.array([[0.0], [1.0]])
    assert bootstrap_interval(scores, np.mean, rng=np.random.default_rng(0)) == (0.0, 1.0)


def test_the_bootstrap_draws_the_seeds_of_each_task_independently() -> None:
    # Drawn together, both tasks would keep their difference of 1 in every resample.
    scores = np.array([[0.0, 1.0], [10.0, 11.0]])
    low, high = bootstrap_interval(
        scores, lambda rows, axis: rows[:, 1] - rows[:, 0], rng=np.random.default_rng(0)
    )
    assert (low, high) == (-9.0, 11.0)
