import warnings

import numpy as np
import pytest

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.online.health import Health, LearnedRewardWarning
from vlfeedback.types import Outcome, PreferenceLabels, Trajectory


def session(labels: list[float], *, outcome: Outcome = Outcome.ANSWERED) -> PreferenceDataset:
    still, moving = (
        Trajectory(observations=np.full((4, 1), x), actions=np.zeros((3, 1)), id=str(x))
        for x in (0.0, 1.0)
    )
    pair = (still.segment(0, 2), moving.segment(0, 2))
    n = len(labels)
    return PreferenceDataset(
        [pair] * n, PreferenceLabels(np.array(labels, np.float32), np.full(n, outcome, np.uint8))
    )


def test_a_sound_session_is_no_cause_for_alarm() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Health().look_at_labels(session([0, 1, 0.5]))
        Health().look_at_rewards(np.linspace(-1, 1, 50))


def test_labels_that_all_tie_are_told_once() -> None:
    health = Health()
    with pytest.warns(LearnedRewardWarning, match="All 3 labels of a session are ties"):
        health.look_at_labels(session([0.5] * 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        health.look_at_labels(session([0.5] * 3))


def test_a_session_without_an_answer_is_told() -> None:
    with pytest.warns(LearnedRewardWarning, match="None of the 2 pairs"):
        Health().look_at_labels(session([1, 0], outcome=Outcome.REFUSED))


def test_pairs_that_show_the_same_twice_are_told() -> None:
    still = Trajectory(observations=np.zeros((4, 1)), actions=np.zeros((3, 1)), id="still")
    pair = (still.segment(0, 2), still.segment(1, 2))
    labels = PreferenceLabels(np.array([0, 1], np.float32), np.full(2, Outcome.ANSWERED, np.uint8))
    with pytest.warns(LearnedRewardWarning, match="2 of 2 pairs compare a segment"):
        Health().look_at_labels(PreferenceDataset([pair] * 2, labels))


def test_rewards_at_the_end_of_tanh_are_told() -> None:
    with pytest.warns(LearnedRewardWarning, match="100% of the learned rewards"):
        Health().look_at_rewards(np.full(100, -0.99))


def test_a_learned_return_that_rises_while_success_falls_is_told() -> None:
    health = Health()
    health.look_at_episodes([1.0] * 20, [True] * 20)
    with pytest.warns(LearnedRewardWarning, match="success fell from 100% to 0%"):
        health.look_at_episodes([2.0] * 20, [False] * 20)


def test_a_learned_return_that_rises_with_success_is_well() -> None:
    health = Health()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        health.look_at_episodes([1.0] * 20, [False] * 20)
        health.look_at_episodes([2.0] * 20, [True] * 20)
