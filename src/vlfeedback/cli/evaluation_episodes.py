"""The tasks and the fresh episodes of an evaluation of labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vlfeedback.cli.task_option import parse_tasks

if TYPE_CHECKING:
    from vlfeedback.types import Trajectory

__all__ = ["Split", "choose_tasks", "collect_fresh", "load_fresh"]

Split = Literal["vlp", "ml45", "all"]


def choose_tasks(split: Split, tasks: str) -> list[str]:
    """The tasks of a comma-separated list, else of a split."""
    from vlfeedback.tasks import METAWORLD_TASKS, ML45_TEST_TASKS, VLP_TEST_TASKS

    if tasks:
        return parse_tasks(tasks)
    splits = {"vlp": VLP_TEST_TASKS, "ml45": ML45_TEST_TASKS, "all": METAWORLD_TASKS}
    return [*splits[split]]


def collect_fresh(root: Path, tasks: list[str], seed: int, episodes: int, workers: int) -> None:
    """Collect what is missing of one repeat's episodes, below `root`."""
    from vlfeedback.cli.collect import collect_shards
    from vlfeedback.evaluation.labels.episodes import fresh_settings

    settings = fresh_settings(seed, episodes)
    collect_shards(root / str(settings["seed"]), tasks, settings=settings, workers=workers)


def load_fresh(
    root: Path, tasks: list[str], seed: int, *, others: bool
) -> dict[str, list[Trajectory]]:
    """One repeat's episodes by task; `others`: of all tasks that are complete there."""
    from vlfeedback.data.collection import Collection
    from vlfeedback.evaluation.labels.episodes import fresh_settings
    from vlfeedback_envs.scripted import LEVELS

    collection = Collection.open(root / str(fresh_settings(seed)["seed"]))
    complete = [t for t in collection.tasks() if not collection.missing([t], LEVELS)]
    return {task: collection.load(task) for task in (complete if others else tasks)}
