"""The episodes of a diagnosis: which of many, and which one shows the goal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vlfeedback.data.collection import Collection
from vlfeedback.data.foreign_files import path_inside
from vlfeedback.data.whole_files import new_file
from vlfeedback.errors import NeedsError
from vlfeedback.evaluation.diagnosis.inputs import LEVELS
from vlfeedback.optional import require
from vlfeedback.scoring.pictures import pictures_of
from vlfeedback.types import SCATTERED, Trajectory

__all__ = ["choose_episodes", "choose_goal_episode", "load_episodes", "write_goal"]


def load_episodes(folder: str | Path, task: str) -> list[Trajectory]:
    """A task's episodes in a folder of `vlfeedback collect`, scattered scenes left out.

    Raises:
        FileNotFoundError: there are none.
    """
    return [t for t in Collection.open(Path(folder)).load(task) if t.level != SCATTERED]


def choose_episodes(
    trajectories: Sequence[Trajectory], n: int
) -> tuple[list[Trajectory], list[Trajectory]]:
    """The first `n` episodes of each of `LEVELS`, and the rest.

    Raises:
        NeedsError: there are no expert or no random episodes; or an episode lacks rewards.
    """
    evaluated = [t for level in LEVELS for t in [t for t in trajectories if t.level == level][:n]]
    levels = {t.level for t in evaluated}
    for level in ("expert", "random"):
        if level not in levels:
            raise NeedsError(
                f"None of {len(trajectories)} episodes has level == {level!r}, and a "
                "diagnosis compares experts with random actions; `vlfeedback collect` makes both, "
                "or give episodes of your own a level: dataclasses.replace(trajectory, level=...)."
            )
    for trajectory in evaluated:
        if trajectory.env_rewards is None:
            raise NeedsError(
                f"Trajectory {trajectory.id!r} has no rewards of the environment to compare a "
                "source with; record it with env_rewards."
            )
    return evaluated, [t for t in trajectories if t not in evaluated]


def choose_goal_episode(
    evaluated: Sequence[Trajectory], others: Sequence[Trajectory]
) -> tuple[Trajectory, list[Trajectory]]:
    """An expert episode whose last picture shows the goal, and the episodes left to evaluate.

    One that succeeds, of those that are not evaluated; where there are none, the last expert is
    evaluated no more.

    Raises:
        NeedsError: there is one expert episode alone.
    """
    candidates = [t for t in others if t.level == "expert"]
    remaining = list(evaluated)
    if not candidates:
        experts = [t for t in evaluated if t.level == "expert"]
        if len(experts) < 2:
            raise NeedsError(
                "A picture of the goal is the end of an expert episode that is not evaluated, and "
                f"there is {len(experts)}; collect at least 2, or set the source's goal yourself."
            )
        candidates = experts[-1:]
        remaining.remove(candidates[0])
    succeed = [t for t in candidates if t.first_success is not None]
    return (succeed or candidates)[0], remaining


def write_goal(trajectory: Trajectory, folder: str | Path) -> Path:
    """Write an episode's last picture as PNG; where it is.

    Raises:
        NeedsError: the episode has no pictures.
        MissingExtraError: Pillow is not installed.
    """
    image = require("PIL.Image", extra="vision", needed_by="A picture of a goal")
    frames = pictures_of(trajectory)
    path = path_inside(Path(folder), f"goal-{trajectory.task}.png", where="A task's name")
    with new_file(path) as partial:
        image.fromarray(frames.read(frames.times[-1:])[0]).save(partial, format="png")
    return path
