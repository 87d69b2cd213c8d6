"""Segments are labelled with the rest that fills them, and cloned without."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vlfeedback.data.learning_episodes import forget_stops
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.offline import PreferenceBuffer, train_policy
from vlfeedback.types import PreferenceLabels, Trajectory

N_PAIRS, LENGTH, STOP = 6, 8, 5


def episodes(*, at_rest: float) -> list[Trajectory]:
    """Every second one stops after 5 of 8 steps and does `at_rest` from there."""
    rng = np.random.default_rng(0)
    made = []
    for k in range(2 * N_PAIRS):
        actions = rng.uniform(-0.9, 0.9, (LENGTH, 2)).astype(np.float32)
        stopped_at = STOP if k % 2 else LENGTH
        actions[stopped_at:] = at_rest
        made.append(
            Trajectory(
                rng.normal(size=(LENGTH + 1, 3)).astype(np.float32),
                actions,
                truncated=True,
                id=str(k),
                stopped_at=stopped_at,
            )
        )
    return made


def pairs_of(trajectories: list[Trajectory]) -> PreferenceDataset:
    segments = [trajectory.segment(0, LENGTH) for trajectory in trajectories]
    prefer_second = np.arange(N_PAIRS, dtype=np.float32) % 2
    labels = PreferenceLabels(prefer_second, np.ones(N_PAIRS, dtype=np.bool_))
    return PreferenceDataset(list(zip(segments[::2], segments[1::2], strict=True)), labels)


def actions_after(learner: str, dataset: PreferenceDataset, **settings: Any) -> np.ndarray:
    """What the trained policy does in some states."""
    small = {"hidden": [16], "batch_size": 4, "dropout": 0.0, **settings}
    policy = train_policy(
        learner, preferences=dataset, preset="smoke", n_steps=30, seed=0, **small
    ).algo
    return np.asarray(policy.predict(np.random.default_rng(1).normal(size=(20, 3)).astype("f4")))


LEARNERS = [
    ("cpl", {"bc_steps": 10}),
    ("cpl-kl", {"bc_steps": 10}),
    ("ipl", {}),
    ("sft", {"bc_steps": 10}),
]


@pytest.mark.parametrize(("learner", "settings"), LEARNERS)
def test_what_is_done_at_rest_changes_nothing(learner: str, settings: dict[str, Any]) -> None:
    one, other = (
        actions_after(learner, pairs_of(episodes(at_rest=at_rest)), **settings)
        for at_rest in (0.0, 0.8)
    )
    np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize(("learner", "settings"), LEARNERS)
def test_where_nobody_says_when_it_began_it_is_learnt_as_well(
    learner: str, settings: dict[str, Any]
) -> None:
    one, other = (
        actions_after(learner, pairs_of(forget_stops(episodes(at_rest=at_rest))), **settings)
        for at_rest in (0.0, 0.8)
    )
    assert np.abs(one - other).max() > 1e-3


def test_a_batch_says_which_of_its_steps_were_acted() -> None:
    trajectories = episodes(at_rest=0.0)
    late = [replace(t, id=f"late {t.id}") for t in trajectories[:2]]
    pair = (late[0].segment(2, 6), late[1].segment(2, 6))
    labels = PreferenceLabels(np.ones(1, dtype=np.float32), np.ones(1, dtype=np.bool_))
    batch = PreferenceBuffer(PreferenceDataset([pair], labels)).everything()
    np.testing.assert_array_equal(
        batch.acted.reshape(2, 6), [[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]]
    )
