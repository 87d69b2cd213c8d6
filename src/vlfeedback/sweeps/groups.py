"""Which runs of a sweep are trained together, as one job: those of one learner and equal sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from vlfeedback.offline.learners import get_learner
from vlfeedback.sweeps.data import load_task
from vlfeedback.sweeps.runs import Run
from vlfeedback.sweeps.specification import Sweep

__all__ = ["group_runs"]


def group_runs(
    sweep: Sweep, runs: Sequence[Run], *, at_most: int, n_workers: int
) -> list[list[Run]]:
    """All runs in groups, in their order; a run that goes with no other is a group of its own.

    Args:
        sweep: whose runs they are.
        runs: what is to be trained.
        at_most: runs of a group.
        n_workers: groups are smaller rather than fewer than there are workers.
    """
    if at_most == 1:
        return [[run] for run in runs]
    tasks = dict.fromkeys(run.task for run in runs)
    sizes = {task: _sizes(sweep, task) for task in tasks} if len(tasks) > 1 else {}
    alike: dict[object, list[Run]] = {}
    for run in runs:
        key: object = (run.learner.name, run.steps, sizes.get(run.task))
        if not get_learner(run.learner.learner).together:
            key = run.id
        alike.setdefault(key, []).append(run)
    groups = []
    for members in alike.values():
        n_groups = max(math.ceil(len(members) / at_most), min(n_workers, len(members)))
        ends = [round(k * len(members) / n_groups) for k in range(n_groups + 1)]
        groups += [members[a:b] for a, b in pairwise(ends)]
    order = {run.id: k for k, run in enumerate(runs)}
    return sorted(groups, key=lambda group: order[group[0].id])


def _sizes(sweep: Sweep, task: str) -> tuple[tuple[int, ...], ...]:
    """Shapes of an observation and an action."""
    trajectory = load_task(sweep, task)[0]
    return trajectory.observations.shape[1:], trajectory.actions.shape[1:]
