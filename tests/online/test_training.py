"""`train_online` as a user calls it: a folder, evaluations, and trainings that are killed."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.online.pendulums import BRIEF, HORIZON, small

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.trajectories import read_trajectories
from vlfeedback.errors import (
    FileFormatError,
    InvalidValueError,
    MissingExtraError,
    NeedsError,
    UnknownNameError,
)
from vlfeedback.models.reward.model import RewardModel
from vlfeedback.models.reward.networks import RewardModelConfig
from vlfeedback.models.reward.training import RewardTraining
from vlfeedback.online import FeedbackConfig, OnlineResult, train_online
from vlfeedback.online.health import LearnedRewardWarning
from vlfeedback.preferences import PreferenceFromReward, make_preference_source
from vlfeedback.tasks import own_task
from vlfeedback.testing import BrightnessConfig, BrightnessReward, PointReachEnv

PENDULUM = own_task("Pendulum-v1", "swing the pendulum up", success_key="")
SETTINGS: dict[str, Any] = {
    "config": BRIEF,
    "reward": RewardModelConfig(hidden=(16,)),
    "training": RewardTraining(epochs=3),
    "horizon": HORIZON,
    "eval_every": 60,
    "eval_episodes": 2,
    "checkpoint_every": 50,
}


def train(out: Path | None = None, **given: Any) -> OnlineResult:
    settings = {**SETTINGS, "n_steps": 150, "algorithm_settings": small(), **given}
    return train_online(PENDULUM, settings.pop("labeller", "teacher"), out=out, **settings)


def test_evaluations_are_of_the_environments_own_reward_at_the_steps_asked_for() -> None:
    result = train()
    assert result.curve.steps == (60, 120, 150)
    assert (result.curve.returns < 0).all()  # a pendulum's own; what is learned lies in [-1, 1]
    assert result.n_asked == 12


def test_a_folder_holds_policy_reward_model_labels_and_outcome(tmp_path: Path) -> None:
    result = train(tmp_path / "run")
    model = RewardModel.load(tmp_path / "run" / "reward_model.safetensors")
    assert result.feedback is not None
    assert model.digest() == result.feedback.learner.model.digest()
    labels = sorted((tmp_path / "run" / "labels").glob("*.parquet"))
    datasets = [
        PreferenceDataset.load(path, read_trajectories(path.with_suffix(".h5"))) for path in labels
    ]
    assert [len(dataset) for dataset in datasets] == [4, 4, 4]
    assert (tmp_path / "run" / "result.json").exists()


def test_a_training_whose_labels_all_tie_ends_with_its_outcome_written(tmp_path: Path) -> None:
    ties = make_preference_source("teacher", equal=1.0, margin=1e9)
    with pytest.warns(LearnedRewardWarning, match="ties"):
        result = train(tmp_path / "run", labeller=ties)
    written = json.loads((tmp_path / "run" / "result.json").read_text("utf-8"))
    assert [session["train_accuracy"] for session in written["sessions"]] == [None] * 3
    assert result.n_asked == 12


def test_a_saved_policy_acts_as_the_one_that_was_trained(tmp_path: Path) -> None:
    from vlfeedback.adapters.sb3 import load_policy

    model = train(tmp_path / "run").model
    policy = load_policy(
        tmp_path / "run" / "policy.zip", model.observation_space, model.action_space
    )
    observation = np.array([[0.1, 0.9, -1.0]], np.float32)
    expected = model.predict(observation, deterministic=True)[0]
    np.testing.assert_allclose(policy.predict(observation, deterministic=True)[0], expected)


def test_what_is_logged_is_kept_as_a_table(tmp_path: Path) -> None:
    train(tmp_path / "run")
    (table,) = (tmp_path / "run" / "log").glob("*.csv")
    head = table.read_text("utf-8").splitlines()[0].split(",")
    assert {"feedback/true_return", "feedback/learned_return", "eval/true_return"} <= set(head)
    assert "reward_model/correlation" in head


def test_without_a_labeller_the_environments_own_reward_is_paid() -> None:
    result = train(labeller=None)
    assert result.sessions == ()
    rewards = result.model.replay_buffer.rewards[:150]
    assert (rewards < 0).all()


def test_a_training_too_short_for_a_label_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"n_steps=60, and the first pairs .* after 60"):
        train(n_steps=60)


def test_an_algorithm_that_is_not_there_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="No algorithm 'dqn'"):
        train(algorithm="dqn")


def test_an_algorithm_whose_library_is_not_installed_names_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sbx", None)
    with pytest.raises(MissingExtraError, match=r"'sbx-sac' needs sbx, .*vlfeedback\[sbx\]"):
        train(tmp_path / "run", algorithm="sbx-sac")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_an_algorithm_of_torch_imports_no_jax() -> None:
    code = "import sys, tests.online.test_training as t; t.train(); print('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_discrete_actions_are_refused() -> None:
    balance = own_task("CartPole-v1", "balance the pole", success_key="")
    with pytest.raises(NeedsError, match="actions of Discrete"):
        train_online(balance, "teacher", n_steps=100, config=BRIEF)


def test_a_folder_of_another_training_is_refused(tmp_path: Path) -> None:
    train(tmp_path / "run")
    with pytest.raises(FileFormatError, match="n_steps"):
        train(tmp_path / "run", n_steps=160)


SCRIPT = textwrap.dedent("""
    import os, signal, sys
    from pathlib import Path
    from tests.online import test_training as t
    from vlfeedback.online import RIMEConfig

    kill_at = int(sys.argv[2])
    n_envs, settings = int(sys.argv[3]), {}
    if n_envs > 1:
        settings = {"algorithm_settings": {**t.small(), "gradient_steps": 2}}

    def report(stage, step, steps, loss):
        if step >= kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    t.train(Path(sys.argv[1]), report=report, n_envs=n_envs, label_filter=RIMEConfig(),
            n_steps=210, **settings)
