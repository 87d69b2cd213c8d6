import math

import numpy as np
import pytest

from vlfeedback.data.calibration import (
    accuracy_by_gap,
    brier_score,
    expected_calibration_error,
    preference_probability,
    quantile_bin,
    reliability_bins,
)


def test_the_probability_is_the_sigmoid_of_the_scaled_gap() -> None:
    gap = np.array([0.0, math.log(3) / 2, -math.log(3) / 2, 1e6])
    assert preference_probability(gap, 2.0) == pytest.approx([0.5, 0.75, 0.25, 1.0])


def test_bins_hold_confidence_and_accuracy_whichever_side_was_chosen() -> None:
    probability = np.array([0.95, 0.05, 0.9, 0.6, 0.5, 0.99])
    truth = np.array([1.0, 0.0, 0.0, 1.0, 1.0, 0.5])  # right, right, wrong, right, tie, no order
    bins = reliability_bins(probability, truth, n_bins=2)
    assert [(b.low, b.high, b.n) for b in bins] == [(0.5, 0.75, 2), (0.75, 1.0, 3)]
    assert [b.mean for b in bins] == pytest.approx([0.55, (0.95 + 0.95 + 0.9) / 3])
    assert [b.accuracy for b in bins] == pytest.approx([0.75, 2 / 3])
    wanted = (2 * 0.2 + 3 * abs(2 / 3 - 2.8 / 3)) / 5
    assert expected_calibration_error(bins) == pytest.approx(wanted)


def test_no_ordered_pair_gives_nan() -> None:
    nothing = np.array([0.5])
    assert math.isnan(expected_calibration_error(reliability_bins(np.array([0.9]), nothing)))
    assert math.isnan(brier_score(np.array([0.9]), nothing))


def test_the_brier_score_is_the_mean_squared_error_over_ordered_pairs() -> None:
    score = brier_score(np.array([0.8, 0.4, 0.1]), np.array([1.0, 0.0, 0.5]))
    assert score == pytest.approx((0.04 + 0.16) / 2)


def test_quantile_bins_are_equally_full() -> None:
    assert quantile_bin(np.array([5.0, 1.0, 3.0, 9.0]), 2).tolist() == [1, 0, 0, 1]
    assert quantile_bin(np.array([]), 2).tolist() == []


def test_accuracy_by_gap_bins_within_each_task() -> None:
    small = (np.array([0.1, 0.2]), np.array([0.0, 1.0]))
    large = (np.array([10.0, 40.0]), np.array([0.5, 1.0]))
    near, far = accuracy_by_gap([small, large], n_bins=2)
    assert (near.n, near.accuracy) == (2, 0.25)
    assert near.mean == pytest.approx((0.5 + 0.25) / 2)
    assert (far.n, far.accuracy, far.mean) == (2, 1.0, 1.0)
    assert accuracy_by_gap([]) == []
