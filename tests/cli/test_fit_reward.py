from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from vlfeedback import RewardModel, make_reward_source
from vlfeedback.adapters.formats import open_dataset
from vlfeedback.cli.app import app
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.sampling import sample_segment_pairs
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.errors import (
    FileFormatError,
    InvalidValueError,
    NeedsError,
    UnknownNameError,
)
from vlfeedback.models.reward.networks import RewardModelConfig
from vlfeedback.types import ArrayFrames, PreferenceLabels, Trajectory

pytest.importorskip("pyarrow")

Kill = Callable[[list[str], str, str, int], None]


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with trajectories in two files and labels that prefer the larger first number."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("labelled")
    trajectories = [
        Trajectory(
            rng.normal(size=(9, 2)).astype(np.float32),
            rng.uniform(-1, 1, (8, 1)).astype(np.float32),
            frames=ArrayFrames(np.arange(9), rng.integers(0, 256, (9, 48, 48, 3), dtype=np.uint8)),
            id=str(index),
        )
        for index in range(20)
    ]
    write_trajectories(folder / "data" / "a.h5", trajectories[:10])
    write_trajectories(folder / "data" / "deeper" / "b.h5", trajectories[10:])
    pairs = sample_segment_pairs(trajectories, 40, 4, rng=rng)
    first, second = (
        np.array([p[side].read("observations")[:, 0].sum() for p in pairs]) for side in (0, 1)
    )
    labels = PreferenceLabels((second > first).astype(np.float32), np.ones(40, dtype=np.bool_))
    PreferenceDataset(pairs, labels).save(folder / "labels.parquet")
    return folder


def arguments(labelled: Path, out: Path) -> list[str]:
    data = f"--data {labelled / 'data'} --labels {labelled / 'labels.parquet'}"
    return f"fit reward {data} --out {out} --epochs 2 --members 2".split()


def fit(labelled: Path, out: Path, *options: str) -> Result:
    return CliRunner().invoke(app, [*arguments(labelled, out), *options])


def test_it_writes_a_model_that_the_source_loads(labelled: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    run = fit(labelled, out, "--network", "mlp")
    assert run.exit_code == 0, run.output
    model = RewardModel.load(out)
    assert model.config == RewardModelConfig(n_members=2)
    assert model.shape == (3,)
    assert model.training["epochs"] == 2
    printed = " ".join(run.output.split())
    assert "Stopped after 2 passes: that is how many were asked for." in printed
    assert " of 40 answered pairs are trained on, " in printed
    assert "Warning: " in printed  # 40 pairs of 20 trajectories are many straddling ones
    data = labelled / "data"
    following = f"vlfeedback relabel --data {data} --source learned --source-config "
    assert following + f'\'{{"path": "{out}"}}\' --out relabelled' in printed
    assert make_reward_source("learned", path=str(out)).needs.observations
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


@pytest.mark.parametrize(
    ("options", "inputs", "network"),
    [
        (["--network", "cnn", "--validation", "0"], "frames", "cnn"),
        (["--inputs", "frames", "--frame-stride", "2"], "frames", "cnn"),
        (["--inputs", "state", "--network", "linear"], "state", "linear"),
        (["--network", "linear", "--encoder", "vlp"], "embeddings", "linear"),
    ],
)
def test_inputs_and_networks_follow_from_each_other(
    labelled: Path, tmp_path: Path, options: list[str], inputs: str, network: str
) -> None:
    out = tmp_path / "model.safetensors"
    run = fit(labelled, out, *options)
    assert run.exit_code == 0, run.output
    config = RewardModel.load(out).config
    assert (config.inputs, config.network) == (inputs, network)
    assert bool(config.encoder) == (inputs == "embeddings")


def test_further_settings_of_the_model_are_set_by_name(labelled: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    run = fit(labelled, out, "--network", "mlp", "--set", "hidden=[16]")
    assert run.exit_code == 0, run.output
    assert RewardModel.load(out).config == RewardModelConfig(n_members=2, hidden=(16,))
    for setting, kind, message in (
        ("hidden_=[16]", UnknownNameError, "The reward model has no setting 'hidden_'"),
        ("network=linear", InvalidValueError, "'network' is no setting of the reward model"),
    ):
        run = fit(labelled, tmp_path / "other.safetensors", "--set", setting)
        assert isinstance(run.exception, kind) and message in str(run.exception)


def test_the_same_seed_writes_the_same_file(labelled: Path, tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert fit(labelled, tmp_path / name, "--seed", seed).exit_code == 0
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b
    assert a != c


@pytest.mark.slow
def test_a_killed_fit_goes_on_and_writes_the_same_file(
    labelled: Path, tmp_path: Path, kill: Kill
) -> None:
    whole, out = tmp_path / "whole.safetensors", tmp_path / "model.safetensors"
    assert fit(labelled, whole, "--epochs", "3").exit_code == 0
    module, method = "vlfeedback.models.training_state", "TrainingState.done"
    kill([*arguments(labelled, out), "--epochs", "3"], module, method, 2)
    assert not out.exists()
    assert fit(labelled, out, "--epochs", "3").exit_code == 0
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(tmp_path.iterdir()) == [out, whole]


def test_trajectories_that_were_not_labelled_are_refused(labelled: Path, tmp_path: Path) -> None:
    run = fit(labelled, tmp_path / "x", "--data", str(labelled / "data" / "a.h5"))
    assert isinstance(run.exception, FileFormatError)
    assert "are not among those given" in str(run.exception)


def test_an_empty_folder_and_an_encoder_that_is_none_are_refused(
    labelled: Path, tmp_path: Path
) -> None:
    refusals: list[tuple[list[str], type[Exception], str]] = [
        (["--data", str(tmp_path)], UnknownNameError, "is a folder without episodes (*.h5)"),
        (["--encoder", "random"], NeedsError, "keeps no embeddings"),
        (["--encoder", "vlp", "--encoder-config", "{"], InvalidValueError, "a JSON object"),
    ]
    for options, error, complaint in refusals:
        run = fit(labelled, tmp_path / "x", *options)
        assert isinstance(run.exception, error)
        assert complaint in str(run.exception)


def test_arrays_of_another_format_are_read_as_they_were_labelled(
    labelled: Path, tmp_path: Path
) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "flat.npz"
    timeouts = np.arange(1, 121) % 6 == 0
    np.savez(
        path,
        observations=rng.normal(size=(120, 2)).astype(np.float32),
        actions=rng.normal(size=(120, 2)).astype(np.float32),
        rewards=np.zeros(120, np.float32),
        terminals=np.zeros(120, dtype=np.bool_),
        timeouts=timeouts,
    )
    trajectories = list(open_dataset(path).read())
    pairs = sample_segment_pairs(trajectories, 20, 3, rng=rng)
    prefer_second = np.arange(20, dtype=np.float32) % 2
    labels = PreferenceLabels(prefer_second, np.ones(20, dtype=np.bool_))
    PreferenceDataset(pairs, labels).save(tmp_path / "labels.parquet")
    out = tmp_path / "model.safetensors"
    data = ["--data", str(path), "--labels", str(tmp_path / "labels.parquet")]
    run = fit(labelled, out, *data, "--network", "mlp")
    assert run.exit_code == 0, run.output
    assert RewardModel.load(out).shape == (4,)


def test_its_help_has_an_example() -> None:
    run = CliRunner().invoke(app, ["fit", "reward", "--help"])
    assert "Example: vlfeedback fit reward --data mtvlp" in run.output
