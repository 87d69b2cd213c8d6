"""Runs of a sweep, each trained and judged in this process: baselines beside what learns."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.reports.sweep_page import markdown_table
from vlfeedback.sweeps.data import describe_data
from vlfeedback.sweeps.execute import check
from vlfeedback.sweeps.feedback import make_feedback
from vlfeedback.sweeps.folder import SweepFolder
from vlfeedback.sweeps.results import summarise_sweep
from vlfeedback.sweeps.runs import expand
from vlfeedback.sweeps.training import train
from vlfeedback.types import Trajectory

TABLE: dict[str, Any] = {
    "claim": "it runs",
    "tasks": ["dot"],
    "own_tasks": {"dot": {"env_id": "Dot-v0", "instruction": "go right"}},
    "seeds": [0],
    "steps": 20,
    "evaluation": {"every": 10, "episodes": 2, "metric": "return"},
    "rewards": {"success": {}},
    "learners": {
        "iql": {"preset": "smoke"},
        "bc": {"preset": "smoke"},
        "bc-expert": {"learner": "bc", "preset": "smoke", "levels": ["expert"]},
        "nothing": {},
        "random-u01": {"learner": "random", "settings": {"low": 0.0}},
    },
}


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Callable[..., dict[str, Any]]]:
    """Trains all runs of the sweep with these changes, and gives its results."""
    gym.register("Dot-v0", "vlfeedback.testing.point_reach:PointReachEnv", max_episode_steps=5)
    path = tmp_path / "dot.h5"
    rng = np.random.default_rng(0)
    moves: dict[str, np.ndarray] = {
        "expert": np.full((4, 1), 0.9),
        "random": rng.uniform(-1, 1, (4, 1)),
    }
    write_trajectories(
        path,
        [
            Trajectory(
                np.zeros((5, 1), np.float32),
                actions.astype(np.float32),
                successes=np.array([False, False, False, level == "expert"]),
                truncated=True,
                task="dot",
                level=level,
                id=f"{level}/{k}",
            )
            for level, actions in moves.items()
            for k in range(2)
        ],
    )

    def trained(**changes: Any) -> dict[str, Any]:
        folder = SweepFolder(tmp_path / "sweep")
        folder.begin({**TABLE, "data": str(path), **changes}, name="dots", command="x")
        sweep = folder.sweep()
        check(sweep)
        for run in expand(sweep):
            if run.feedback is not None:
                settings = run.feedback.settings(sweep, describe_data(sweep, run.task))
                made = make_feedback(sweep, run.feedback, folder)
                folder.write_row("feedback", run.feedback.id, {"settings": settings, **made})
            folder.write_row("runs", run.id, train(sweep, [run], folder)[0])
        return summarise_sweep(folder)

    yield trained
    gym.registry.pop("Dot-v0")


def test_baselines_that_learn_nothing_are_rows_of_a_sweep(
    rows: Callable[..., dict[str, Any]],
) -> None:
    results = rows()
    runs = {row["compared"]: row for row in results["runs"].values()}
    assert set(runs) == {"success/iql", "bc", "bc-expert", "nothing", "random-u01"}
    assert {name: row["steps"] for name, row in runs.items()} == {
        "success/iql": [10, 20],
        "bc": [10, 20],
        "bc-expert": [10, 20],
        "nothing": [20],
        "random-u01": [20],
    }
    assert runs["bc"]["training"]["trajectories"] != runs["bc-expert"]["training"]["trajectories"]
    figures = results["cells"]["dot"]["nothing"]
    assert figures["best"]["mean"] == figures["last"]["mean"] == np.mean(runs["nothing"]["returns"])
    assert "| dot | random-u01 |" in markdown_table(results)


def test_policies_may_be_judged_in_another_environment_than_that_of_their_data(
    rows: Callable[..., dict[str, Any]],
) -> None:
    elsewhere = TABLE["evaluation"] | {"env_options": {"random_start": True}}
    results = rows(evaluation=elsewhere, learners={"nothing": {}}, rewards={})
    (row,) = results["runs"].values()
    env = gym.make("Dot-v0", random_start=True)
    starts = [float(env.reset(seed=seed)[0][0]) for seed in range(2)]
    assert starts[0] != starts[1]
    np.testing.assert_allclose(row["returns"][0], [5 * (start - 1) for start in starts], rtol=1e-6)
    assert row["settings"]["evaluation"]["env_options"] == {"random_start": True}


def test_rows_of_sweeps_that_judge_in_the_datas_environment_stay_valid(
    rows: Callable[..., dict[str, Any]],
) -> None:
    (row,) = rows(learners={"nothing": {}}, rewards={})["runs"].values()
    assert "env_options" not in row["settings"]["evaluation"]  # as earlier releases wrote them
