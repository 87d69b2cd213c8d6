"""Toy data: pictures as bright as an episode is good so far; pairs with a known reward."""

import numpy as np
import pytest

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.sampling import sample_segment_pairs
from vlfeedback.models.vlp.data import EpisodeSet, SceneSet
from vlfeedback.models.vlp.texts import Texts
from vlfeedback.types import ArrayFrames, PreferenceLabels, Trajectory

GOALS = (0.1, 0.4, 0.8, 1.0)  # brightness at the end of the four episodes of each task
CORPUS = {
    "drawer-open": ["open the drawer", "pull the drawer out"],
    "door-open": ["open the door", "swing the door open"],
    "reach": ["reach the goal", "move the hand to the goal"],
}


def paint(task: np.ndarray, brightness: np.ndarray) -> np.ndarray:
    """Pictures (*B, 64, 64, 3) in the colour of each task."""
    colour = np.eye(3)[task] * (60 + 195 * brightness[..., None])
    return np.broadcast_to(colour[..., None, None, :], (*colour.shape[:-1], 64, 64, 3)).astype(
        np.uint8
    )


def lift(brightness: np.ndarray) -> np.ndarray:
    """Positions (*B, 10) of an object that is lifted by 30 cm as the picture grows bright."""
    hand = np.broadcast_to([0.0, 0.6, 0.3], (*brightness.shape, 3))
    thing = np.stack([0 * brightness, 0.6 + 0 * brightness, 0.3 * brightness], axis=-1)
    gripper = np.ones((*brightness.shape, 1))
    return np.concatenate([hand, gripper, thing, thing - hand], axis=-1).astype(np.float32)


def rank(values: np.ndarray) -> np.ndarray:
    """Rank in its task of each value, 0 to 1; the episodes of a task follow each other."""
    by_task = values.reshape(3, -1)
    order = by_task.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    return (order / (by_task.shape[1] - 1)).reshape(values.shape).astype(np.float32)


@pytest.fixture(scope="session")
def episodes() -> EpisodeSet:
    """Four episodes of each of three tasks, six pictures each: random, medium, two experts."""
    task = np.repeat(np.arange(3), 4)
    brightness = np.tile(GOALS, 3)[:, None] * np.linspace(0, 1, 6)
    return EpisodeSet(
        task=task,
        level=np.tile([0, 1, 2, 2], 3),
        pictures=paint(np.repeat(task[:, None], 6, axis=1), brightness),
        positions=lift(brightness),
        states=np.repeat(brightness[..., None], 18, axis=-1).astype(np.float32),
        reward=rank(brightness),
        window_return=rank(brightness.cumsum(axis=1)),
        progress=brightness.astype(np.float32),
    )


@pytest.fixture(scope="session")
def scenes() -> SceneSet:
    """Eight pictures of each task, of any brightness."""
    task = np.repeat(np.arange(3), 8)
    brightness = np.random.default_rng(0).uniform(size=24)
    return SceneSet(task=task, pictures=paint(task, brightness), positions=lift(brightness))


@pytest.fixture(scope="session")
def texts() -> Texts:
    """Two phrases of each task."""
    return Texts(list(CORPUS), max_words=24, corpus=CORPUS)


@pytest.fixture(scope="session")
def planted() -> PreferenceDataset:
    """100 pairs of 10 steps, preferred by the sum of tanh(2 x + action), x of three numbers."""
    rng = np.random.default_rng(0)
    trajectories = []
    for index in range(40):
        observations = rng.normal(size=(31, 3)).astype(np.float32)
        actions = rng.uniform(-1, 1, (30, 1)).astype(np.float32)
        trajectories.append(
            Trajectory(
                observations,
                actions,
                env_rewards=np.tanh(2 * observations[:-1, 0] + actions[:, 0]).astype(np.float32),
                frames=ArrayFrames(
                    np.arange(31), rng.integers(0, 256, (31, 48, 48, 3), dtype=np.uint8)
                ),
                id=str(index),
            )
        )
    pairs = sample_segment_pairs(trajectories, 100, 10, rng=rng)
    first, second = ([p[side].read("env_rewards").sum() for p in pairs] for side in (0, 1))
    prefer_second = (np.array(second) > np.array(first)).astype(np.float32)
    return PreferenceDataset(pairs, PreferenceLabels(prefer_second, np.ones(100, dtype=np.bool_)))
