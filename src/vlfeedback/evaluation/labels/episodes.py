"""The trajectories that labels are measured on: fresh ones, or those at hand, by task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlfeedback.data.collection import Collection
from vlfeedback.errors import NeedsError
from vlfeedback.tasks import get_task
from vlfeedback.types import SCATTERED, Trajectory

__all__ = ["TrajectoriesByTask", "episodes_by_task", "fresh_settings", "instruction_of"]

TrajectoriesByTask = Mapping[str, Sequence[Trajectory]]
"""Trajectories by name of their task."""

_FRESH = 10_000  # evaluation seeds begin here; collections use small ones


def fresh_settings(seed: int, episodes: int = 32) -> dict[str, Any]:
    """Settings of a collection that nothing bundled was trained on, as `collect` takes them.

    Args:
        seed: of `evaluate_labels`; each has episodes of its own.
        episodes: of each task and level.

    Source: VLP paper, appendix B, for what is collected; the horizon is ours.
    """
    return {
        "episodes": episodes,
        "horizon": 150,
        "random_actions": "u01",
        "frame_stride": 7,
        "frame_size": 112,
        "seed": _FRESH + seed,
    }


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
        others: the rest of the tasks that are there as well.

    Raises:
        NeedsError: there is no episode of a task, or of none at all.
    """
    at_hand = [*(trajectories.tasks() if isinstance(trajectories, Collection) else trajectories)]
    names = at_hand if tasks is None else [*dict.fromkeys([*tasks, *(at_hand if others else [])])]
    episodes = {}
    for task in names:
        if isinstance(trajectories, Collection):
            found: Sequence[Trajectory] = trajectories.load(task) if task in at_hand else ()
        else:
            found = trajectories.get(task, ())
        episodes[task] = [t for t in found if t.level != SCATTERED]
    missing = [task for task, of in episodes.items() if not of]
    if missing or not episodes:
        raise NeedsError(
            f"There are no episodes of {', '.join(missing) or 'any task'} to measure labels on, "
            f"only of {', '.join(t for t in at_hand if t not in missing) or 'none'}. Collect "
            "some with `vlfeedback collect`, or name other tasks."
        )
    return episodes


def instruction_of(task: str, trajectories: Sequence[Trajectory]) -> str:
    """The instruction of a registered task, else the one that all these trajectories say.

    Raises:
        NeedsError: the task is not registered, and trajectories say no instruction, or several.
    """
    try:
        return get_task(task).instruction
    except LookupError as error:
        said = {t.instruction for t in trajectories} - {""}
        if len(said) == 1:
            return said.pop()
        raise NeedsError(
            f"Task {task!r} is not registered, and its trajectories say {len(said)} instructions; "
            f"pass instructions={{{task!r}: 'what it asks for'}}, or --instruction."
        ) from error
