from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.sampling import sample_segment_pairs
from vlfeedback.errors import NeedsError
from vlfeedback.models.reward.networks import RewardModelConfig
from vlfeedback.models.reward.training import RewardTraining
from vlfeedback.online import RIMEFilter
from vlfeedback.online.reward_learner import RewardLearner
from vlfeedback.types import Outcome, PreferenceLabels, Trajectory

LENGTH = 10


def learner(**given: Any) -> RewardLearner:
    config = RewardModelConfig(hidden=(64, 64), **given.pop("config", {}))
    training = given.pop("training", RewardTraining(epochs=60, learning_rate=1e-3))
    shapes = {"length": LENGTH, "n_observation": 3, "n_action": 1, "seed": 0}
    return RewardLearner(config, training, **{**shapes, **given})


def labelled(
    episodes: Sequence[Trajectory], n: int, *, seed: int = 0, flipped: float = 0.0
) -> tuple[PreferenceDataset, np.ndarray]:
    """Pairs by the environment's own return; which labels are wrong."""
    rng = np.random.default_rng(seed)
    pairs = sample_segment_pairs(episodes, n, LENGTH, rng=rng)
    first, second = ([p[side].read("env_rewards").sum() for p in pairs] for side in (0, 1))
    right = (np.array(second) > np.array(first)).astype(np.float32)
    is_wrong = rng.random(n) < flipped
    labels = np.where(is_wrong, 1 - right, right).astype(np.float32)
    answered = np.full(n, Outcome.ANSWERED, np.uint8)
    return PreferenceDataset(pairs, PreferenceLabels(labels, answered)), is_wrong


def test_it_learns_to_order_segments_that_it_was_not_told_about(many: list[Trajectory]) -> None:
    reward = learner()
    report = reward.learn(labelled(many, 150)[0])
    assert (report.n_labels, report.n_new, reward.version) == (150, 150, 1)
    unseen, _ = labelled(many, 100, seed=1)
    logits = reward.member_logits(unseen.pairs).mean(axis=0)
    assert np.mean((logits > 0) == (unseen.labels.prefer_second == 1)) > 0.8


def test_a_segments_score_is_the_sum_of_what_its_steps_are_paid(many: list[Trajectory]) -> None:
    reward = learner()
    dataset, _ = labelled(many, 20)
    reward.learn(dataset)
    sums = [
        reward.member_rewards(segment.read("observations"), segment.read("actions"))
        .mean(axis=0)
        .sum()
        for segment in dataset.pairs[3]
    ]
    expected = reward.member_logits(dataset.pairs).mean(axis=0)[3]
    assert sums[1] - sums[0] == pytest.approx(expected, abs=1e-4)


def test_labels_of_earlier_sessions_are_trained_on_again(many: list[Trajectory]) -> None:
    reward = learner()
    reward.learn(labelled(many, 8)[0])
    report = reward.learn(labelled(many, 4, seed=2)[0])
    assert (report.n_labels, report.n_new, reward.version) == (12, 4, 2)


def test_without_answers_the_model_stays_as_it_is(many: list[Trajectory]) -> None:
    reward = learner()
    before = reward.model.digest()
    dataset, _ = labelled(many, 4)
    outcome = np.full(4, Outcome.REFUSED, np.uint8)
    refused = PreferenceDataset(
        dataset.pairs, PreferenceLabels(dataset.labels.prefer_second, outcome)
    )
    report = reward.learn(refused)
    assert (report.n_new, reward.version, reward.model.digest()) == (0, 0, before)


def test_it_goes_on_from_a_state_as_if_it_had_never_stopped(many: list[Trajectory]) -> None:
    first, second = labelled(many, 12)[0], labelled(many, 6, seed=1)[0]
    digests = []
    for stops in (False, True):
        reward = learner(label_filter=RIMEFilter(), training=RewardTraining(epochs=6))
        reward.learn(first)
        if stops:
            tensors, notes = reward.state()
            kept = {name: tensor.clone() for name, tensor in tensors.items()}
            reward = learner(label_filter=RIMEFilter(), training=RewardTraining(epochs=6))
            reward.restore(kept, notes)
        reward.learn(second)
        digests.append((reward.model.digest(), reward.version, len(reward.prefer_second)))
    assert digests[0] == digests[1]


def test_a_filter_trusts_clean_labels_where_three_in_ten_are_wrong(many: list[Trajectory]) -> None:
    reward = learner(
        label_filter=RIMEFilter(), training=RewardTraining(epochs=100, learning_rate=1e-3)
    )
    dataset, is_wrong = labelled(many, 300, flipped=0.3)
    report = reward.learn(dataset)
    assert report.trusted < 1
    judge = reward._filter
    assert judge is not None
    logits = reward.member_logits(dataset.pairs)
    trust = judge.judge(logits, dataset.labels.prefer_second, np.zeros(300, np.bool_))
    assert np.mean(~is_wrong[trust.trusted]) > 0.8


def test_clouds_of_points_are_refused() -> None:
    with pytest.raises(NeedsError, match="inputs='points'"):
        learner(config={"inputs": "points"})


def test_new_labels_are_foreseen_or_not_before_they_are_learnt_from(many: list[Trajectory]) -> None:
    reward = learner()
    first, _ = labelled(many, 60)
    session = reward.learn(first)
    assert (session.foreseen, session.disagreement) == (None, None)  # it knew nothing
    logits = reward.member_logits(first.pairs)
    agreed = (logits.mean(axis=0) > 0) == (first.labels.prefer_second == 1)
    again = reward.learn(first)
    assert again.foreseen == pytest.approx(agreed.mean())
    spread = (1 / (1 + np.exp(-logits))).std(axis=0).mean()
    assert again.disagreement == pytest.approx(spread)
