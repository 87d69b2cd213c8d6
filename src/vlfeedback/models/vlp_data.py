"""Training clips of the VLP model: pictures, simulator states, and how good each window is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64, UInt8

from vlfeedback.data.collection import Collection
from vlfeedback.data.instructions import instruction_corpus
from vlfeedback.encoders.words import WordVectors
from vlfeedback.errors import NeedsError, ShapeError
from vlfeedback.types import Frames, Trajectory

__all__ = ["ClipSet", "Texts", "load_clips"]

WINDOW = 50  # steps of a scored window (VLP paper, Table 8)
_LEVELS = ("random", "medium", "expert")  # worst first
_STATE = 18  # hand, gripper, two objects: the present half of a Meta-World observation


@dataclass(frozen=True, slots=True, eq=False)
class ClipSet:
    """Pictures of C trajectories at F states each; picture 0 is the reset.

    A window is named by its last picture `end` in [1, F): it shows `n_frames` pictures up to
    that one, the reset picture standing in for those before the episode.
    """

    task: Int64[np.ndarray, " C"]  # index into the list of tasks
    pictures: UInt8[np.ndarray, "C F H W 3"]
    states: Float32[np.ndarray, "C F 18"]  # standardised within each task
    quality: Float32[np.ndarray, "C F"]  # rank of a window's return in its task, 0 to 1
    level: Int64[np.ndarray, " C"]  # 0 random, 1 medium, 2 expert

    def window(self, ends: Int64[np.ndarray, " B"], n_frames: int) -> Int64[np.ndarray, "B n"]:
        """Indices of the pictures that windows with these last pictures show."""
        shown = ends[:, None] - np.arange(n_frames - 1, -1, -1)
        return np.asarray(np.maximum(shown, 0))


def load_clips(collection: Collection, tasks: Sequence[str]) -> ClipSet:
    """Read all trajectories of these tasks into memory (83 MB a task at 112 px).

    Raises:
        FileNotFoundError: the collection lacks a task.
        NeedsError: a trajectory has no pictures or no rewards.
        ShapeError: trajectories differ in the states that were pictured.
    """
    by_task = [collection.load(task) for task in tasks]
    trajectories = [trajectory for group in by_task for trajectory in group]
    times = _pictured_times(trajectories)
    shape = _read(trajectories[0], times[:1]).shape[1:]
    pictures = np.empty((len(trajectories), len(times), *shape), np.uint8)
    for row, trajectory in enumerate(trajectories):
        pictures[row] = _read(trajectory, times)
    states = [
        _standardise(np.stack([t.observations[times, :_STATE] for t in group])) for group in by_task
    ]
    quality = [
        _rank(np.stack([_window_returns(_rewards(t), times) for t in group])) for group in by_task
    ]
    return ClipSet(
        task=np.repeat(np.arange(len(tasks)), [len(group) for group in by_task]),
        pictures=pictures,
        states=np.concatenate(states).astype(np.float32),
        quality=np.concatenate(quality).astype(np.float32),
        level=np.array([_LEVELS.index(t.info["level"]) for t in trajectories]),
    )


def _pictured_times(trajectories: Sequence[Trajectory]) -> Int64[np.ndarray, " F"]:
    for trajectory in trajectories:
        if trajectory.frames is None:
            raise NeedsError(f"{trajectory!r} has no pictures; collect it again.")
    times = [np.asarray(t.frames.times) for t in trajectories if t.frames is not None]
    for trajectory, other in zip(trajectories, times, strict=True):
        if not np.array_equal(other, times[0]):
            raise ShapeError(
                f"{trajectory!r} has pictures of states {other[:4].tolist()} ..., the others of "
                f"{times[0][:4].tolist()} ...; collect all tasks with one stride and horizon."
            )
    return times[0]


def _read(trajectory: Trajectory, times: Int64[np.ndarray, " F"]) -> UInt8[np.ndarray, "F H W 3"]:
    return cast(Frames, trajectory.frames).read(times)


def _rewards(trajectory: Trajectory) -> Float32[np.ndarray, " L"]:
    if trajectory.env_rewards is None:
        raise NeedsError(f"{trajectory!r} has no rewards of its own; collect it again.")
    return trajectory.env_rewards


def _window_returns(
    rewards: Float[np.ndarray, " L"], times: Int64[np.ndarray, " F"]
) -> Float[np.ndarray, " F"]:
    """Return of the 50 steps up to each picture; before the episode the first reward counts."""
    still = np.full(WINDOW, rewards[0])
    total = np.cumsum(np.concatenate([[0.0], still, rewards]))
    returns: Float[np.ndarray, " F"] = total[times + WINDOW] - total[times]
    return returns


def _rank(returns: Float[np.ndarray, "N F"]) -> Float[np.ndarray, "N F"]:
    order = np.argsort(np.argsort(returns, axis=None, kind="stable"), kind="stable")
    rank: Float[np.ndarray, "N F"] = (order / (order.size - 1)).reshape(returns.shape)
    return rank


def _standardise(states: Float[np.ndarray, "N F D"]) -> Float[np.ndarray, "N F D"]:
    flat = states.reshape(-1, states.shape[-1])
    spread = np.maximum(flat.std(axis=0), 0.01)  # a centimetre: what never moves teaches nothing
    return np.asarray(np.clip((states - flat.mean(axis=0)) / spread, -4.0, 4.0))


class Texts:
    """Instruction corpora of some tasks, encoded once."""

    def __init__(self, tasks: Sequence[str], *, max_words: int) -> None:
        corpora = [instruction_corpus(task) for task in tasks]
        texts = [text for corpus in corpora for text in corpus]
        self.words: Float32[np.ndarray, "S M E"]
        self.mask: Bool[np.ndarray, "S M"]
        self.words, self.mask = WordVectors.load().encode(texts, max_tokens=max_words)
        sizes = np.array([len(corpus) for corpus in corpora])
        self._first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self._sizes = sizes

    def draw(
        self, tasks: Int64[np.ndarray, " B"], rng: np.random.Generator
    ) -> Int64[np.ndarray, " B"]:
        """Index of one phrase of each task, drawn uniformly."""
        rows: Int64[np.ndarray, " B"] = self._first[tasks] + rng.integers(self._sizes[tasks])
        return rows
