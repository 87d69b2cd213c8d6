"""Rows written by hand, so that every figure of a report is known."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from vlfeedback.sweeps.folder import SweepFolder
from vlfeedback.sweeps.runs import expand

N_EPISODES = 4


@pytest.fixture
def table() -> dict[str, Any]:
    """Two tasks, two sources and two seeds."""
    return {
        "claim": "Labels of vlp train as good policies as scripted ones",
        "tasks": ["drawer-close", "door-close"],
        "seeds": [0, 1],
        "labels": {"teacher": {}, "vlp": {}},
        "learners": {"p-iql": {}},
        "paper": {"teacher/p-iql": "vlp-2/P-IQL", "vlp/p-iql": "vlp-2/P-IQL+VLP"},
    }


@pytest.fixture
def folder(tmp_path: Path, table: dict[str, Any]) -> SweepFolder:
    """A sweep of this table, no run of which is finished."""
    made = SweepFolder(tmp_path / "sweep")
    made.begin(table, name="small", command="vlfeedback sweep small.toml")
    return made


@pytest.fixture
def write_row(folder: SweepFolder) -> Callable[..., None]:
    """Writes a run in which so many of four episodes succeeded at each evaluation."""
    sweep = folder.sweep()
    runs = {run.id: run for run in expand(sweep)}

    def write(name: str, succeeded: Sequence[int], **changes: Any) -> None:
        successes = [[1] * n + [0] * (N_EPISODES - n) for n in succeeded]
        row = {
            "id": name,
            "compared": "/".join(runs[name].compared),
            "settings": runs[name].settings(sweep, {"file": "small.h5"}),
            "feedback": {"digest": name, "accuracy": 0.75, "cost": 0.5},
            "same_labels_as": None,
            "command": "vlfeedback sweep small.toml",
            "commit": "0" * 40,
            "versions": {"vlfeedback": "1"},
            "hardware": {"processor": "one", "cores": 2},
            "wall_seconds": 3600.0,
            "cpu_seconds": 1800.0,
            "steps": [10 * (k + 1) for k in range(len(succeeded))],
            "successes": successes,
            "returns": [[-float(x) for x in episodes] for episodes in successes],
        }
        folder.write_row("runs", name, row | changes)

    return write
