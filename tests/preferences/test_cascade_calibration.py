"""Stages of a cascade are as sure as they were right by the next one's answers."""

from __future__ import annotations

import numpy as np
import pytest
from tests.preferences.cascades import (
    Said,
    Speaks,
    cascade,
    gathered,
    labelled,
    pairs_of,
)


def test_a_temperature_makes_a_labeller_as_sure_as_it_is_right() -> None:
    # It says 0.9, and the next labeller agrees with three of four: log(3) = log(9) / 2.
    said: list[Said] = [[0.9] * 8, [1, 1, 1, 0] * 2]
    stage = {"sure_from": 0.5, "calibration": "temperature", "calibration_pairs": 8}
    source = cascade(Speaks(0), Speaks(1), stages=[stage, {}])
    more = pairs_of([0.9] * 8, [1, 1, 1, 0] * 2)
    decided = source.decided_on([gathered(more)])
    assert decided.label(gathered(more)).prefer_second.tolist() == said[1]  # all went on
    stage["calibration_pairs"] = 4
    first_four = labelled([[0.9, 0.9, 0.9, 0.9, 0.9], [1, 1, 1, 1, 1]], stage, {})
    kept = first_four.labels.labeller == 0
    assert kept.sum() == 1 and first_four.labels.prefer_second[kept] > 0.99  # always right


def test_what_is_less_often_right_than_it_says_goes_on_once_that_is_known() -> None:
    said: list[Said] = [[0.95] * 40, [1, 1, 1, 0] * 10]
    surely = labelled(said, {"sure_from": 0.9}, {})
    assert surely.labels.labeller.sum() == 0
    for calibration in ("temperature", "isotonic"):
        stage = {"sure_from": 0.9, "calibration": calibration, "calibration_pairs": 20}
        assert labelled(said, stage, {}).labels.labeller.sum() == 40


def test_labels_that_stay_are_the_corrected_probabilities() -> None:
    said: list[Said] = [[0.75, 0.25] * 20, [1, 0, 1, 0, 1, 0, 0, 1] * 5]  # right in three of four
    stage = {"sure_from": 0.6, "calibration": "isotonic", "calibration_pairs": 20}
    made = labelled(said, stage, {})
    kept = made.labels.labeller == 0
    share = made.labels.prefer_second[kept].max()
    right = [p == (s > 0.5) for s, p in zip(*said, strict=True)]
    sampled = [ok for ok, stays in zip(right, kept, strict=True) if not stays]
    assert kept.sum() == 20 and share == pytest.approx(np.mean(sampled))
    assert made.labels.prefer_second[kept].min() == pytest.approx(1 - share)


def test_pairs_for_calibration_are_paid_from_the_budget() -> None:
    stage = {"sure_from": 0.6, "calibration": "temperature", "calibration_pairs": 10}
    said = [list(np.linspace(0.5, 1, 30)), [1.0] * 30]
    assert labelled(said, stage, {"max_pairs": 4}).labels.labeller.sum() == 4


def test_a_next_labeller_that_answers_nothing_corrects_nothing() -> None:
    stage = {"sure_from": 0.8, "calibration": "temperature", "calibration_pairs": 2}
    made = labelled([[0.9, 0.9], [11, 11]], stage, {})
    np.testing.assert_allclose(made.labels.prefer_second, 0.9)
