"""Several collections read as one: episodes of different settings, to learn from all of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vlfeedback.data.collection import Collection
from vlfeedback.errors import InvalidValueError
from vlfeedback.types import Trajectory

__all__ = ["load_side_by_side"]


def load_side_by_side(
    folders: Iterable[str | Path], task: str, levels: Iterable[str] | None = None
) -> list[Trajectory]:
    """Trajectories of a task from several collections, folder by folder.

    A folder holds episodes of one set of settings: ends, starts, looks. `Trajectory.level`,
    `Trajectory.env_options` and `Trajectory.info` say of each episode what it is.

    Args:
        folders: of `vlfeedback collect`, each with a seed of its own.
        task: name.
        levels: that are read, from each folder those that it has; by default all.

    Raises:
        FileNotFoundError: a folder is no collection, or none of them has any of it.
        InvalidValueError: two trajectories have the same id, so that labels of one would be taken
            for labels of the other.
    """
    collections = [Collection.open(folder) for folder in folders]
    wanted = None if levels is None else list(dict.fromkeys(levels))
    trajectories: list[Trajectory] = []
    came_from: dict[str, Path] = {}
    for collection in collections:
        for trajectory in _load(collection, task, wanted):
            first = came_from.setdefault(trajectory.id, collection.root)
            if first != collection.root:
                raise InvalidValueError(
                    f"Trajectory {trajectory.id!r} is in {first} and in {collection.root}; "
                    "collect one of the two with another --seed."
                )
            trajectories.append(trajectory)
    if not trajectories:
        of_levels = f" of the levels {', '.join(wanted)}" if wanted else ""
        raise FileNotFoundError(
            f"No trajectories of {task!r}{of_levels} in "
            f"{', '.join(str(c.root) for c in collections) or 'no folder at all'}; make them "
            "with: vlfeedback collect"
        )
    return trajectories


def _load(collection: Collection, task: str, levels: list[str] | None) -> list[Trajectory]:
    if levels is None:
        return collection.load(task) if task in collection.tasks() else []
    at_hand = [level for level in levels if collection.path(task, level).is_file()]
    return collection.load(task, at_hand) if at_hand else []
