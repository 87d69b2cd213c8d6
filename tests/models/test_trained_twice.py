"""Trainings that go on: never on other data, and never two into one file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from vlfeedback.data.collection import Collection
from vlfeedback.data.locks import locked_file
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.sampling import sample_segment_pairs
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.errors import BusyError, FileFormatError, WriteError
from vlfeedback.models.reward.fit import RewardTraining, fit_reward_model
from vlfeedback.models.reward.networks import RewardModelConfig
from vlfeedback.models.vlp import train_vlp
from vlfeedback.models.vlp.data import digests_of_episodes
from vlfeedback.preferences import make_preference_source
from vlfeedback.scoring.labelling import label_pairs
from vlfeedback.types import Trajectory


def episode(number: int) -> Trajectory:
    rng = np.random.default_rng(number)
    return Trajectory(
        observations=rng.normal(size=(11, 3)).astype(np.float32),
        actions=rng.normal(size=(10, 2)).astype(np.float32),
        env_rewards=rng.normal(size=10).astype(np.float32),
        id=f"e{number}",
    )


def labelled(shift: float = 0.0) -> PreferenceDataset:
    """Twenty pairs, whose labels and places are the same whatever the shift of the actions."""
    trajectories = [episode(number) for number in range(6)]
    moved = [dataclasses.replace(t, actions=t.actions + np.float32(shift)) for t in trajectories]
    pairs = sample_segment_pairs(moved, 20, 5, rng=np.random.default_rng(0))
    return label_pairs(pairs, make_preference_source("teacher"))


class CutError(Exception):
    """Stops a training."""


def fit(dataset: PreferenceDataset, out: Path, *, passes: int | None = None) -> None:
    def report(stage: str, done: int, total: int, loss: float) -> None:
        if stage == "comparing segments" and done == passes:
            raise CutError

    fit_reward_model(
        dataset,
        config=RewardModelConfig(hidden=(4,), n_members=1),
        training=RewardTraining(epochs=3, target_accuracy=1.0, validation=0.0),
        rng=np.random.default_rng(0),
        save_to=str(out),
        report=report,
    )


def test_a_reward_model_goes_on_with_the_same_trajectories_alone(tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    assert labelled().digest() == labelled(1.0).digest()  # by ids and labels they are equal
    with pytest.raises(CutError):
        fit(labelled(), out, passes=2)
    with pytest.raises(FileFormatError, match="other settings: contents trajectories was"):
        fit(labelled(1.0), out)
    fit(labelled(), out)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_two_processes_never_train_into_one_file(tmp_path: Path) -> None:
    collection = Collection.create(tmp_path / "data", {})
    with locked_file(tmp_path / "model.safetensors", what="trains into"):
        with pytest.raises(BusyError, match=r"Another process trains into .*model\.safetensors"):
            fit(labelled(), tmp_path / "model.safetensors")
        with pytest.raises(BusyError, match=r"Another process trains into .*model\.safetensors"):
            train_vlp(collection, tmp_path / "model.safetensors")


def test_a_file_that_cannot_be_written_is_found_out_before_the_training(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    collection = Collection.create(tmp_path / "data", {})
    for train in (
        lambda out: fit(labelled(), out),
        lambda out: train_vlp(collection, out),
    ):
        with pytest.raises(WriteError, match=r"Could not write .*m\.safetensors: a file is where"):
            train(tmp_path / "file" / "m.safetensors")


def test_a_vlp_model_is_of_the_contents_of_the_files_of_its_tasks(tmp_path: Path) -> None:
    collection = Collection.create(tmp_path / "data", {})
    for task in ("reach", "push"):
        write_trajectories(collection.path(task, "expert"), [episode(0)])
    before = digests_of_episodes(collection, ["reach"])
    assert list(before) == ["reach/expert.h5"]
    write_trajectories(collection.path("push", "expert"), [episode(1)])
    assert digests_of_episodes(collection, ["reach"]) == before
    write_trajectories(collection.path("reach", "expert"), [episode(1)])
    assert digests_of_episodes(collection, ["reach"]) != before
