import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from vlfeedback.cli.app import app
from vlfeedback.data.collection import Collection
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.models.vlp_weights import load_vlp
from vlfeedback.types import ArrayFrames, Trajectory


@pytest.fixture
def collected(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    collection = Collection.create(tmp_path / "clips", {"seed": 7})
    times = np.array([0, 1, 8, 15])
    for task in ("door-open", "drawer-open", "door-close"):
        trajectories = [
            Trajectory(
                observations=rng.normal(size=(21, 39)).astype(np.float32),
                actions=np.zeros((20, 4), np.float32),
                env_rewards=rng.uniform(size=20).astype(np.float32),
                frames=ArrayFrames(times, rng.integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)),
                task=task,
                id=f"{task}/{index}",
                info={"level": ("expert", "random")[index]},
            )
            for index in range(2)
        ]
        write_trajectories(collection.path(task, "expert"), trajectories)
    return collection.root


def test_fit_writes_weights_that_say_what_they_were_trained_on(
    collected: Path, tmp_path: Path
) -> None:
    out = tmp_path / "vlp.tiny.safetensors"
    run = CliRunner().invoke(
        app,
        f"fit vlp --data {collected} --out {out} --encoder-steps 2 --steps 2 --threads 1".split(),
    )
    assert run.exit_code == 0, run.output
    _, weights = load_vlp(str(out))
    assert weights.tasks == ("door-open", "drawer-open")  # door-close is a test task
    assert weights.training["excluded"] == [
        "button-press",
        "door-close",
        "drawer-close",
        "faucet-close",
        "window-open",
    ]
    assert weights.training["collection"] == {"seed": 7}
    assert f"vlfeedback eval vlp --weights {out}" in run.output.replace("\n", "")


def test_fit_on_a_folder_without_clips_says_how_to_make_some(tmp_path: Path) -> None:
    arguments = ["fit", "vlp", "--data", str(tmp_path), "--out", str(tmp_path / "x.safetensors")]
    run = CliRunner().invoke(app, arguments)
    assert isinstance(run.exception, FileNotFoundError)
    assert "vlfeedback collect --out" in str(run.exception)


@pytest.mark.slow
def test_eval_measures_every_pairing_and_writes_what_it_printed(tmp_path: Path) -> None:
    figures_path = tmp_path / "figures.json"
    run = CliRunner().invoke(
        app,
        "eval vlp --tasks drawer-close --pairs 20 --seed 5 --weights vlp.mt45 --workers 2 "
        f"--json {figures_path}".split(),
    )
    assert run.exit_code == 0, run.output
    figures = json.loads(figures_path.read_text())
    assert figures["label_accuracy"].keys() == {"drawer-close"}
    assert figures["mean_label_accuracy"] == figures["label_accuracy"]["drawer-close"]
    assert figures["unseen_tasks"] == ["drawer-close"]
    for pairing in ("clustered_pairs", "random_pairs"):
        for source in ("vlp", "picture-energy", "prior"):
            assert 0.0 <= figures[pairing][source]["drawer-close"] <= 1.0
    assert figures["mean_label_accuracy"] > 0.7
