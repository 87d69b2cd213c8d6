"""A training that was stopped goes on, and ends as one that never was."""

import signal
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vlfeedback.data.locks import locked
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.errors import FileFormatError, InvalidTypeError
from vlfeedback.offline import PolicyEvaluation, PolicyEvaluator, TrainedPolicy, train_policy
from vlfeedback.offline.evaluation import Policy
from vlfeedback.offline.learners import list_learners
from vlfeedback.offline.training_state import load_state, save_state
from vlfeedback.testing import PointReachEnv
from vlfeedback.types import PreferenceLabels, Trajectory

SETTINGS: dict[str, dict[str, Any]] = {
    "diffusion": {"network": "mlp", "hidden": (8,), "n_sampling_steps": 2, "batch_size": 4},
    "p-iql": {"reward_training": {"epochs": 2}},
    "ipl": {"replay": True},
    # Where phases and schedules change, in the middle of what is trained.
    "cpl": {"bc_steps": 7, "warmup_steps": 9, "observation_scaler": "standard"},
    "cpl-kl": {"bc_steps": 4, "reference": True},
    "iql": {"dropout": 0.25, "cosine_steps": 20, "observation_scaler": "standard"},
    "iql-d3rlpy": {"dropout": 0.25, "cosine_steps": 20},
}


class StoppedError(Exception):
    pass


class StoppingEvaluator(PolicyEvaluator):
    """Judges so often, and then stops the training."""

    def __init__(self, n: int | None, pause: float = 0) -> None:
        super().__init__(lambda: PointReachEnv(steps=5, random_start=True), seeds=(0, 1), horizon=8)
        self.left, self.pause = n, pause

    def evaluate(self, policy: Policy) -> PolicyEvaluation:
        if self.left == 0:
            raise StoppedError
        self.left = None if self.left is None else self.left - 1
        time.sleep(self.pause)
        return super().evaluate(policy)


def data() -> tuple[list[Trajectory], PreferenceDataset]:
    rng = np.random.default_rng(0)
    trajectories = []
    for index in range(12):
        actions = rng.uniform(-1, 1, (10, 1)).astype(np.float32)
        positions = np.clip(np.cumsum(np.r_[0.5, actions[:, 0] / 10]), 0, 1).astype(np.float32)
        rewards = positions[1:] - 1
        trajectories.append(
            Trajectory(
                positions[:, None],
                actions,
                env_rewards=rewards,
                rewards=rewards,
                truncated=True,
                id=str(index),
            )
        )
    pairs = [
        (a.segment(0, 10), b.segment(0, 10))
        for a, b in zip(trajectories[::2], trajectories[1::2], strict=True)
    ]
    prefer = [float(b.read("rewards").sum() > a.read("rewards").sum()) for a, b in pairs]
    labels = PreferenceLabels(np.array(prefer, np.float32), np.ones(len(pairs), dtype=np.bool_))
    return trajectories, PreferenceDataset(pairs, labels)


def train(learner: str, out: Path | None, evaluator: Any = None, **options: Any) -> TrainedPolicy:
    trajectories, preferences = data()
    settings: dict[str, Any] = {"preset": "smoke", "n_steps": 20, "eval_every": 3, "seed": 5}
    return train_policy(
        learner,
        trajectories=trajectories,
        preferences=preferences,
        evaluator=evaluator or StoppingEvaluator(None),
        out=out,
        **(settings | SETTINGS.get(learner, {}) | options),
    )


def weights(trained: TrainedPolicy) -> dict[str, torch.Tensor]:
    if trained.config["learner"] == "diffusion":
        return dict(trained.algo._learnt.tensors())
    modules = trained.algo.impl.modules
    return {
        f"{field.name}.{name}": tensor
        for field in fields(modules)
        if isinstance(getattr(modules, field.name), torch.nn.Module)
        for name, tensor in getattr(modules, field.name).state_dict().items()
    }


def assert_equal(one: TrainedPolicy, other: TrainedPolicy) -> None:
    assert one.curve.to_json() == other.curve.to_json()
    assert one.config == other.config
    expected, found = weights(one), weights(other)
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.equal(tensor, found[name]), name


@pytest.mark.parametrize("learner", sorted(set(list_learners()) - {"nothing", "random"}))
def test_every_learner_goes_on_from_its_last_evaluation(learner: str, tmp_path: Path) -> None:
    unbroken = train(learner, None)
    for n in (2, 1):  # evaluations until it stops: after 6 steps, then after 9
        with pytest.raises(StoppedError):
            train(learner, tmp_path / "run", StoppingEvaluator(n))
        torch.rand(7)  # what others draw meanwhile does not count
    assert (tmp_path / "run" / "training" / "state.safetensors").is_file()
    evaluator = StoppingEvaluator(4)  # after 12, 15, 18 and 20: no step is judged twice
    resumed = train(learner, tmp_path / "run", evaluator)
    assert evaluator.left == 0
    assert resumed.curve.steps == (3, 6, 9, 12, 15, 18, 20)
    assert_equal(unbroken, resumed)
    assert_equal(unbroken, TrainedPolicy.load(tmp_path / "run"))
    assert not (tmp_path / "run" / "training").exists()


