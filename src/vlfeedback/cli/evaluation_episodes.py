"""The tasks and the fresh episodes of an evaluation of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vlfeedback.cli.task_option import parse_tasks

if TYPE_CHECKING:
    from vlfeedback.tasks import TaskSpec
    from vlfeedback.types import Trajectory

__all__ = ["Split", "choose_tasks", "collect_fresh", "load_fresh", "say_instruction"]

Split = Literal["vlp", "ml45", "all"]


def choose_tasks(split: Split, tasks: str) -> list[str]:
    """The tasks of a comma-separated list, else of a split."""
    from vlfeedback.tasks import METAWORLD_TASKS, ML45_TEST_TASKS, VLP_TEST_TASKS

    if tasks:
        return parse_tasks(tasks)
    splits = {"vlp": VLP_TEST_TASKS, "ml45": ML45_TEST_TASKS, "all": METAWORLD_TASKS}
    return [*splits[split]]


def say_instruction(tasks: Sequence[str], instruction: str) -> list[str | TaskSpec]:
    """The tasks with this instruction in place of their own, if there is one."""
    from vlfeedback.tasks import TASKS, TaskSpec, get_task

    if not instruction:
        return [*tasks]
    return [
        replace(get_task(name), instruction=instruction)
        if name in TASKS
        else TaskSpec(name, instruction, env_id="")
        for name in tasks
    ]


def collect_fresh(
    root: Path, tasks: Sequence[str], *, seed: int, episodes: int, repeats: int, workers: int
) -> None:
    """Collect what is missing of the episodes of these repeats, a folder each below `root`."""
    from vlfeedback.cli.progress import one_bar
    from vlfeedback.collecting import collect
    from vlfeedback.evaluation.labels.episodes import fresh_levels, fresh_settings

    levels = fresh_levels(tasks)
    for repeat_seed in range(seed, seed + repeats):
        settings = fresh_settings(tasks, seed=repeat_seed, episodes=episodes)
        folder = root / str(settings["seed"])
        with one_bar("collecting") as report:
            collect(folder, tasks, settings=settings, workers=workers, levels=levels, report=report)


def load_fresh(
    root: Path, tasks: Sequence[str], seed: int, *, others: bool
) -> dict[str, list[Trajectory]]:
    """One repeat's episodes by task; `others`: of all tasks that are complete there."""
    from vlfeedback.data.collection import Collection
    from vlfeedback.evaluation.labels.episodes import FRESH, fresh_levels

    collection = Collection.open(root / str(FRESH + seed))
    levels = fresh_levels(tasks)
    complete = [t for t in collection.tasks() if not collection.missing([t], levels)]
    return {task: collection.load(task) for task in (complete if others else tasks)}
