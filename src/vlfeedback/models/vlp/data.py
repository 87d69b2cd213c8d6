"""Training data of the VLP model: clips, scattered scenes, and the texts of their tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64, Shaped, UInt8

from vlfeedback.data.collection import Collection
from vlfeedback.data.instructions import instruction_corpus
from vlfeedback.encoders.words import WordVectors
from vlfeedback.errors import NeedsError, ShapeError
from vlfeedback.types import SCATTERED, Frames, Trajectory

__all__ = ["LEVELS", "ClipSet", "SceneSet", "Texts", "load_clips", "load_scenes"]

WINDOW = 50  # steps of a scored window (VLP paper, Table 8)
LEVELS = ("random", "medium", "expert")  # worst first
_STATE = 18  # hand, gripper, two objects: the present half of a Meta-World observation


@dataclass(frozen=True, slots=True, eq=False)
class ClipSet:
    """Pictures of C trajectories at F states each; picture 0 is the reset.

    A window is named by its last picture `end` in [1, F): it shows `n_frames` pictures up to
    that one, the reset picture standing in for those before the episode.
    """

    task: Int64[np.ndarray, " C"]  # index into the list of tasks
    level: Int64[np.ndarray, " C"]  # 0 random, 1 medium, 2 expert
    pictures: UInt8[np.ndarray, "C F H W 3"]
    positions: Float32[np.ndarray, "C F 10"]  # metres, see `vlp_encoder.POSITIONS`
    states: Float32[np.ndarray, "C F 18"]  # standardised within each task
    reward: Float32[np.ndarray, "C F"]  # rank of a picture's step reward in its task, 0 to 1
    window_return: Float32[np.ndarray, "C F"]  # rank of a window's return in its task, 0 to 1

    def window(self, ends: Int64[np.ndarray, "*B"], n_frames: int) -> Int64[np.ndarray, "*B n"]:
        """Indices of the pictures that windows with these last pictures show."""
        shown = ends[..., None] - np.arange(n_frames - 1, -1, -1)
        return np.asarray(np.maximum(shown, 0))


@dataclass(frozen=True, slots=True, eq=False)
class SceneSet:
    """S unrelated pictures and where things are in them."""

    task: Int64[np.ndarray, " S"]
    pictures: UInt8[np.ndarray, "S H W 3"]
    positions: Float32[np.ndarray, "S 10"]


def load_clips(collection: Collection, tasks: Sequence[str], share: float = 1.0) -> ClipSet:
    """Read trajectories of these tasks into memory (83 MB a task at 112 px).

    Args:
        collection: what `vlfeedback collect` made.
        tasks: which tasks.
        share: of each level's trajectories, the first ones.

    Raises:
        FileNotFoundError: the collection lacks a task or a level of it.
        NeedsError: a trajectory has no pictures or no rewards.
        ShapeError: trajectories differ in the states that were pictured.
    """
    by_task = [_load_levels(collection, task, share) for task in tasks]
    trajectories = [trajectory for group in by_task for trajectory in group]
    times = _pictured_times(trajectories)
    shape = _read(trajectories[0], times[:1]).shape[1:]
    pictures = np.empty((len(trajectories), len(times), *shape), np.uint8)
    for row, trajectory in enumerate(trajectories):
        pictures[row] = _read(trajectory, times)
    states = [np.stack([t.observations[times, :_STATE] for t in group]) for group in by_task]
    rewards = [np.stack([_rewards(t) for t in group]) for group in by_task]
    return ClipSet(
        task=np.repeat(np.arange(len(tasks)), [len(group) for group in by_task]),
        level=np.array([LEVELS.index(t.level) for t in trajectories]),
        pictures=pictures,
        positions=measure_positions(np.concatenate(states)),
        states=np.concatenate([_standardise(group) for group in states]).astype(np.float32),
        reward=_ranks([group[:, np.maximum(times - 1, 0)] for group in rewards]),
        window_return=_ranks([_window_returns(group, times) for group in rewards]),
    )


def load_scenes(collection: Collection, tasks: Sequence[str], share: float = 1.0) -> SceneSet:
    """Read scattered scenes of these tasks into memory (17 MB a task at 112 px).

    Raises:
        FileNotFoundError: the collection has none of a task.
        NeedsError: they have no pictures.
    """
    groups = [collection.load(task, [SCATTERED]) for task in tasks]
    groups = [group[: max(1, round(share * len(group)))] for group in groups]
    trajectories = [trajectory for group in groups for trajectory in group]
    times = _pictured_times(trajectories)
    return SceneSet(
        task=np.repeat(np.arange(len(tasks)), [len(times) * len(group) for group in groups]),
        pictures=np.concatenate([_read(t, times) for t in trajectories]),
        positions=np.concatenate([measure_positions(t.observations[times]) for t in trajectories]),
    )


def measure_positions(
    observations: Shaped[np.ndarray, "*B o"],
) -> Float32[np.ndarray, "*B 10"]:
    """Hand, gripper, object, and object minus hand, of Meta-World observations; metres."""
    hand, thing = observations[..., 0:3], observations[..., 4:7]
    parts = [observations[..., 0:4], thing, thing - hand]
    return np.concatenate(parts, axis=-1).astype(np.float32)


def _load_levels(collection: Collection, task: str, share: float) -> list[Trajectory]:
    kept = []
    for level in LEVELS:
        trajectories = collection.load(task, [level])
        kept += trajectories[: max(1, round(share * len(trajectories)))]
    return kept


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
    rewards: Float[np.ndarray, "N L"], times: Int64[np.ndarray, " F"]
) -> Float[np.ndarray, "N F"]:
    """Return of the 50 steps up to each picture; before the episode the first reward counts."""
    still = np.repeat(rewards[:, :1], WINDOW, axis=1)
    steps = np.concatenate([np.zeros_like(rewards[:, :1]), still, rewards], axis=1)
    total = np.cumsum(steps, axis=1, dtype=np.float64)
    returns: Float[np.ndarray, "N F"] = total[:, times + WINDOW] - total[:, times]
    return returns


def _ranks(by_task: Sequence[Float[np.ndarray, "_ F"]]) -> Float32[np.ndarray, "C F"]:
    """Rank of each number among all of its task, 0 to 1."""
    ranks = []
    for numbers in by_task:
        order = np.argsort(np.argsort(numbers, axis=None, kind="stable"), kind="stable")
        ranks.append((order / (order.size - 1)).reshape(numbers.shape))
    return np.concatenate(ranks).astype(np.float32)


def _standardise(states: Float[np.ndarray, "N F D"]) -> Float[np.ndarray, "N F D"]:
    flat = states.reshape(-1, states.shape[-1])
    spread = np.maximum(flat.std(axis=0), 0.01)  # a centimetre: what never moves teaches nothing
    return np.asarray(np.clip((states - flat.mean(axis=0)) / spread, -4.0, 4.0))


class Texts:
    """Instruction corpora of some tasks, encoded once.

    Args:
        tasks: in the order of the clips' task indices.
        max_words: tokens of an instruction that are read.
        corpus: phrases of each task; default: the shipped `instruction_corpus`.

    Raises:
        NeedsError: the corpus lacks a task.
    """

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        max_words: int,
        corpus: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        lacking = [] if corpus is None else [task for task in tasks if task not in corpus]
        if lacking:
            raise NeedsError(
                f"The instructions lack {', '.join(lacking)}; add them with: vlfeedback "
                "instructions write, or leave these tasks out with --exclude."
            )
        corpora = [instruction_corpus(t) if corpus is None else corpus[t] for t in tasks]
        texts = [text for phrases in corpora for text in phrases]
        self.words: Float32[np.ndarray, "S M E"]
        self.mask: Bool[np.ndarray, "S M"]
        self.words, self.mask = WordVectors.load().encode(texts, max_tokens=max_words)
        sizes = np.array([len(phrases) for phrases in corpora])
        self._first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self._sizes = sizes

    def draw(
        self, tasks: Int64[np.ndarray, " B"], rng: np.random.Generator
    ) -> Int64[np.ndarray, " B"]:
        """Index of one phrase of each task, drawn uniformly."""
        rows: Int64[np.ndarray, " B"] = self._first[tasks] + rng.integers(self._sizes[tasks])
        return rows
