"""Which runs of a sweep are one job."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.sweeps.groups import group_runs
from vlfeedback.sweeps.runs import Run, expand
from vlfeedback.sweeps.specification import parse_sweep
from vlfeedback.types import Trajectory

Group = Callable[..., list[list[str]]]


@pytest.fixture
def group(tmp_path: Path) -> Group:
    """Groups of a sweep's runs, by task and seed; observations of door-close are wider."""
    path = tmp_path / "data.h5"
    sizes = {"drawer-close": 2, "window-open": 2, "door-close": 3}
    write_trajectories(
        path,
        [
            Trajectory(np.zeros((6, size)), np.zeros((5, 1)), task=task, id=task)
            for task, size in sizes.items()
        ],
    )

    def name(run: Run) -> str:
        return f"{run.task} {run.learner.name} {run.seed}"

    def make(at_most: int, n_workers: int = 1, **changes: Any) -> list[list[str]]:
        table = {
            "claim": "x",
            "tasks": ["drawer-close"],
            "seeds": [0, 1, 2],
            "data": str(path),
            "learners": {"bc": {}},
        }
        sweep = parse_sweep({**table, **changes}, name="x", where="x.toml")
        groups = group_runs(sweep, expand(sweep), at_most=at_most, n_workers=n_workers)
        return [[name(run) for run in runs] for runs in groups]

    return make


def test_runs_are_grouped_evenly_and_no_group_is_larger_than_asked(group: Group) -> None:
    assert [len(runs) for runs in group(4, seeds=[0, 1, 2, 3, 4, 5])] == [3, 3]
    assert [len(runs) for runs in group(9, seeds=[0, 1])] == [2]
    assert [len(runs) for runs in group(1)] == [1, 1, 1]


def test_no_worker_is_idle_for_the_sake_of_larger_groups(group: Group) -> None:
    assert [len(runs) for runs in group(9, n_workers=2, seeds=[0, 1, 2, 3])] == [2, 2]
    assert [len(runs) for runs in group(9, n_workers=8)] == [1, 1, 1]


def test_runs_of_other_learners_steps_or_sizes_are_other_groups(group: Group) -> None:
    tasks = ["drawer-close", "door-close", "window-open"]
    assert group(9, tasks=tasks, seeds=[0]) == [
        ["drawer-close bc 0", "window-open bc 0"],
        ["door-close bc 0"],
    ]
    learners = {"bc": {}, "longer": {"learner": "bc", "steps": 7}}
    assert group(9, learners=learners, seeds=[0, 1]) == [
        ["drawer-close bc 0", "drawer-close bc 1"],
        ["drawer-close longer 0", "drawer-close longer 1"],
    ]


def test_learners_that_train_alone_are_left_alone(group: Group) -> None:
    assert [len(runs) for runs in group(9, learners={"diffusion": {}})] == [1, 1, 1]