def test_the_reward_model_of_p_iql_is_fitted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoppedError):
        train("p-iql", tmp_path, StoppingEvaluator(1))
    monkeypatch.setattr("vlfeedback.models.reward.fit.fit_reward_model", None)
    resumed = train("p-iql", tmp_path)
    assert resumed.notes["reward_model"]["epochs"] == 2
    assert {path.name for path in tmp_path.iterdir()} == {
        "policy.d3",
        "result.json",
        "reward.safetensors",
    }


def test_a_training_begun_otherwise_is_refused_with_what_differs(tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        train("bc", tmp_path, StoppingEvaluator(1))
    with pytest.raises(FileFormatError, match=r"other settings: seed was 5 and is 6\. Use the"):
        train("bc", tmp_path, seed=6)
    other = PolicyEvaluator(lambda: PointReachEnv(steps=5), seeds=(0, 1), horizon=7)
    with pytest.raises(FileFormatError, match="evaluation horizon was 8 and is 7"):
        train("bc", tmp_path, other)
    train("bc", tmp_path)
    with pytest.raises(FileFormatError, match="evaluation horizon was 8 and is 7"):
        train("bc", tmp_path, other)


def test_two_processes_never_train_into_one_folder(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "training", what="trains into"),
        pytest.raises(BlockingIOError, match="Another process trains into"),
    ):
        train("bc", tmp_path)


def test_labels_of_trajectories_that_were_replaced_train_another_policy(tmp_path: Path) -> None:
    train("cpl", tmp_path)
    _, preferences = data()
    moved = [
        tuple(
            replace(s.trajectory, actions=0.5 * s.trajectory.actions).segment(s.start, s.length)
            for s in pair
        )
        for pair in preferences.pairs
    ]
    other = PreferenceDataset(moved, preferences.labels)  # type: ignore[arg-type]
    assert other.digest() == preferences.digest()  # by ids and labels they are equal
    settings: dict[str, Any] = {"preset": "smoke", "n_steps": 20, "eval_every": 3, "seed": 5}
    for out in (tmp_path, str(tmp_path)):
        with pytest.raises(FileFormatError, match="other settings: contents pairs was"):
            train_policy(
                "cpl",
                trajectories=data()[0],
                preferences=other,
                evaluator=StoppingEvaluator(None),
                out=out,
                **(settings | SETTINGS["cpl"]),
            )


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    state = {
        "nested": {0: [1, (2.5, None)], "text": "a"},
        "tensor": torch.arange(3),
        "array": np.arange(4.0)[::2],
        "large": 2**127 + 1,
    }
    save_state(tmp_path / "s.safetensors", state)
    read = load_state(tmp_path / "s.safetensors")
    assert read is not None and read["nested"] == {0: [1, (2.5, None)], "text": "a"}
    assert torch.equal(read["tensor"], torch.arange(3)) and read["large"] == 2**127 + 1
    np.testing.assert_array_equal(read["array"], [0.0, 2.0])
    assert load_state(tmp_path / "other.safetensors") is None
    with pytest.raises(InvalidTypeError, match="is no part of a training's state"):
        save_state(tmp_path / "t.safetensors", {"function": print})


RUN = (
    "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; "
    "import test_resumed_training as t; "
    "t.train(sys.argv[2], Path(sys.argv[3]), t.StoppingEvaluator(None, 0.3), n_steps=60)"
)


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["iql", "p-iql", "cpl"])
def test_a_killed_process_goes_on_and_ends_as_if_it_never_was(learner: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-c", RUN, str(Path(__file__).parent), learner, str(out)]
    state = out / "training" / "state.safetensors"
    with subprocess.Popen(command) as process:
        written = 0.0
        for _ in range(1200):
            if state.is_file() and written and state.stat().st_mtime > written:
                break  # a second evaluation was kept, and a third has begun
            written = written or (state.stat().st_mtime if state.is_file() else 0.0)
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    kept = load_state(state)
    assert kept is not None and 6 <= kept["evaluations"][-1][0] < 60
    assert not (out / "result.json").exists()
    subprocess.run(command, check=True)
    assert_equal(train(learner, None, n_steps=60), TrainedPolicy.load(out))
