"""Discrete states and actions are read one-hot: their numbers are names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.errors import InvalidValueError, ShapeError
from vlfeedback.models.reward.fit import RewardTraining, fit_reward_model
from vlfeedback.models.reward.inputs import read_steps
from vlfeedback.models.reward.model import RewardModel
from vlfeedback.models.reward.networks import RewardModelConfig, config_values
from vlfeedback.types import PreferenceLabels, SegmentBatch, Trajectory


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float32])
@pytest.mark.parametrize("column", [False, True])
def test_each_value_is_an_entry_of_its_own(dtype: type, column: bool) -> None:
    states: np.ndarray = np.array([[4, 0]], dtype)
    actions: np.ndarray = np.array([[2, 1]], dtype)
    if column:
        states, actions = states[..., None], actions[..., None]
    batch = SegmentBatch(observations=states, actions=actions)
    steps = read_steps(batch, RewardModelConfig(n_states=5, n_actions=3))
    assert steps.dtype == torch.float32
    assert steps.tolist() == [[[0, 0, 0, 0, 1, 0, 0, 1], [1, 0, 0, 0, 0, 0, 1, 0]]]
    only_actions = read_steps(batch, RewardModelConfig(n_actions=3))
    assert only_actions.tolist() == [[[4, 0, 0, 1], [0, 0, 1, 0]]]
    assert read_steps(batch, RewardModelConfig()).tolist() == [[[4, 2], [0, 1]]]


def liked(column: bool, n: int = 60) -> PreferenceDataset:
    """Of four actions only 1 is liked, which no straight line over their numbers can say."""
    rng = np.random.default_rng(0)
    shape = (5, 1) if column else (5,)
    trajectories = [
        Trajectory(
            rng.normal(size=(6, 2)).astype(np.float32),
            rng.integers(0, 4, shape),
            truncated=True,
            id=str(i),
        )
        for i in range(2 * n)
    ]
    counts = np.array([np.count_nonzero(t.actions == 1) for t in trajectories])
    gap = counts[1::2] - counts[::2]
    prefer_second = (0.5 + 0.5 * np.sign(gap)).astype(np.float32)
    segments = [t.segment(0, 5) for t in trajectories]
    pairs = list(zip(segments[::2], segments[1::2], strict=True))
    return PreferenceDataset(pairs, PreferenceLabels(prefer_second, np.ones(n, np.bool_)))


@pytest.mark.parametrize("column", [False, True])
def test_a_linear_model_learns_which_action_is_liked(tmp_path: Path, column: bool) -> None:
    model, report = fit_reward_model(
        liked(column),
        config=RewardModelConfig(network="linear", n_members=1),
        training=RewardTraining(epochs=60, learning_rate=0.05, validation=0.0),
        rng=np.random.default_rng(0),
    )
    assert (model.config.n_actions, model.config.n_states) == (4, 0)
    assert report.train_accuracy > 0.95
    actions = np.arange(4).reshape(1, 4, 1) if column else np.arange(4)[None]
    batch = SegmentBatch(observations=np.zeros((1, 4, 2), np.float32), actions=actions)
    rewards = model.member_rewards(batch)[0, 0]
    assert rewards.argmax() == 1
    others = rewards[[0, 2, 3]]
    assert rewards[1] - others.max() > 4 * np.ptp(others)
    model.save(tmp_path / "model.safetensors")
    again = RewardModel.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.member_rewards(batch)[0, 0], rewards)


def test_a_model_of_numbers_is_described_as_it_was_before() -> None:
    names = set(config_values(RewardModelConfig()))
    assert "n_members" in names and not names & {"n_states", "n_actions"}
    assert config_values(RewardModelConfig(n_actions=3))["n_actions"] == 3


def test_values_that_no_trajectory_showed_are_refused() -> None:
    batch = SegmentBatch(observations=np.zeros((1, 2, 2)), actions=np.array([[0, 3]]))
    with pytest.raises(
        InvalidValueError, match=r"actions hold 3, .* values 0 to 2.*n_actions=\.\.\."
    ):
        read_steps(batch, RewardModelConfig(n_actions=3))
    with pytest.raises(InvalidValueError, match=r"actions hold 0\.5, and"):
        halves = SegmentBatch(observations=np.zeros((1, 2, 2)), actions=np.full((1, 2), 0.5))
        read_steps(halves, RewardModelConfig(n_actions=3))
    with pytest.raises(ShapeError, match=r"observations have 2 numbers a step; .* of 7 discrete"):
        read_steps(batch, RewardModelConfig(n_states=7))
    with pytest.raises(InvalidValueError, match="n_states=-1 and n_actions=0; expected how many"):
        RewardModelConfig(n_states=-1)
