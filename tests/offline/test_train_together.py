"""Runs that are trained together end as they do alone, up to rounding."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.errors import FileFormatError, InvalidValueError, NeedsError, ShapeError
from vlfeedback.offline import (
    PolicyEvaluation,
    PolicyEvaluator,
    PolicyRun,
    TrainedPolicy,
    load_policy,
    train_policies,
    train_policy,
)
from vlfeedback.offline.evaluation import Policy
from vlfeedback.testing import PointReachEnv
from vlfeedback.types import PreferenceLabels, Trajectory

SETTINGS: dict[str, dict[str, Any]] = {
    "p-iql": {
        "reward_training": {"epochs": 2},
        "deterministic": True,
        "step_order": "cpl",
        "dropout": 0.25,
        "cosine_steps": 60,
    },
    "iql": {"observation_scaler": "standard", "dropout": 0.25},
    "cpl": {"bc_steps": 9, "warmup_steps": 9, "observation_scaler": "standard"},
    "cpl-kl": {"bc_steps": 9, "warmup_steps": 9, "ignore_ties": True},
    "cpl-bc": {"gaussian": True, "length": 7, "bc_steps": 0},
    "ipl": {"dropout": 0.25},
    "sft": {"bc_steps": 9},
    "bc": {"dropout": 0.25, "gaussian": True},
}
STEPS = 24


def data(run: int, n_observed: int = 3) -> tuple[list[Trajectory], PreferenceDataset]:
    """Of each run another number of trajectories and pairs, a tie among them."""
    rng = np.random.default_rng(run)
    trajectories = [
        Trajectory(
            rng.standard_normal((11, n_observed)).astype(np.float32),
            rng.uniform(-1, 1, (10, 2)).astype(np.float32),
            rewards=rng.standard_normal(10).astype(np.float32),
            truncated=True,
            id=str(index),
        )
        for index in range(22 + 6 * run)
    ]
    segments = [trajectory.segment(0, 10) for trajectory in trajectories]
    pairs = list(zip(segments[::2], segments[1::2], strict=True))
    labels = rng.choice(np.array([0, 0.5, 1], np.float32), len(pairs))
    labels[:2] = 0, 1
    answered = np.ones(len(pairs), dtype=np.bool_)
    return trajectories, PreferenceDataset(pairs, PreferenceLabels(labels, answered))


def run_of(number: int, **options: Any) -> PolicyRun:
    trajectories, preferences = data(number)
    return PolicyRun(seed=number + 5, trajectories=trajectories, preferences=preferences, **options)


def together(learner: str, runs: list[PolicyRun], **options: Any) -> list[TrainedPolicy]:
    settings: dict[str, Any] = {"preset": "smoke", "n_steps": STEPS, "eval_every": 10}
    return train_policies(learner, runs, **(settings | SETTINGS.get(learner, {}) | options))


def alone(learner: str, run: PolicyRun, **options: Any) -> TrainedPolicy:
    settings: dict[str, Any] = {"preset": "smoke", "n_steps": STEPS, "eval_every": 10}
    return train_policy(
        learner,
        trajectories=run.trajectories,
        preferences=run.preferences,
        evaluator=run.evaluator,
        seed=run.seed,
        out=run.out,
        **(settings | SETTINGS.get(learner, {}) | options),
    )


def networks(trained: TrainedPolicy) -> dict[str, torch.Tensor]:
    modules = trained.algo.impl.modules
    names = [name for name in vars(modules) if "optimiser" not in name]
    return {
        f"{name}.{key}": tensor
        for name in names
        for key, tensor in getattr(modules, name).state_dict().items()
    }


@pytest.mark.parametrize("learner", SETTINGS)
def test_a_run_among_others_ends_as_it_does_alone(learner: str) -> None:
    runs = [run_of(number) for number in range(3)]
    for trained, run in zip(together(learner, runs), runs, strict=True):
        single = alone(learner, run)
        assert trained.config == single.config and trained.notes.keys() == single.notes.keys()
        expected, found = networks(single), networks(trained)
        assert expected.keys() == found.keys()
        for name, tensor in expected.items():
            torch.testing.assert_close(found[name], tensor, rtol=1e-5, atol=1e-5, msg=name)


def dot() -> PointReachEnv:
    return PointReachEnv(steps=5)


def evaluator() -> PolicyEvaluator:
    return PolicyEvaluator(dot, seeds=(0, 1), horizon=8)


@pytest.fixture
def dots() -> Callable[[int], PolicyRun]:
    """Runs on the dot, which have one observation and one action."""

    def make(seed: int) -> PolicyRun:
        rng = np.random.default_rng(seed)
        trajectories = [
            Trajectory(
                rng.uniform(0, 1, (11, 1)).astype(np.float32),
                rng.uniform(-1, 1, (10, 1)).astype(np.float32),
                rewards=rng.standard_normal(10).astype(np.float32),
                truncated=True,
            )
            for _ in range(4)
        ]
        return PolicyRun(seed=seed, trajectories=trajectories, evaluator=evaluator())

    return make


def test_each_is_judged_at_the_steps_at_which_it_would_be_alone(
    dots: Callable[[int], PolicyRun],
) -> None:
    told: list[tuple[str, int, int]] = []
    runs = [dots(0), dots(1)]
    policies = together(
        "iql", runs, report=lambda stage, step, total, _: told.append((stage, step, total))
    )
    for trained, run in zip(policies, runs, strict=True):
        single = alone("iql", run)
        assert trained.curve.steps == single.curve.steps == (10, 20, 24)
        np.testing.assert_allclose(trained.curve.returns, single.curve.returns, rtol=1e-4)
    assert told == [("train", 10, STEPS), ("train", 20, STEPS), ("train", 24, STEPS)]


def test_each_is_saved_as_if_it_were_alone_and_read_where_it_is_finished(
    dots: Callable[[int], PolicyRun], tmp_path: Path
) -> None:
    first, second = (replace(dots(seed), out=tmp_path / str(seed)) for seed in (0, 1))
    before = alone("bc", first)
    policies = together("bc", [first, second])
    assert policies[0].seconds == before.seconds  # it was read, not trained
    assert {path.name for path in (tmp_path / "1").iterdir()} == {"policy.d3", "result.json"}
    read = TrainedPolicy.load(tmp_path / "1")
    states = np.ones((2, 1), dtype=np.float32)
    expected = policies[1].algo.predict(states)
    np.testing.assert_array_equal(read.algo.predict(states), expected)
    np.testing.assert_array_equal(
        load_policy(tmp_path / "1" / "policy.d3").predict(states), expected
    )
    assert alone("bc", second).curve.to_json() == policies[1].curve.to_json()
    with pytest.raises(FileFormatError, match="seed was 1 and is 2"):
        together("bc", [first, replace(second, seed=2)])


def test_a_policy_that_was_trained_with_others_goes_on_alone(
    dots: Callable[[int], PolicyRun],
) -> None:
    trained = together("bc", [dots(0), dots(1)])[1]
    assert trained.algo.grad_step == STEPS
    assert int(trained.algo.impl.modules.optimiser.steps) == STEPS


class StoppedError(Exception):
    pass


class StoppingEvaluator(PolicyEvaluator):
    """Judges so often, and then stops the training."""

    def __init__(self, n: int) -> None:
        super().__init__(dot, seeds=(0, 1), horizon=8)
        self.left = n

    def evaluate(self, policy: Policy) -> PolicyEvaluation:
        if self.left == 0:
            raise StoppedError
        self.left -= 1
        return super().evaluate(policy)


def pairs_of_dots(run: PolicyRun) -> PolicyRun:
    trajectories = list(run.trajectories or ())
    segments = [trajectory.segment(0, 10) for trajectory in trajectories]
    pairs = list(zip(segments[::2], segments[1::2], strict=True))
    labels = PreferenceLabels(np.array([0, 1], np.float32), np.ones(2, dtype=np.bool_))
    return replace(run, preferences=PreferenceDataset(pairs, labels))


@pytest.mark.parametrize("learner", SETTINGS)
def test_runs_that_were_stopped_go_on_together_and_end_as_if_they_never_were(
    learner: str, dots: Callable[[int], PolicyRun], tmp_path: Path
) -> None:
    runs = [pairs_of_dots(dots(seed)) for seed in range(3)]
    options: dict[str, Any] = {"eval_every": 5} | ({"length": 7} if learner == "cpl-bc" else {})
    unbroken = together(learner, runs, **options)
    kept = [replace(run, out=tmp_path / str(run.seed)) for run in runs]
    for n in (2, 1):  # evaluations until one of them stops all: after 10 steps, then after 15
        stopping = replace(kept[1], evaluator=StoppingEvaluator(n))
        with pytest.raises(StoppedError):
            together(learner, [kept[0], stopping, kept[2]], **options)
        torch.rand(7)  # what others draw meanwhile does not count
    evaluator = StoppingEvaluator(2)  # after 20 and 24: no step is judged twice
    resumed = together(
        learner, [kept[0], replace(kept[1], evaluator=evaluator), kept[2]], **options
    )
    assert evaluator.left == 0
    for before, after in zip(unbroken, resumed, strict=True):
        assert after.curve.to_json() == before.curve.to_json()
        assert after.curve.steps == (5, 10, 15, 20, 24)
        for name, tensor in networks(before).items():
            assert torch.equal(networks(after)[name], tensor), name
    assert not list(tmp_path.glob("*/training"))


def test_runs_that_are_not_equally_far_are_finished_apart(
    dots: Callable[[int], PolicyRun], tmp_path: Path
) -> None:
    runs = [replace(dots(seed), out=tmp_path / str(seed)) for seed in range(3)]
    with pytest.raises(StoppedError):  # two are 10 steps far, the third has not begun
        together("iql", [runs[0], replace(runs[1], evaluator=StoppingEvaluator(1))])
    for trained, run in zip(together("iql", runs), runs, strict=True):
        single = alone("iql", replace(run, out=None))
        assert trained.curve.steps == single.curve.steps == (10, 20, 24)
        for name, tensor in networks(single).items():
            torch.testing.assert_close(networks(trained)[name], tensor, rtol=1e-5, atol=1e-5)


def test_what_was_stopped_among_others_goes_on_alone(
    dots: Callable[[int], PolicyRun], tmp_path: Path
) -> None:
    run = replace(dots(0), out=tmp_path / "run")
    with pytest.raises(StoppedError):
        together("iql", [run, replace(dots(1), evaluator=StoppingEvaluator(1))])
    told: list[int] = []
    trained = alone("iql", run, report=lambda _stage, step, _total, _loss: told.append(step))
    assert min(told) > 10
    for name, tensor in networks(alone("iql", replace(run, out=None))).items():
        torch.testing.assert_close(networks(trained)[name], tensor, rtol=1e-5, atol=1e-5)


def test_what_cannot_be_trained_together_is_refused() -> None:
    runs = [run_of(0), run_of(1)]
    for learner in ("diffusion", "iql-d3rlpy"):
        with pytest.raises(InvalidValueError, match=f"Runs of '{learner}' .* with train_policy"):
            together(learner, runs)
    with pytest.raises(InvalidValueError, match="IPL with a replay is not trained together"):
        together("ipl", runs, replay=True)
    trajectories, preferences = data(1, n_observed=4)
    wide = PolicyRun(seed=0, trajectories=trajectories, preferences=preferences)
    with pytest.raises(ShapeError, match="Train them apart"):
        together("bc", [runs[0], wide])
    with pytest.raises(InvalidValueError, match="n_steps=0"):
        together("bc", runs, n_steps=0)
    with pytest.raises(NeedsError, match="got none; pass preferences"):
        together("cpl", [PolicyRun(seed=0)])


def test_no_runs_give_no_policies() -> None:
    assert together("bc", []) == []
