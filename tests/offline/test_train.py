"""Every learner by name, on a dot that should go right: actions of 1 are best."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.errors import FileFormatError, InvalidTypeError, NeedsError, UnknownNameError
from vlfeedback.offline import IQL, PolicyEvaluator, TrainedPolicy, train_policy
from vlfeedback.offline.learners import list_learners
from vlfeedback.offline.presets import PRESETS
from vlfeedback.testing import PointReachEnv
from vlfeedback.types import PreferenceLabels, Trajectory

SHORT: dict[str, Any] = {"preset": "smoke", "n_steps": 6, "eval_every": 4, "seed": 0}
LEARNING = sorted(set(list_learners()) - {"nothing", "random"})  # those are judged once


@pytest.fixture(scope="module")
def trajectories() -> list[Trajectory]:
    rng = np.random.default_rng(0)
    made = []
    for index in range(12):
        actions = rng.uniform(-1, 1, (10, 1)).astype(np.float32)
        positions = np.clip(np.cumsum(np.r_[0.5, actions[:, 0] / 10]), 0, 1)
        rewards = (positions[1:] - 1).astype(np.float32)
        made.append(
            Trajectory(
                positions[:, None].astype(np.float32),
                actions,
                env_rewards=rewards,
                rewards=rewards,
                truncated=True,
                id=str(index),
            )
        )
    return made


@pytest.fixture(scope="module")
def preferences(trajectories: list[Trajectory]) -> PreferenceDataset:
    pairs = [
        (a.segment(0, 10), b.segment(0, 10))
        for a, b in zip(trajectories[::2], trajectories[1::2], strict=True)
    ]
    prefer = [float(b.read("rewards").sum() > a.read("rewards").sum()) for a, b in pairs]
    return PreferenceDataset(
        pairs, PreferenceLabels(np.array(prefer, np.float32), np.ones(len(pairs), dtype=np.bool_))
    )


@pytest.fixture
def evaluator() -> PolicyEvaluator:
    return PolicyEvaluator(
        lambda: PointReachEnv(steps=5, random_start=True), seeds=(0, 1), horizon=8
    )


@pytest.fixture
def train(
    trajectories: list[Trajectory], preferences: PreferenceDataset, evaluator: PolicyEvaluator
) -> Callable[..., TrainedPolicy]:
    def trained(learner: str, **options: Any) -> TrainedPolicy:
        given: dict[str, Any] = {
            "trajectories": trajectories,
            "preferences": preferences,
            "evaluator": evaluator,
        }
        return train_policy(learner, **(given | SHORT | options))

    return trained


SETTINGS: dict[str, dict[str, Any]] = {
    "diffusion": {"network": "mlp", "hidden": (8,), "n_sampling_steps": 2, "batch_size": 4},
    "p-iql": {"reward_training": {"epochs": 2}},
    "ipl": {"replay": True},
}


@pytest.mark.parametrize("learner", LEARNING)
def test_every_learner_trains_and_is_judged_on_the_way_and_at_the_end(
    train: Callable[..., TrainedPolicy], learner: str
) -> None:
    trained = train(learner, **SETTINGS.get(learner, {}))
    assert trained.curve.steps == (4, 6)
    assert trained.curve.returns.shape == (2, 2)
    assert trained.config["learner"] == learner
    json.dumps(trained.config | trained.notes, allow_nan=False)


@pytest.mark.parametrize("learner", LEARNING)
def test_equal_data_and_seed_give_the_same_curve_bit_for_bit(
    train: Callable[..., TrainedPolicy], learner: str
) -> None:
    settings = SETTINGS.get(learner, {})
    one = train(learner, **settings)
    torch.rand(7)  # what others draw meanwhile does not count
    same, other = train(learner, **settings), train(learner, **settings | {"seed": 1})
    assert np.array_equal(one.curve.returns, same.curve.returns)
    assert not np.array_equal(one.curve.returns, other.curve.returns)


@pytest.mark.parametrize(
    ("preset", "learner"),
    [(preset, learner) for preset in PRESETS for learner in PRESETS[preset].learners],
)
def test_every_preset_trains_its_learners(
    train: Callable[..., TrainedPolicy], preset: str, learner: str
) -> None:
    settings = PRESETS[preset].settings(learner, 1)
    if "reward_training" in settings:
        settings["reward_training"] = {**settings["reward_training"], "epochs": 1}
    if "length" in settings:
        settings["length"] = 5  # the segments here have 10 steps
    trained = train(learner, preset=preset, n_steps=1, evaluator=None, **settings)
    assert trained.config["preset"] == preset


def test_judging_a_policy_changes_nothing_of_its_training(
    train: Callable[..., TrainedPolicy],
) -> None:
    often, never = train("p-iql", eval_every=1), train("p-iql", evaluator=None)
    states = np.linspace(0, 1, 5, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(often.algo.predict(states), never.algo.predict(states))
    assert len(never.curve) == 0


def test_rewards_decide_where_iql_goes(train: Callable[..., TrainedPolicy]) -> None:
    states = np.array([[0.3], [0.5], [0.7]], np.float32)
    quick = {"n_steps": 150, "eval_every": 150, "evaluator": None, "weight_temp": 30.0}
    quick |= {"actor_learning_rate": 1e-2, "critic_learning_rate": 1e-2}
    right, average = train("iql", **quick), train("iql-average", **quick)
    assert right.algo.predict(states).mean() > average.algo.predict(states).mean() + 0.2


def test_settings_given_by_hand_replace_those_of_the_preset(
    train: Callable[..., TrainedPolicy],
) -> None:
    trained = train("iql", hidden=[16], expectile=0.9)
    assert trained.algo.config.hidden == [16]
    assert trained.config["settings"] == {"hidden": [16], "batch_size": 32, "expectile": 0.9}


@pytest.mark.parametrize("learner", ["iql", "p-iql"])
def test_observations_are_scaled_by_a_name_that_a_file_can_hold(
    learner: str, train: Callable[..., TrainedPolicy], trajectories: list[Trajectory]
) -> None:
    scaler = train(learner, observation_scaler="standard").algo.config.observation_scaler
    states = np.concatenate([t.observations[:-1] for t in trajectories])
    np.testing.assert_allclose(scaler.mean, states.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(scaler.std, states.std(axis=0), atol=1e-5)
    scaler = train("cpl", observation_scaler="min-max").algo.config.observation_scaler
    assert scaler.minimum >= 0 and scaler.maximum <= 1


def test_a_finished_training_is_read_and_not_run_again(
    train: Callable[..., TrainedPolicy], tmp_path: Path
) -> None:
    first = train("p-iql", out=tmp_path / "run")
    written = (tmp_path / "run" / "result.json").stat().st_mtime_ns
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        "policy.d3",
        "result.json",
        "reward.safetensors",
    ]
    again = train("p-iql", out=tmp_path / "run")
    assert (tmp_path / "run" / "result.json").stat().st_mtime_ns == written
    assert isinstance(again.algo, IQL)
    assert again.curve.to_json() == first.curve.to_json()
    assert again.notes == first.notes
    states = np.linspace(0, 1, 5, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(again.algo.predict(states), first.algo.predict(states))


def test_a_diffusion_policy_is_kept_too(
    train: Callable[..., TrainedPolicy], tmp_path: Path
) -> None:
    first = train("diffusion", out=tmp_path, **SETTINGS["diffusion"])
    again = train("diffusion", out=tmp_path, **SETTINGS["diffusion"])
    states = np.zeros((2, 1), dtype=np.float32)
    first.algo.reset(2)
    again.algo.reset(2)
    np.testing.assert_array_equal(again.algo.predict(states), first.algo.predict(states))


def test_a_folder_of_another_training_is_refused(
    train: Callable[..., TrainedPolicy], trajectories: list[Trajectory], tmp_path: Path
) -> None:
    train("bc", out=tmp_path)
    with pytest.raises(FileFormatError, match="begun with other settings: seed was 0 and is 5"):
        train("bc", out=tmp_path, seed=5)
    with pytest.raises(FileFormatError, match="other settings: trajectories was"):
        train("bc", out=tmp_path, trajectories=trajectories[1:])
    paid_otherwise = [replace(t, env_rewards=np.ones(len(t), np.float32)) for t in trajectories]
    with pytest.raises(FileFormatError, match="other settings: trajectories was"):
        train("bc", out=tmp_path, trajectories=paid_otherwise)
    (tmp_path / "result.json").write_text("{}")
    with pytest.raises(
        FileFormatError, match=r"result\.json describes no training: it lacks config.*Delete it"
    ):
        train("bc", out=tmp_path)


def test_training_writes_nothing_it_was_not_asked_for(
    train: Callable[..., TrainedPolicy],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    capfd.readouterr()
    train("iql")
    train("cpl")
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_progress_is_reported(train: Callable[..., TrainedPolicy]) -> None:
    told: list[tuple[str, int, int]] = []
    train("p-iql", report=lambda stage, done, total, loss: told.append((stage, done, total)))
    assert told[-1] == ("train", 6, 6)
    assert ("relabel", 12, 12) in told


def test_threads_are_as_before_afterwards(train: Callable[..., TrainedPolicy]) -> None:
    before = torch.get_num_threads()
    train("bc", n_threads=before + 1)
    assert torch.get_num_threads() == before


def test_what_is_missing_or_unknown_is_said(train: Callable[..., TrainedPolicy]) -> None:
    with pytest.raises(NeedsError, match="reads preferences and got none; pass preferences="):
        train("cpl", preferences=None)
    with pytest.raises(NeedsError, match="replay=True reads trajectories"):
        train("ipl", trajectories=None, replay=True)
    with pytest.raises(
        UnknownNameError, match=r"IQLConfig has no setting 'expectil'\. Did you mean"
    ):
        train("iql", expectil=0.5)
    with pytest.raises(
        UnknownNameError, match=r"No observation_scaler 'std'.*'standard', 'min-max'"
    ):
        train("cpl", observation_scaler="std")
    with pytest.raises(UnknownNameError, match="RewardModelConfig has no setting 'members'"):
        train("p-iql", reward_model={"members": 1})
    with pytest.raises(
        InvalidTypeError, match="'epochs' of RewardTraining is '30', a str; expected int"
    ):
        train("p-iql", reward_training={"epochs": "30"})
    with pytest.raises(InvalidTypeError, match="RewardModelConfig are 3; expected them by name"):
        train("p-iql", reward_model=3)
    with pytest.raises(InvalidTypeError, match=r"'dropout' of .* is True, a bool; expected float"):
        train("iql", dropout=True)
    with pytest.raises(ValueError, match="n_steps=0, eval_every=4; expected at least 1"):
        train("iql", n_steps=0)
    with pytest.raises(ValueError, match="Gaussian policy; pass deterministic=False"):
        train("iql-d3rlpy", deterministic=True)


def test_the_average_needs_the_rewards_of_the_environment(
    train: Callable[..., TrainedPolicy], trajectories: list[Trajectory]
) -> None:
    bare = Trajectory(trajectories[0].observations, trajectories[0].actions, truncated=True)
    with pytest.raises(NeedsError, match="1 of 2 trajectories have no env_rewards"):
        train("iql-average", trajectories=[bare, trajectories[0]])
