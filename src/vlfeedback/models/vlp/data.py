"""Training data of the VLP model: pictures of episodes and of scattered scenes, in memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from jaxtyping import Float, Float32, Int64, Shaped, UInt8

from vlfeedback.data.collection import Collection
from vlfeedback.data.contents import file_digest
from vlfeedback.errors import NeedsError, ShapeError
from vlfeedback.models.vlp.true_progress import measure_progress
from vlfeedback.types import SCATTERED, Frames, Report, Trajectory

__all__ = [
    "LEVELS",
    "EpisodeSet",
    "SceneSet",
    "choose_tasks",
    "digests_of_episodes",
    "load_episodes",
    "load_scenes",
]

WINDOW = 50  # steps of a scored window (VLP paper, Table 8)
LEVELS = ("random", "medium", "expert")  # worst first
_UNRANKED = -1
_STATE = 18  # hand, gripper, two objects: the present half of a Meta-World observation


@dataclass(frozen=True, slots=True, eq=False)
class EpisodeSet:
    """Pictures of C trajectories at F states each; picture 0 is the reset.

    A window is named by its last picture `end` in [1, F): it shows `n_frames` pictures up to
    that one, the reset picture standing in for those before the episode.
    """

    task: Int64[np.ndarray, " C"]  # index into the list of tasks
    level: Int64[np.ndarray, " C"]  # 0 random, 1 medium, 2 expert; -1 another, of any worth
    pictures: UInt8[np.ndarray, "C F H W 3"]
    positions: Float32[np.ndarray, "C F 10"]  # metres, see `vlfeedback.models.vlp.encoder`
    states: Float32[np.ndarray, "C F 18"]  # standardised within each task
    reward: Float32[np.ndarray, "C F"]  # rank of a picture's step reward in its task, 0 to 1
    window_return: Float32[np.ndarray, "C F"]  # rank of a window's return in its task, 0 to 1
    progress: Float32[np.ndarray, "C F"]  # 0 to 1, see `measure_progress`; NaN where not asked for

    def window(self, ends: Int64[np.ndarray, "*B"], n_frames: int) -> Int64[np.ndarray, "*B n"]:
        """Indices of the pictures that windows with these last pictures show."""
        indices = ends[..., None] - np.arange(n_frames - 1, -1, -1)
        return np.asarray(np.maximum(indices, 0))


@dataclass(frozen=True, slots=True, eq=False)
class SceneSet:
    """S unrelated pictures and where things are in them."""

    task: Int64[np.ndarray, " S"]
    pictures: UInt8[np.ndarray, "S H W 3"]
    positions: Float32[np.ndarray, "S 10"]


def choose_tasks(
    collection: Collection, tasks: Sequence[str] | None, excluded: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Names of the tasks to train on, and of those that are left out.

    Raises:
        NeedsError: there are fewer than two to train on.
        UnknownNameError: there is no such task.
    """
    exclusions = [collection.task(name).name for name in excluded]
    candidates = collection.tasks()
    if tasks is not None:
        candidates = [collection.task(name).name for name in tasks]
    names = [name for name in candidates if name not in exclusions]
    if len(names) < 2:
        raise NeedsError(
            f"{collection.root} has {len(names)} tasks that are not excluded; what an instruction "
            "means is learnt from two or more. Collect others with: vlfeedback collect, or train "
            "on all with excluded=(), on the command line --exclude none."
        )
    return names, exclusions


def digests_of_episodes(collection: Collection, tasks: Sequence[str]) -> dict[str, str]:
    """Contents of the collection's files of these tasks, by name; see `file_digest`."""
    files = [file for task in tasks for file in sorted((collection.root / task).glob("*.h5"))]
    return {file.relative_to(collection.root).as_posix(): file_digest(file) for file in files}


def load_episodes(
    collection: Collection,
    tasks: Sequence[str],
    share: float = 1.0,
    *,
    also: Sequence[Collection] = (),
    with_progress: bool = True,
    report: Report | None = None,
) -> EpisodeSet:
    """Read trajectories of these tasks into memory (83 MB a task at 112 px).

    Args:
        collection: what `vlfeedback collect` made.
        tasks: which tasks.
        share: of each level's trajectories, the first ones.
        also: collections of the same tasks that were made otherwise; all levels they have.
        with_progress: needs goals that are observed, and successes.
        report: called after each trajectory.

    Raises:
        FileNotFoundError: the collection lacks a task or a level of it.
        NeedsError: a trajectory has no pictures or no rewards.
        ShapeError: trajectories differ in the states that were pictured.
    """
    by_task = [
        _load_levels(collection, task, LEVELS, share)
        + [t for other in also for t in _load_levels(other, task, _levels_of(other, task), share)]
        for task in tasks
    ]
    trajectories = [trajectory for group in by_task for trajectory in group]
    times = _pictured_times(trajectories)
    shape = _read(trajectories[0], times[:1]).shape[1:]
    pictures = np.empty((len(trajectories), len(times), *shape), np.uint8)
    for row, trajectory in enumerate(trajectories):
        pictures[row] = _read(trajectory, times)
        if report is not None:
            report("reading episodes", row + 1, len(trajectories), math.nan)
    states = [np.stack([t.observations[times, :_STATE] for t in group]) for group in by_task]
    rewards = [np.stack([_rewards(t) for t in group]) for group in by_task]
    return EpisodeSet(
        task=np.repeat(np.arange(len(tasks)), [len(group) for group in by_task]),
        level=np.array(
            [LEVELS.index(t.level) if t.level in LEVELS else _UNRANKED for t in trajectories]
        ),
        pictures=pictures,
        positions=measure_positions(np.concatenate(states)),
        states=np.concatenate([_standardise(group) for group in states]).astype(np.float32),
        reward=_ranks([group[:, np.maximum(times - 1, 0)] for group in rewards]),
        window_return=_ranks([_window_returns(group, times) for group in rewards]),
        progress=np.stack(
            [
                _progress(t)[times] if with_progress else np.full(len(times), np.nan, np.float32)
                for t in trajectories
            ]
        ),
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


def _levels_of(collection: Collection, task: str) -> list[str]:
    levels = sorted(path.stem for path in collection.root.glob(f"{task}/*.h5"))
    return [level for level in levels if level != SCATTERED]


def _load_levels(
    collection: Collection, task: str, levels: Sequence[str], share: float
) -> list[Trajectory]:
    episodes = []
    for level in levels:
        trajectories = collection.load(task, [level])
        episodes += trajectories[: max(1, round(share * len(trajectories)))]
    return episodes


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


def _progress(trajectory: Trajectory) -> Float32[np.ndarray, " S"]:
    if trajectory.successes is None:
        raise NeedsError(f"{trajectory!r} does not say when it succeeded; collect it again.")
    succeeded = np.concatenate([[False], trajectory.successes.astype(np.bool_)])
    return measure_progress(trajectory.task, trajectory.observations, succeeded)


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
    spread = np.maximum(flat.std(axis=0), 0.01)  # a centimetre: what never moves stays near 0
    return np.asarray(np.clip((states - flat.mean(axis=0)) / spread, -4.0, 4.0))