""")


def test_a_training_that_was_stopped_ends_with_the_weights_of_one_that_was_not(
    tmp_path: Path,
) -> None:
    def stop(stage: str, step: int, steps: int, loss: float) -> None:
        if step >= 110:
            raise KeyboardInterrupt

    train(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "stopped", report=stop)
    result = train(tmp_path / "stopped")
    tensors, others = (_tensors(tmp_path / name) for name in ("whole", "stopped"))
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(tensor, others[name], err_msg=name)
    assert result.curve.steps == (60, 120, 150)


@pytest.mark.slow
@pytest.mark.parametrize("n_envs", [1, 2])
def test_a_training_killed_three_times_ends_with_the_weights_of_one_that_was_not(
    tmp_path: Path, n_envs: int
) -> None:
    def run(out: Path, kill_at: int) -> int:
        command = [sys.executable, "-c", SCRIPT, str(out), str(kill_at), str(n_envs)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, env=environment, check=False).returncode

    assert run(tmp_path / "whole", 10_000) == 0
    for kill_at in (50, 100, 150):
        assert run(tmp_path / "killed", kill_at) == -signal.SIGKILL
    assert run(tmp_path / "killed", 10_000) == 0
    tensors, others = (_tensors(tmp_path / name) for name in ("whole", "killed"))
    assert tensors.keys() == others.keys()
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(tensor, others[name], err_msg=name)


def _tensors(run: Path) -> dict[str, np.ndarray]:
    from zipfile import ZipFile

    import torch

    with ZipFile(run / "policy.zip") as archive, archive.open("policy.pth") as file:
        policy = torch.load(file, weights_only=True)
    reward_model = load_file(run / "reward_model.safetensors")
    return {**{k: v.numpy() for k, v in policy.items()}, **reward_model}


@pytest.fixture
def rendered() -> Iterator[list[int]]:
    """Counts pictures that a point on a line draws; the id is gone afterwards."""
    counts: list[int] = []

    class Counts(PointReachEnv):
        def render(self) -> Any:
            counts.append(1)
            return super().render()

    gym.register("PointReach-v0", lambda **given: Counts(**given), kwargs={"steps": 100})
    yield counts
    gym.registry.pop("PointReach-v0")


def test_only_pictures_that_the_labeller_reads_are_rendered(rendered: list[int]) -> None:
    config = FeedbackConfig(
        max_labels=4,
        labels_per_session=2,
        steps_between_sessions=30,
        segment_length=6,
        random_steps=30,
        exploration_steps=0,
    )
    labeller = PreferenceFromReward(BrightnessReward(BrightnessConfig(frame_stride=3)))
    reach = own_task("PointReach-v0", "go right", success_key="")
    result = train_online(
        reach,
        labeller,
        **{**SETTINGS, "config": config, "horizon": 12, "eval_episodes": 0},
        n_steps=72,
        algorithm_settings=small(),
    )
    assert [session.n_new for session in result.sessions] == [2, 2]
    # 7 episodes begin; of 12 steps each, those after steps 0, 3, 6, 9 and 11 are seen.
    assert len(rendered) == 7 + 6 * 5
