from __future__ import annotations

import json

import numpy as np
import pytest

from vlfeedback.errors import ShapeError
from vlfeedback.offline.curve import EvaluationCurve
from vlfeedback.offline.evaluation import PolicyEvaluation


def curve_of(*successes: float) -> EvaluationCurve:
    """Evaluations of ten episodes with these shares of success."""
    counts = (np.arange(10) < 10 * np.array(successes)[:, None]).astype(np.float64)
    steps = tuple(5000 * (k + 1) for k in range(len(successes)))
    return EvaluationCurve(steps, counts, 100 * counts - 3)


def test_twenty_evaluations_have_thirteen_neighbour_means() -> None:
    assert len(curve_of(*np.linspace(0, 1, 20)).neighbour_mean()) == 13


def test_a_neighbour_mean_is_the_mean_of_eight_evaluations_in_a_row() -> None:
    shares = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    np.testing.assert_allclose(
        curve_of(*shares).neighbour_mean(), [sum(shares[:8]) / 8, sum(shares[1:]) / 8]
    )


def test_the_best_is_the_largest_mean_and_the_last_that_of_the_last_eight() -> None:
    curve = curve_of(*[1.0] * 8, *[0.2] * 8)
    assert curve.best() == pytest.approx(1.0)
    assert curve.last() == pytest.approx(0.2)


def test_fewer_than_eight_evaluations_have_one_mean_over_all() -> None:
    curve = curve_of(0.2, 0.4)
    np.testing.assert_allclose(curve.neighbour_mean(), [0.3])
    assert curve.best() == curve.last() == pytest.approx(0.3)


def test_returns_are_reported_alike() -> None:
    curve = curve_of(0.2, 0.4)
    assert curve.last("return") == pytest.approx(0.3 * 100 - 3)


def test_no_evaluation_gives_no_figure() -> None:
    curve = EvaluationCurve.from_evaluations([])
    assert np.isnan(curve.best())
    assert np.isnan(curve.last())
    assert len(EvaluationCurve.from_json(curve.to_json())) == 0


def test_it_stacks_evaluations_with_their_steps() -> None:
    seen = [
        PolicyEvaluation(np.array([True, False]), np.array([1.0, 2.0]), np.array([3, 4])),
        PolicyEvaluation(np.array([True, True]), np.array([5.0, 6.0]), np.array([3, 4])),
    ]
    curve = EvaluationCurve.from_evaluations([(10, seen[0]), (20, seen[1])])
    assert curve.steps == (10, 20)
    np.testing.assert_array_equal(curve.means(), [0.5, 1.0])
    np.testing.assert_array_equal(curve.means("return"), [1.5, 5.5])


def test_it_survives_json() -> None:
    curve = curve_of(0.1, 0.7, 0.3)
    read = EvaluationCurve.from_json(json.loads(json.dumps(curve.to_json())))
    assert read.steps == curve.steps
    np.testing.assert_array_equal(read.successes, curve.successes)
    np.testing.assert_array_equal(read.returns, curve.returns)


def test_rows_and_steps_have_to_agree() -> None:
    with pytest.raises(ShapeError, match="a row for each step"):
        EvaluationCurve((1, 2), np.zeros((1, 3)), np.zeros((1, 3)))
    with pytest.raises(ValueError, match="expected them to rise"):
        EvaluationCurve((2, 1), np.zeros((2, 3)), np.zeros((2, 3)))
