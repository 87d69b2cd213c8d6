"""Which seeds the episodes of a task and level have: they depend on names alone."""

from __future__ import annotations

import zlib

from vlfeedback.tasks import TASKS
from vlfeedback.types import SCATTERED

__all__ = ["MAX_EPISODES", "first_seed"]

MAX_EPISODES = 1000
"""So many seeds each task and level has to itself."""

_LEVELS = ("expert", "medium", "random")  # levels that came later are spread
_WITH_SCENES = 50  # of our tasks, the first: those that have scattered scenes too
_OTHERS = 1_000_000, 3_000_000  # shards of all other tasks: seeds from 10^9 on, below 2^32


def first_seed(task: str, level: str, seed: int) -> int:
    """The first of the `MAX_EPISODES` seeds of a task's level.

    They depend on names, not on which tasks are collected, so a subset repeats the whole. Those
    of our own tasks follow one another; those of other tasks, and of levels that we do not have,
    are spread by a checksum.

    Args:
        task: name of a task.
        level: of optimality.
        seed: of the collection, 0 or more.

    >>> first_seed("assembly", "medium", 0), first_seed("cart-pole-balance", "expert", 1)
    (1000, 1200000)
    """
    shard = _place(task, level)
    if shard is not None:
        return (seed * 1000 + shard) * MAX_EPISODES
    first, number = _OTHERS
    return (first + zlib.crc32(f"{task}/{level}/{seed}".encode()) % number) * MAX_EPISODES


def _place(task: str, level: str) -> int | None:
    """Levels of the first 50 tasks, then their scattered scenes, then levels of later tasks."""
    if task not in TASKS.own:
        return None
    place, n_levels = TASKS.own.index(task), len(_LEVELS)
    if level in _LEVELS:
        later = _WITH_SCENES if place >= _WITH_SCENES else 0
        return place * n_levels + _LEVELS.index(level) + later
    if level == SCATTERED and place < _WITH_SCENES:
        return _WITH_SCENES * n_levels + place
    return None
