"""Toy data of the VLP model: coloured pictures that grow as bright as a clip is good."""

import numpy as np
import pytest

from vlfeedback.models.vlp_data import ClipSet, SceneSet, Texts

GOALS = (0.1, 0.4, 0.8, 1.0)  # brightness at the end of the four clips of each task
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
    """Rank in its task of each value, 0 to 1; the clips of a task follow each other."""
    by_task = values.reshape(3, -1)
    order = by_task.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    return (order / (by_task.shape[1] - 1)).reshape(values.shape).astype(np.float32)


@pytest.fixture(scope="session")
def clips() -> ClipSet:
    """Four clips of each of three tasks, six pictures each: one random, one medium, two experts."""
    task = np.repeat(np.arange(3), 4)
    brightness = np.tile(GOALS, 3)[:, None] * np.linspace(0, 1, 6)
    return ClipSet(
        task=task,
        level=np.tile([0, 1, 2, 2], 3),
        pictures=paint(np.repeat(task[:, None], 6, axis=1), brightness),
        positions=lift(brightness),
        states=np.repeat(brightness[..., None], 18, axis=-1).astype(np.float32),
        reward=rank(brightness),
        window_return=rank(brightness.cumsum(axis=1)),
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
