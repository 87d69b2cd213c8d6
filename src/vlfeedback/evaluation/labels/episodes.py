"""The trajectories that labels are measured on: fresh ones, or those at hand, by task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlfeedback.collecting import complete_settings, levels_of
from vlfeedback.data.collection import Collection
from vlfeedback.errors import NeedsError, UnknownNameError
from vlfeedback.tasks import TaskSpec, get_task
from vlfeedback.types import SCATTERED, Trajectory

__all__ = [
    "FRESH",
    "TrajectoriesByTask",
    "episodes_by_task",
    "fresh_levels",
    "fresh_settings",
    "task_of",
]

TrajectoriesByTask = Mapping[str, Sequence[Trajectory]]
"""Trajectories by name of their task."""

FRESH = 10_000
"""Seeds of fresh episodes begin here; collections that are trained on use small ones."""

_STRIDE = 7  # steps between pictures: what the sources of windows read


def fresh_settings(
    tasks: Sequence[str | TaskSpec], *, seed: int, episodes: int = 32
) -> dict[str, Any]:
    """Settings of a collection of episodes that nothing was trained on, for `collect`.

    Args:
        tasks: with the same defaults (`TaskSpec.collecting`), which are taken.
        seed: of `evaluate_labels`; each has episodes of its own.
        episodes: of each task and level.

    Raises:
        UnknownNameError: there is no such task or environment.
        InvalidValueError: the tasks have different defaults.
        NeedsError: an environment has no time limit.
    """
    overrides = {"episodes": episodes, "frame_stride": _STRIDE, "seed": FRESH + seed}
    return complete_settings([get_task(task) for task in tasks], overrides)


def fresh_levels(tasks: Sequence[str | TaskSpec]) -> tuple[str, ...]:
    """Levels of these tasks that hold episodes of actions: all but scattered scenes."""
    levels = [level for task in tasks for level in levels_of(get_task(task))]
    return tuple(level for level in dict.fromkeys(levels) if level != SCATTERED)


def episodes_by_task(
    trajectories: TrajectoriesByTask | Collection,
    tasks: Sequence[str] | None = None,
    *,
    others: bool = False,
) -> dict[str, list[Trajectory]]:
    """Episodes of these tasks; scattered scenes are none.

    Args:
        trajectories: by task, or a collection.
        tasks: default: all that are there.
        others: all other tasks that are there as well.

    Raises:
        NeedsError: there is no episode of a task, or of none at all.
    """
    at_hand = [*(trajectories.tasks() if isinstance(trajectories, Collection) else trajectories)]
    names = at_hand if tasks is None else [*dict.fromkeys([*tasks, *(at_hand if others else [])])]
    episodes = {}
    for task in names:
        if isinstance(trajectories, Collection):
            candidates: Sequence[Trajectory] = trajectories.load(task) if task in at_hand else ()
        else:
            candidates = trajectories.get(task, ())
        episodes[task] = [t for t in candidates if t.level != SCATTERED]
    missing = [task for task, of in episodes.items() if not of]
    if missing or not episodes:
        raise NeedsError(
            f"There are no episodes of {', '.join(missing) or 'any task'} to measure labels on, "
            f"only of {', '.join(t for t in at_hand if t not in missing) or 'none'}. Collect "
            "some with `vlfeedback collect`, or name other tasks."
        )
    return episodes


def task_of(
    task: str | TaskSpec,
    trajectories: TrajectoriesByTask | Collection,
    episodes: Sequence[Trajectory],
) -> TaskSpec:
    """What a task is: as the collection says, as it is registered, or as its episodes say.

    Args:
        task: it, or its name.
        trajectories: where they are from.
        episodes: of the task.

    Raises:
        NeedsError: nobody knows the task, and its episodes say no instruction, or several.
    """
    if isinstance(task, TaskSpec):
        return task
    try:
        if isinstance(trajectories, Collection):
            return trajectories.task(task)
        return get_task(task)
    except UnknownNameError as error:
        instructions = {t.instruction for t in episodes} - {""}
        if len(instructions) == 1:
            return TaskSpec(task, instructions.pop(), env_id="")
        raise NeedsError(
            f"Task {task!r} is not registered, and its episodes say {len(instructions)} "
            f"instructions. Say what it asks for: tasks=[TaskSpec({task!r}, 'what to do', "
            "env_id='')], or --instruction."
        ) from error
