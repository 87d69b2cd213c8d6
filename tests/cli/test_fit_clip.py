import shlex
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner, Result

from vlfeedback import make_reward_source
from vlfeedback.cli.app import app
from vlfeedback.data.collection import Collection
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.errors import FileFormatError
from vlfeedback.models.training_state import TrainingState
from vlfeedback.models.vlp_clip.weights import describe_vlp_clip
from vlfeedback.types import ArrayFrames, Trajectory


@pytest.fixture(scope="module", autouse=True)
def tiny_architectures() -> None:
    open_clip.add_model_config(Path(__file__).parents[1] / "encoders" / "tiny_clip")


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    collection = Collection.create(tmp_path_factory.mktemp("data") / "clips", {"seed": 7})
    times = np.array([0, 1, 8, 15])
    for task in ("door-open", "drawer-open", "door-close"):
        for level in ("expert", "medium", "random"):
            trajectory = Trajectory(
                observations=rng.normal(size=(21, 39)).astype(np.float32),
                actions=np.zeros((20, 4), np.float32),
                env_rewards=rng.uniform(size=20).astype(np.float32),
                frames=ArrayFrames(times, rng.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)),
                task=task,
                id=f"{task}/{level}",
                info={"level": level},
            )
            write_trajectories(collection.path(task, level), [trajectory])
    return collection.root


def fit(collected: Path, out: Path, *options: str) -> Result:
    arguments = f"fit vlp-clip --data {collected} --out {out} --architecture tiny-quickgelu "
    arguments += "--random-weights-seed 0 --width 32 --steps 3"
    return CliRunner().invoke(app, [*arguments.split(), *options])


def test_it_writes_weights_that_the_source_loads_and_leaves_no_state_behind(
    collected: Path, tmp_path: Path
) -> None:
    out = tmp_path / "mine.safetensors"
    run = fit(collected, out, "--sigmoid", "--class-token", "--state-every", "1")
    assert run.exit_code == 0, run.output
    weights = describe_vlp_clip(out)
    assert weights.tasks == ("door-open", "drawer-open")  # door-close is a test task
    assert weights.clip.architecture == "tiny-quickgelu"
    assert weights.architecture.sigmoid
    assert weights.architecture.class_token
    assert weights.training["collection"] == {"seed": 7}
    assert weights.training["steps"] == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip-tokens", out.name]
    following = shlex.split(run.output.partition("Next, with the same CLIP: vlfeedback ")[2])
    assert "random_weights_seed=0" in following
    judged = CliRunner().invoke(app, [*following, "--length", "15", "--pairs", "2"])
    assert judged.exit_code == 0, f"{judged.output}{judged.exception}"
    source = make_reward_source("vlp.clip", weights=str(out), random_weights_seed=0)
    assert source.needs.context == 50


def test_the_same_seed_trains_the_same_weights(collected: Path, tmp_path: Path) -> None:
    files = [tmp_path / name / "x.safetensors" for name in "ab"]
    for file in files:
        assert fit(collected, file).exit_code == 0
    first, second = map(load_file, files)
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def test_a_state_of_other_settings_is_refused(collected: Path, tmp_path: Path) -> None:
    network = torch.nn.Linear(1, 1)
    state = TrainingState(tmp_path / "mine.training.safetensors", {"seed": 9})
    state.resume(network, torch.optim.AdamW(network.parameters()))
    state.done(1, 1)
    run = fit(collected, tmp_path / "mine.safetensors")
    assert isinstance(run.exception, FileFormatError)
    assert "seed was 9 and is 0" in str(run.exception)
    assert not (tmp_path / "clip-tokens").exists()  # before any picture is encoded


def test_a_run_that_was_cut_off_goes_on_and_ends_with_the_same_weights(
    collected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, out = tmp_path / "whole.safetensors", tmp_path / "mine.safetensors"
    assert fit(collected, whole).exit_code == 0
    done = TrainingState.done

    def cut_off(state: TrainingState, step: int, steps: int) -> None:
        done(state, step, steps)
        if step == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingState, "done", cut_off)
        assert fit(collected, out, "--state-every", "2").exit_code != 0
    assert not out.exists()
    assert "3/3" in fit(collected, out).output
    first, second = map(load_file, (whole, out))
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
    assert {path.name for path in tmp_path.iterdir()} == {"clip-tokens", out.name, whole.name}


def test_its_help_has_an_example() -> None:
    run = CliRunner().invoke(app, ["fit", "vlp-clip", "--help"])
    assert "Example: vlfeedback fit vlp-clip --data mtvlp" in run.output
