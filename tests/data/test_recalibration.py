"""Probabilities corrected by answers of somebody who is trusted more."""

from __future__ import annotations

import numpy as np
import pytest

from vlfeedback.data.recalibration import Isotonic, Temperature, fit_isotonic, fit_temperature
from vlfeedback.errors import InvalidValueError, ShapeError

HALVES = np.array([0.0, 0.25, 0.5, 0.75, 1.0])


@pytest.mark.parametrize(
    "correct", [Temperature(3.0), Isotonic(np.array([0.6, 0.9]), np.array([0.55, 0.8]))]
)
def test_no_correction_prefers_another_side_or_minds_the_order(correct: Temperature) -> None:
    corrected = correct(HALVES)
    assert np.sign(corrected - 0.5).tolist() == [-1, -1, 0, 1, 1]
    np.testing.assert_allclose(corrected + correct(1 - HALVES), 1.0)


def test_a_temperature_divides_log_odds() -> None:
    # log-odds of 0.9 are log 9; a half of them are log 3, of 0.75; twice of them log 81
    np.testing.assert_allclose(Temperature(2.0)(np.array([0.9])), [0.75])
    np.testing.assert_allclose(Temperature(0.5)(np.array([0.9])), [81 / 82])


def test_the_fitted_temperature_gives_the_share_that_is_right() -> None:
    probability = np.array([0.9, 0.9, 0.1, 0.9])
    correct = fit_temperature(probability, np.array([1.0, 1.0, 0.0, 0.0]))  # three of four right
    assert correct.temperature == pytest.approx(2.0, rel=1e-3)
    np.testing.assert_allclose(correct(probability), [0.75, 0.75, 0.25, 0.75], atol=1e-3)


def test_one_who_says_certain_and_is_not_becomes_less_sure() -> None:
    hard = np.array([1.0, 1.0, 0.0, 1.0, 1.0])
    correct = fit_temperature(hard, np.array([1.0, 1.0, 0.0, 1.0, 0.0]))  # four of five
    np.testing.assert_allclose(correct(hard), [0.8, 0.8, 0.2, 0.8, 0.8], atol=1e-3)


def test_one_who_is_wrong_more_often_than_right_is_hardly_believed() -> None:
    wrong = fit_temperature(np.array([0.9, 0.8]), np.array([0.0, 0.0]))
    np.testing.assert_allclose(wrong(np.array([0.9])), 0.5, atol=1e-3)
    never = fit_isotonic(np.array([0.9, 0.8]), np.array([0.0, 0.0]))
    np.testing.assert_allclose(never(np.array([0.9])), 0.5)


def test_isotonic_accuracy_pools_what_falls_and_is_a_line_between() -> None:
    # Right at 0.6: a half; at 0.7: all of two; at 0.9: one of two. The last two fall: 3/4 each.
    probability = np.array([0.6, 0.6, 0.7, 0.3, 0.9, 0.9])
    trusted = np.array([1.0, 0.0, 1.0, 0.0, 1.0, 0.0])
    correct = fit_isotonic(probability, trusted)
    np.testing.assert_allclose(
        correct(np.array([0.6, 0.65, 0.7, 0.9, 1.0])), [0.5, 0.625] + [0.75] * 3
    )
    np.testing.assert_allclose(correct(np.array([0.3, 0.55])), [0.25, 0.5])


@pytest.mark.parametrize("fit", [fit_temperature, fit_isotonic])
def test_ties_of_the_trusted_say_nothing(fit: type) -> None:
    probability = np.array([0.9, 0.9, 0.1, 0.9, 0.9])
    with_tie = fit(probability, np.array([1.0, 1.0, 0.0, 0.0, 0.5]))
    without = fit(probability[:4], np.array([1.0, 1.0, 0.0, 0.0]))
    np.testing.assert_allclose(with_tie(HALVES), without(HALVES))
    with pytest.raises(InvalidValueError, match="None of 2 trusted answers prefers a side"):
        fit(np.array([0.9, 0.9]), np.array([0.5, 0.5]))
    with pytest.raises((ShapeError, TypeError), match="trusted"):
        fit(np.array([0.9, 0.9]), np.array([1.0]))
