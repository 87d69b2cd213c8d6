"""`vlfeedback eval progress`, on episodes at hand and on fresh ones."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from vlfeedback.cli.app import app
from vlfeedback.data.collection import Collection
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.types import ArrayFrames, Trajectory


@pytest.fixture
def collected(tmp_path: Path) -> Path:
    """Three experts, who earn reward from step 32 on, and three random episodes, who earn none."""
    collection = Collection.create(tmp_path / "data", {})
    for level, reward in (("expert", 4), ("random", 0)):
        trajectories = [
            Trajectory(
                observations=np.zeros((65, 3), np.float32),
                actions=np.zeros((64, 2), np.float32),
                env_rewards=np.where(np.arange(64) >= 32, reward, 0).astype(np.float32),
                successes=(np.arange(64) >= 32) & (reward > 0),
                frames=ArrayFrames(
                    np.r_[0, np.arange(1, 65, 7)], np.zeros((11, 8, 8, 3), np.uint8)
                ),
                task="drawer-close",
                id=f"{level}/{index}",
                level=level,
            )
            for index in range(3)
        ]
        write_trajectories(collection.path("drawer-close", level), trajectories)
    return collection.root


def run(*arguments: object) -> Result:
    words = ["eval", "progress", *map(str, arguments)]
    return CliRunner().invoke(app, words, env={"COLUMNS": "240"})


def test_sources_are_measured_on_episodes_at_hand(collected: Path, tmp_path: Path) -> None:
    out = tmp_path / "shape.json"
    sources = ["--source", "env", "--source", "dice=random", "--set", "dice.seed=3"]
    result = run("--data", collected, *sources, "--json", out)
    assert result.exit_code == 0, f"{result.output}{result.exception}"
    written = json.loads(out.read_text())
    env = written["sources"]["env"]["figures"]
    # Paid 4 for each of 32 steps; who idles, who stops half-way and who acts at random are not.
    for figure, value in {"idle_share": 0.0, "half_share": 0.0, "episode_tau": 1.0}.items():
        assert env[figure]["drawer-close"]["value"] == value
    assert env["reversed_order"]["mean"] == {"not_applicable": "It reads no pictures."}
    assert list(written["sources"])[:2] == ["env", "dice"]
    assert written["sources"]["dice"]["settings"]["seed"] == 3
    assert {"command", "commit", "hardware", "legend", "goals", "settings"} <= set(written)
    assert "protocols" not in written
    assert "what idling earns" in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--source", "teacher"], "teacher gives labels and no rewards along an episode"),
        (["--source", "length=env"], "called 'length', like a baseline"),
        (["--source", "env", "--tasks", "door-open"], "no episodes of door-open"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    collected: Path, options: list[str], message: str
) -> None:
    result = run("--data", collected, *options)
    assert result.exit_code != 0
    assert message in str(result.exception)


@pytest.mark.slow
def test_fresh_clips_are_made_in_every_way_and_kept(tmp_path: Path) -> None:
    pytest.importorskip("metaworld")
    small = ["--episodes", 2, "--horizon", 100, "--pairs", 8, "--workers", 1]
    kept = ["--clips", tmp_path / "clips", "--json", tmp_path / "shape.json"]
    result = run("--source", "env", "--tasks", "drawer-close", *small, *kept)
    assert result.exit_code == 0, f"{result.output}{result.exception}"
    written = json.loads((tmp_path / "shape.json").read_text())
    random = written["protocols"]["accuracy"]["random"]["env"]
    assert [random[protocol]["mean"] for protocol in written["protocols"]["legend"]] == [1.0] * 7
    env = written["sources"]["env"]["figures"]
    assert "value" in env["success_run_on"]["mean"]
    assert written["settings"]["collections"]["run-on"]["ends"] == "run-on"
    folders = {path.name for path in (tmp_path / "clips").iterdir()}
    assert folders == {"rest", "run-on", "box", "near-object", "jittered"}
