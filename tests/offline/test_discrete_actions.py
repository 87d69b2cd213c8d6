"""Discrete actions are discrete in every buffer, and no learner takes them for numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vlfeedback.adapters.d3rlpy import from_replay_buffer, to_mdp_dataset, to_replay_buffer
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.errors import InvalidValueError
from vlfeedback.types import PreferenceLabels, Trajectory

d3rlpy = pytest.importorskip("d3rlpy")

from vlfeedback.offline import (  # noqa: E402
    PreferenceBuffer,
    TransitionBuffer,
    list_learners,
    train_policy,
)


def episodes(actions: np.ndarray, n: int = 2) -> list[Trajectory]:
    rng = np.random.default_rng(0)
    length = len(actions)
    return [
        Trajectory(
            rng.normal(size=(length + 1, 4)).astype(np.float32),
            actions,
            rewards=np.ones(length, np.float32),
            env_rewards=np.ones(length, np.float32),
            truncated=True,
            id=f"choice/{i}",
        )
        for i in range(n)
    ]


COLUMN = np.array([[0], [2], [1], [2], [0], [1]])


@pytest.mark.parametrize(
    ("actions", "kind", "size"),
    [
        (COLUMN, "DISCRETE", 3),
        (COLUMN[:, 0], "DISCRETE", 3),
        (COLUMN.astype(np.uint8), "DISCRETE", 3),
        (COLUMN[:, 0] > 0, "DISCRETE", 2),
        (np.tile(COLUMN, 2), "CONTINUOUS", 2),
        (COLUMN.astype(np.float32), "CONTINUOUS", 1),
    ],
)
def test_every_buffer_says_the_same_of_actions(actions: np.ndarray, kind: str, size: int) -> None:
    written = episodes(actions)
    buffers: list[Any] = [make(written) for make in (to_replay_buffer, to_mdp_dataset)]
    buffers += [
        TransitionBuffer(written),
        to_replay_buffer(from_replay_buffer(buffers[0]), rewards="env"),
    ]
    buffers.append(TransitionBuffer(from_replay_buffer(buffers[1]), rewards="env"))
    for buffer in buffers:
        about = buffer.dataset_info
        assert (about.action_space.name, about.action_size) == (kind, size)
        batch = buffer.sample_transition_batch(64)
        expected = {tuple(row) for row in actions.reshape(len(actions), -1).astype(float).tolist()}
        assert {tuple(row) for row in batch.actions.tolist()} == expected


def test_what_d3rlpy_says_of_actions_is_kept_whatever_their_dtype() -> None:
    n = 12
    common: dict[str, Any] = {
        "observations": np.zeros((n, 4), np.float32),
        "rewards": np.zeros((n, 1), np.float32),
        "terminals": np.zeros(n, np.float32),
        "timeouts": (np.arange(n) % 6 == 5).astype(np.float32),
    }
    choices = np.tile(COLUMN, (2, 1))
    space = d3rlpy.ActionSpace
    as_floats = d3rlpy.dataset.MDPDataset(
        actions=choices.astype(np.float32), action_space=space.DISCRETE, action_size=3, **common
    )
    read = from_replay_buffer(as_floats)
    assert TransitionBuffer(read, rewards="env").dataset_info.action_space is space.DISCRETE
    amounts = d3rlpy.dataset.MDPDataset(
        actions=choices, action_space=space.CONTINUOUS, action_size=1, **common
    )
    read = from_replay_buffer(amounts)
    assert TransitionBuffer(read, rewards="env").dataset_info.action_space is space.CONTINUOUS
    np.testing.assert_array_equal(read[0].actions, COLUMN[:5])


def preferences(trajectories: list[Trajectory]) -> PreferenceDataset:
    first, second = (t.segment(0, 4) for t in trajectories[:2])
    labels = PreferenceLabels(np.array([0, 1], np.float32), np.array([True, True]))
    return PreferenceDataset([(first, second), (second, first)], labels)


@pytest.mark.parametrize("learner", list_learners())
@pytest.mark.parametrize("actions", [COLUMN, COLUMN[:, 0]])
def test_a_learner_that_acts_with_numbers_says_so_before_anything_is_trained(
    learner: str, actions: np.ndarray
) -> None:
    written = episodes(actions)
    with pytest.raises(InvalidValueError, match=r"'choice/0' has discrete actions .*DiscreteCQL"):
        train_policy(
            learner, trajectories=written, preferences=preferences(written), n_steps=1, seed=0
        )


def test_a_learner_that_is_used_by_itself_says_so_too() -> None:
    from vlfeedback.offline import BCConfig, DiffusionPolicyConfig, IQLConfig
    from vlfeedback.offline.diffusion_policy import DiffusionPolicy

    written = episodes(COLUMN)
    for config, name in ((BCConfig(), "BC"), (IQLConfig(), "IQL")):
        for buffer in (TransitionBuffer(written), to_replay_buffer(written)):
            with pytest.raises(
                InvalidValueError, match=rf"discrete actions \(3 values\), and {name}"
            ):
                config.create().fit(buffer, n_steps=1)
    with pytest.raises(InvalidValueError, match="has discrete actions"):
        PreferenceBuffer(preferences(written))
    with pytest.raises(InvalidValueError, match="and Diffusion Policy acts with vectors"):
        DiffusionPolicy(DiffusionPolicyConfig()).fit(written, 1)


def test_negative_and_endless_choices_are_refused() -> None:
    for make in (to_replay_buffer, TransitionBuffer):
        with pytest.raises(
            InvalidValueError, match=r"from -1 to 2; expected 0 .*astype\('float32'\)"
        ):
            make(episodes(np.array([[-1], [2]])))
        with pytest.raises(InvalidValueError, match="from 0 to 1000000000; expected 0 to"):
            make(episodes(np.array([0, 10**9])))
