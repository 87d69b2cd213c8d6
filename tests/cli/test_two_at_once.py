"""The second of two equal commands is refused in a sentence, and has done nothing by then."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from vlfeedback.cli import main
from vlfeedback.data.collection import Collection
from vlfeedback.data.locks import locked, locked_file
from vlfeedback.data.sampling import sample_segment_pairs
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.preferences import make_preference_source
from vlfeedback.scoring.labelling import label_pairs
from vlfeedback.types import Trajectory

SWEEP = """
claim = "it runs"
tasks = ["cart-pole-balance"]
seeds = [0]
steps = 20
data = "data.h5"

[pairs]
count = 4
length = 5
sampler = "uniform"

[labels.teacher]

[learners.cpl]
"""


def episode(number: int) -> Trajectory:
    rng = np.random.default_rng(number)
    return Trajectory(
        observations=rng.normal(size=(11, 4)).astype(np.float32),
        actions=rng.uniform(-1, 1, size=(10, 1)).astype(np.float32),
        env_rewards=rng.normal(size=10).astype(np.float32),
        truncated=True,
        task="cart-pole-balance",
        id=f"e{number}",
    )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data, labels and a sweep, in which commands are typed."""
    monkeypatch.chdir(tmp_path)
    episodes = [episode(number) for number in range(4)]
    write_trajectories(tmp_path / "data.h5", episodes)
    pairs = sample_segment_pairs(episodes, 8, 5, rng=np.random.default_rng(0))
    label_pairs(pairs, make_preference_source("teacher"), save_to=tmp_path / "labels.parquet")
    Collection.create(tmp_path / "collected", {})
    (tmp_path / "sweep.toml").write_text(SWEEP)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "busy", "of_folder"),
    [
        ("label --data data.h5 --labeller teacher --pairs 4 --length 5", "l.parquet.parts", True),
        ("relabel --data data.h5 --source random", "o.h5", False),
        ("relabel --data data.h5 --source random", "o.h5.rewards", True),
        ("fit reward --data data.h5 --labels labels.parquet", "m.safetensors", False),
        ("fit vlp --data collected", "m.safetensors", False),
        ("train --data data.h5 --learner bc --steps 5 --episodes 0", "policy/training", True),
        ("sweep sweep.toml", "swept", True),
        ("collect --tasks cart-pole-balance --episodes 1", "c/cart-pole-balance", False),
        ("instructions write --model m --tasks reach", "i.json", False),
    ],
)
def test_it_is_refused_and_nothing_is_there_but_what_the_first_one_writes(
    place: Path,
    command: str,
    busy: str,
    of_folder: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = busy.removesuffix(".parts").removesuffix(".rewards").removesuffix("/training")
    words = [*command.split(), "--out", out.removesuffix("/cart-pole-balance")]
    monkeypatch.setattr(sys, "argv", ["vlfeedback", *words])
    lock = locked if of_folder else locked_file
    with lock(place / busy, what="works on"), pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("BusyError: Another process ") and f" {busy}; wait for it, or" in last
    assert not (place / out).is_file() and not list(place.glob(f"{out}/**/*.h5"))
