"""Long commands are killed outright, workers and all, at moments drawn at random, until they end.

What they leave is what a run that nobody disturbed gives. Seeds are fixed, the moments therefore
too; how far a command has come by then depends on the machine, so each run tries others.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vlfeedback.data.collection import Collection
from vlfeedback.models.vlp.weights import load_vlp
from vlfeedback.types import Trajectory

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-c", "from vlfeedback.cli import main; main()"]
KILLS = 5
COLLECT = (
    "collect --tasks door-open,drawer-open --episodes 2 --horizon 60 --frame-size 64 "
    "--workers 2 --out data"
)
FIT = (
    "fit vlp --data data --out vlp.safetensors --encoder-steps 6 --fold-steps 2 --part-steps 4 "
    "--scene-steps 4 --steps 4 --state-every 1 --threads 1"
)
SWEEP = "sweep sweep.toml --data cartpole --out sweep --workers 2"
SWEEP_FILE = """
claim = "it goes on"
tasks = ["cart-pole-balance"]
levels = ["random"]
seeds = [0, 1]
steps = 60
pairs = { count = 12, length = 5, sampler = "uniform" }
evaluation = { every = 10, episodes = 2, horizon = 5, metric = "return" }
[labels.teacher]
[rewards.env]
[learners.cpl]
settings = { bc_steps = 5 }
[learners.iql]
"""


def finish(folder: Path, line: str) -> float:
    """Let a command end, and say how many seconds it took."""
    begun = time.monotonic()
    done = subprocess.run(
        [*COMMAND, *shlex.split(line)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return time.monotonic() - begun


def kill_at_random(folder: Path, line: str, within_s: float, rng: np.random.Generator) -> int:
    """Begin a command again and again and kill it each time; says how often it was running."""
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    n_killed = 0
    for moment in np.sort(rng.uniform(0.1, 0.6, KILLS)):
        with subprocess.Popen(  # type: ignore[call-overload]
            [*COMMAND, *shlex.split(line)], cwd=folder, start_new_session=True, **silent
        ) as process:
            try:
                process.wait(moment * within_s)
            except subprocess.TimeoutExpired:
                n_killed += 1
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
    return n_killed


def run_both(tmp_path: Path, line: str, prepare: Any) -> tuple[Path, Path]:
    """One folder that was never disturbed, and one in which the command was killed."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
        prepare(folder)
    seconds = finish(whole, line)
    assert kill_at_random(broken, line, seconds, np.random.default_rng(13)) > 0
    finish(broken, line)
    return whole, broken


def assert_same_episodes(first: list[Trajectory], second: list[Trajectory]) -> None:
    assert len(first) == len(second) > 0
    for one, other in zip(first, second, strict=True):
        assert one.id == other.id and one.facts() == other.facts()
        for name in ("observations", "actions", "env_rewards", "successes"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert one.frames is not None and other.frames is not None
        times = one.frames.times
        np.testing.assert_array_equal(one.frames.read(times), other.frames.read(times))


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    pytest.importorskip("metaworld")
    return run_both(tmp_path_factory.mktemp("collect"), COLLECT, lambda folder: None)


def test_a_collection_of_metaworld_is_the_same(collected: tuple[Path, Path]) -> None:
    first, second = (Collection.open(folder / "data") for folder in collected)
    assert first.tasks() == second.tasks() == ["door-open", "drawer-open"]
    for task in first.tasks():
        assert_same_episodes(first.load(task), second.load(task))
    assert not [path.name for path in second.root.rglob("*.partial")]


def test_a_trained_preference_model_is_the_same(
    collected: tuple[Path, Path], tmp_path: Path
) -> None:
    data = collected[0] / "data"
    folders = run_both(tmp_path, FIT, lambda folder: (folder / "data").symlink_to(data))
    (first, described), (second, described_again) = (
        load_vlp(str(folder / "vlp.safetensors")) for folder in folders
    )
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name
    assert described.score_std == described_again.score_std
    assert sorted(p.name for p in folders[1].iterdir()) == ["data", "vlp.safetensors"]


def test_the_rows_of_a_sweep_are_the_same(tmp_path: Path) -> None:
    def prepare(folder: Path) -> None:
        (folder / "sweep.toml").write_text(SWEEP_FILE, encoding="utf-8")
        finish(folder, "collect --tasks cart-pole-balance --episodes 4 --workers 1 --out cartpole")

    def rows(folder: Path) -> dict[str, Any]:
        files = sorted((folder / "sweep" / "runs").glob("*.json"))
        return {path.name: untimed(json.loads(path.read_text())) for path in files}

    whole, broken = run_both(tmp_path, SWEEP, prepare)
    assert len(rows(whole)) == 4
    assert rows(broken) == rows(whole)


def untimed(value: Any) -> Any:
    """A row without what is another at every run: times, and who ran it when."""
    if not isinstance(value, dict):
        return value
    timed = ("seconds", "hardware", "commit", "begun", "command")
    return {k: untimed(v) for k, v in value.items() if not any(part in k for part in timed)}
