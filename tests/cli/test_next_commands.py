"""What a command says to do next can be done: the line runs as it is printed."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from vlfeedback.adapters import npz
from vlfeedback.cli import main
from vlfeedback.types import Trajectory

pytest.importorskip("d3rlpy")

Run = Callable[..., str]
TRUST = """{"trust_terminals": true}"""
SHORT = ("--steps", "2", "--episodes", "0")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, code: int = 0) -> str:
        """What was printed, all of it on one line."""
        monkeypatch.setattr(sys, "argv", ["vlfeedback", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert int(ended.value.code or 0) == code, printed.err
        return printed.out + printed.err

    return run


def next_of(printed: str, command: str) -> list[str]:
    """The arguments of the last line that names this command, after the program's name."""
    lines = re.findall(rf"vlfeedback ({command} .*)", printed)
    return shlex.split(lines[-1])


@pytest.fixture
def d4rl(run: Run, tmp_path: Path) -> str:
    """Episodes that all terminate at the same step, which has to be believed."""
    rng, n = np.random.default_rng(0), 40
    ends = np.arange(n) % 10 == 9
    with h5py.File(tmp_path / "d4rl.hdf5", "w") as file:
        file["observations"] = rng.normal(size=(n, 3)).astype(np.float32)
        file["actions"] = rng.uniform(-0.9, 0.9, size=(n, 2)).astype(np.float32)
        file["rewards"] = rng.normal(size=n).astype(np.float32)
        file["terminals"], file["timeouts"] = ends, np.zeros(n, np.bool_)
    return "d4rl.hdf5"


def test_after_relabel_with_a_reading_comes_a_training_that_runs(run: Run, d4rl: str) -> None:
    data = ("--data", d4rl, "--reading", TRUST)
    printed = run("relabel", *data, "--source", "random", "--out", "out.hdf5")
    following = next_of(printed, "train")
    assert following[-1] == "policy" and TRUST in following
    printed = run(*following, *SHORT)
    assert "policy: iql trained for 2 steps" in printed
    python = printed.partition("Next, in Python:")[2]
    names: dict[str, Any] = {"observations": np.zeros((5, 3), np.float32)}
    exec(python, names)
    assert names["actions"].shape == (5, 2)


@pytest.mark.parametrize("name", ["d4rl.hdf5", "flat.npz"])
def test_a_training_without_rewards_names_a_relabelling_that_runs(
    run: Run, d4rl: str, name: str
) -> None:
    episodes = [
        Trajectory(
            observations=np.zeros((6, 3), np.float32),
            actions=np.zeros((5, 2), np.float32),
            env_rewards=np.zeros(5, np.float32),
            truncated=True,
            id=str(number),
        )
        for number in range(2)
    ]
    npz.write(Path("flat.npz"), episodes)
    reading = ("--reading", TRUST) if name == d4rl else ()
    train = ("train", "--learner", "iql", "--data", name, *reading, "--out", "policy")
    printed = run(*train, *SHORT, code=1)
    run(*next_of(printed, "relabel"))
    assert Path(f"relabelled{Path(name).suffix}").is_file()
    # the environment's own rewards need no copy: so the learner's message says
    trust = ("--set", "trust_terminals=true") if name == d4rl else ()
    assert "iql trained for 2 steps" in run(*train, *SHORT, *trust, "--set", "rewards=env")


@pytest.mark.parametrize("horizon", ["12", "80"])
def test_after_collect_come_labels(run: Run, horizon: str) -> None:
    collect = ("collect", "--tasks", "cart-pole-balance", "--episodes", "2", "--workers", "1")
    printed = run(*collect, "--horizon", horizon, "--out", "my data")
    assert "The labels are labels.parquet" in run(*next_of(printed, "label"), "--pairs", "3")


def test_after_label_come_a_reward_model_a_relabelling_and_policies(run: Run, d4rl: str) -> None:
    data = ("--data", d4rl, "--reading", TRUST)
    pairs = ("--pairs", "20", "--length", "5", "--out", "labels.parquet")
    printed = run("label", *data, "--labeller", "teacher", *pairs)
    fitted = run(*next_of(printed, "fit reward"), "--epochs", "1", "--members", "1")
    relabelled = run(*next_of(fitted, "relabel"))
    assert "iql trained for 2 steps" in run(*next_of(relabelled, "train"), *SHORT)
    cpl = next_of(printed, "train")
    assert "cpl trained for 2 steps" in run(*cpl[:-1], "other", *SHORT)
