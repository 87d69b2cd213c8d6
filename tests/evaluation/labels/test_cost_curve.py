"""Accuracy with ever more answers of an expensive labeller, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vlfeedback.errors import ShapeError
from vlfeedback.evaluation.labels.cost_curve import accuracy_by_labeller, cost_curve
from vlfeedback.preferences.accuracy import label_accuracy
from vlfeedback.types import Outcome, PreferenceLabels


def labels(*answers: float | None, labeller: list[int] | None = None) -> PreferenceLabels:
    """None: no answer."""
    return PreferenceLabels(
        np.array([0.5 if a is None else a for a in answers], np.float32),
        [Outcome.REFUSED if a is None else Outcome.ANSWERED for a in answers],
        labeller=labeller,
    )


TRUTH = labels(1, 1, 0, 0)
CHEAP = labels(0.9, 0.4, 0.3, 0.8)  # right, wrong, right, wrong; sure by .9 .6 .7 .8
RIGHT = labels(1, 1, 0, 0)


def test_the_least_sure_go_first() -> None:
    curve = cost_curve(CHEAP, RIGHT, TRUTH)
    # 0.6 is mended, 0.7 was right, 0.8 is mended, 0.9 was right
    np.testing.assert_allclose(curve.least_sure_first, [0.5, 0.75, 0.75, 1.0, 1.0])


def test_pairs_at_random_gain_in_proportion_and_unlabelled_ones_are_half_right() -> None:
    curve = cost_curve(CHEAP, RIGHT, TRUTH)
    np.testing.assert_allclose(curve.at_random, [0.5, 0.625, 0.75, 0.875, 1.0])
    np.testing.assert_allclose(curve.expensive_only, [0.5, 0.625, 0.75, 0.875, 1.0])
    better = cost_curve(labels(0.9, 0.6, 0.3, 0.8), RIGHT, TRUTH)
    np.testing.assert_allclose(better.at_random, np.linspace(0.75, 1, 5))
    np.testing.assert_allclose(better.expensive_only, np.linspace(0.5, 1, 5))


def test_the_ends_are_the_accuracies_of_either_labeller() -> None:
    rng = np.random.default_rng(0)
    cheap, expensive = (labels(*rng.random(50)) for _ in range(2))
    truth = labels(*rng.integers(0, 2, 50).astype(float))
    curve = cost_curve(cheap, expensive, truth)
    for first, last in ((curve.least_sure_first[0], curve.least_sure_first[-1]),):
        assert first == pytest.approx(label_accuracy(cheap, truth))
        assert last == pytest.approx(label_accuracy(expensive, truth))
    assert (
        curve.at_random[-1]
        == curve.expensive_only[-1]
        == pytest.approx(label_accuracy(expensive, truth))
    )
    assert curve.expensive_only[0] == 0.5


def test_an_expensive_labeller_that_does_not_answer_changes_nothing() -> None:
    curve = cost_curve(CHEAP, labels(None, None, None, None), TRUTH)
    np.testing.assert_allclose(curve.least_sure_first, 0.5)


def test_pairs_without_an_order_cost_an_answer_and_count_nowhere() -> None:
    curve = cost_curve(labels(0.5, 0.4), labels(0.5, 1), labels(0.5, 1))
    np.testing.assert_allclose(curve.least_sure_first, [0, 0, 1])


def test_of_equally_sure_pairs_the_seed_draws() -> None:
    cheap, expensive = labels(*[0.0] * 40), labels(*[1.0] * 40)
    truth = labels(*([1.0, 0.0] * 20))
    curves = [cost_curve(cheap, expensive, truth, seed=seed).least_sure_first for seed in (0, 0, 1)]
    assert (curves[0] == curves[1]).all() and (curves[0] != curves[2]).any()


def test_how_many_answers_an_accuracy_takes() -> None:
    curve = cost_curve(CHEAP, RIGHT, TRUTH)
    assert curve.answers_for(0.75) == (1, 2, 2)
    assert curve.answers_for(1.0) == (3, 4, 4)
    assert cost_curve(CHEAP, CHEAP, TRUTH).answers_for(0.9) == (None, None, None)


def test_labels_of_different_pairs_are_refused() -> None:
    with pytest.raises(ShapeError, match="4 cheap labels, 1 expensive and 4 true ones"):
        cost_curve(CHEAP, labels(1), TRUTH)
    with pytest.raises(ShapeError, match="0 of them with an order"):
        cost_curve(labels(1), labels(1), labels(0.5))


def test_each_labeller_of_a_cascade_has_an_accuracy_of_its_own() -> None:
    made = labels(1, 0, 0, 1, 0.5, labeller=[0, 0, 2, 2, 2])
    first, second, third = accuracy_by_labeller(made, labels(1, 1, 0, 0.5, 1))
    assert (first.mean, first.n) == (0.5, 2)
    assert second.n == 0
    assert (third.mean, third.n) == (0.75, 2)  # the tie is half right, the equal pair is none
    assert accuracy_by_labeller(labels(), labels()) == []
