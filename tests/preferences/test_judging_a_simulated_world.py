"""Labellers before a judge whose accuracy and bias are known: what they find, and for how much."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.preferences.asked_models import pairs

from vlfeedback import make_preference_source
from vlfeedback.evaluation.labels import order_bias
from vlfeedback.preferences.accuracy import label_accuracy
from vlfeedback.testing.chat_server import ChatServer
from vlfeedback.testing.simulated_judge import SimulatedJudge
from vlfeedback.types import PreferenceLabels, SegmentPairs

LETTERS_ALONE = {"criteria": ["Which is nearer?"], "reason": False}


def ask(
    judge: SimulatedJudge, source: str, values: np.ndarray, **settings: Any
) -> tuple[PreferenceLabels, int]:
    """Labels of pairs of values, and how many questions they took."""
    with ChatServer(otherwise=judge) as server:
        labeller = make_preference_source(
            source, model="judge", base_url=server.url, store="none", in_flight=8, **settings
        )
        first, second = values.T.tolist()
        labels = labeller.label(pairs(first, second))
        return labels, len(server.requests)


def accuracy(labels: PreferenceLabels, values: np.ndarray) -> float:
    truth = (values[:, 1] > values[:, 0]).astype(np.float32)
    return label_accuracy(labels, PreferenceLabels(truth, np.ones(len(values), np.bool_)))


def test_for_as_many_questions_grades_in_both_orders_find_what_choices_cannot() -> None:
    """All gaps are smaller than what coming first is worth to the judge."""
    values = np.array([[0.4, 0.45], [0.55, 0.5], [0.3, 0.4], [0.7, 0.6], [0.5, 0.6], [0.65, 0.55]])
    judge = SimulatedJudge(position_bias=0.2)
    graded, n_graded = ask(judge, "verifier", values, **LETTERS_ALONE)
    chosen, n_chosen = ask(judge, "rl-vlm-f", values, both_orders=True)
    once, n_once = ask(judge, "rl-vlm-f.one-stage", values)
    assert n_graded == n_chosen == 4 * n_once == 4 * len(values)
    assert accuracy(graded, values) == 1.0
    assert accuracy(chosen, values) == 0.5  # of no pair do both orders agree
    assert once.prefer_second.tolist() == [0.0] * len(values)
    assert accuracy(once, values) == 0.5


@pytest.mark.slow
def test_before_a_judge_that_errs_they_find_more_and_the_bias_is_the_one_planted() -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 1, (100, 2))
    judge = SimulatedJudge(noise=0.1, position_bias=0.2)
    graded, n_graded = ask(judge, "verifier", values, **LETTERS_ALONE)
    chosen, n_chosen = ask(judge, "rl-vlm-f", values, both_orders=True)
    once, _ = ask(judge, "rl-vlm-f.one-stage", values)
    assert n_graded == n_chosen
    assert accuracy(graded, values) > accuracy(chosen, values) + 0.02
    assert accuracy(graded, values) > accuracy(once, values) + 0.02

    backwards, _ = ask(judge, "rl-vlm-f.one-stage", values[:, ::-1])
    gap = values[:, 1] - values[:, 0]
    planted = 0.5 - judge.chance_of_second(np.concatenate([gap, -gap])).mean()
    found = order_bias(once, backwards)
    assert found.bias.low < planted < found.bias.high
    assert found.bias.low > 0
    unbiased = SimulatedJudge(noise=0.1)
    forwards, backwards = (
        ask(unbiased, "rl-vlm-f.one-stage", shown)[0] for shown in (values, values[:, ::-1])
    )
    assert order_bias(forwards, backwards).bias.low < 0 < order_bias(forwards, backwards).bias.high


def test_both_orders_have_no_bias_to_measure() -> None:
    values = np.array([[0.2, 0.8], [0.9, 0.4], [0.5, 0.52]])
    judge = SimulatedJudge(position_bias=0.1)
    given = pairs(*values.T.tolist())
    with ChatServer(otherwise=judge) as server:
        labeller = make_preference_source(
            "plare", model="judge", base_url=server.url, store="none", both_orders=True
        )
        forwards = labeller.label(given)
        backwards = labeller.label(SegmentPairs(given.second, given.first))
    found = order_bias(forwards, backwards)
    assert (found.consistency.mean, found.consistency.n, found.bias.mean) == (1.0, 2, 0.0)
