"""Training clips of the VLP model: pictures, simulator states, and how good each window is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8

from vlfeedback.data.collection import Collection
from vlfeedback.data.instructions import instruction_corpus
from vlfeedback.encoders.words import WordVectors
from vlfeedback.errors import ShapeError

__all__ = ["ClipSet", "Texts", "load_clips"]

WINDOW = 50  # steps of a scored window (VLP paper, Table 8)
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
    level: Int64[np.ndarray, " C"]

    def window(self, ends: Int64[np.ndarray, " B"], n_frames: int) -> Int64[np.ndarray, "B n"]:
        """Indices of the pictures that windows with these last pictures show."""
        return np.maximum(ends[:, None] - np.arange(n_frames - 1, -1, -1), 0)


def load_clips(collection: Collection, tasks: Sequence[str]) -> ClipSet:
    """Read all trajectories of these tasks into memory (40 MB a task at 112 px).

    Raises:
        FileNotFoundError: the collection lacks a task.
        ShapeError: its pictures are not one after the first step and every stride-th after it.
    """
    parts: list[tuple[np.ndarray, ...]] = []
    levels: dict[str, int] = {}
    for index, task in enumerate(tasks):
        trajectories = collection.load(task)
        pictures, states, returns = [], [], []
        for trajectory in trajectories:
            if trajectory.frames is None or trajectory.env_rewards is None:
                raise ShapeError(f"{trajectory!r} lacks pictures or rewards; collect it again.")
            times = trajectory.frames.times
            pictures.append(trajectory.frames.read(times))
            states.append(trajectory.observations[times, :_STATE])
            returns.append(_window_returns(trajectory.env_rewards, times))
        parts.append(
            (
                np.full(len(trajectories), index),
                np.stack(pictures),
                _standardise(np.stack(states)),
                _rank(np.stack(returns)),
                np.array([levels.setdefault(t.info["level"], len(levels)) for t in trajectories]),
            )
        )
    task_index, frames, state, quality, level = map(np.concatenate, zip(*parts, strict=True))
    return ClipSet(task_index, frames, state.astype(np.float32), quality.astype(np.float32), level)


def _window_returns(rewards: Float32[np.ndarray, " L"], times: np.ndarray) -> np.ndarray:
    """Return of the 50 steps up to each picture; before the episode the first reward counts."""
    still = np.full(WINDOW, rewards[0])
    total = np.concatenate([[0.0], np.cumsum(np.concatenate([still, rewards]))])
    return total[times + WINDOW] - total[times]


def _rank(returns: np.ndarray) -> np.ndarray:
    order = np.argsort(np.argsort(returns, axis=None, kind="stable"), kind="stable")
    return (order / (order.size - 1)).reshape(returns.shape)


def _standardise(states: np.ndarray) -> np.ndarray:
    flat = states.reshape(-1, states.shape[-1])
    spread = np.maximum(flat.std(axis=0), 0.01)  # a centimetre: what never moves teaches nothing
    return np.clip((states - flat.mean(axis=0)) / spread, -4.0, 4.0)


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
        return self._first[tasks] + rng.integers(self._sizes[tasks])
