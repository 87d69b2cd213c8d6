"""Policies that learn nothing, as learners like any other."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlfeedback.errors import InvalidTypeError, InvalidValueError, ShapeError, UnknownNameError
from vlfeedback.offline import PolicyEvaluator, TrainedPolicy, train_policy
from vlfeedback.offline.untrained import UniformActions
from vlfeedback.testing import PointReachEnv
from vlfeedback.types import Trajectory

DATA = [Trajectory(np.zeros((5, 1)), np.full((4, 1), 3.0), truncated=True, id="a")]  # out of reach
SHORT: dict[str, Any] = {"trajectories": DATA, "n_steps": 1000, "eval_every": 50}


@pytest.fixture
def evaluator() -> PolicyEvaluator:
    return PolicyEvaluator(
        lambda: PointReachEnv(steps=5, random_start=True), seeds=(0, 1), horizon=8
    )


@pytest.mark.parametrize("learner", ["nothing", "random"])
def test_one_evaluation_is_one_however_many_steps_are_asked_for(
    learner: str, evaluator: PolicyEvaluator
) -> None:
    trained = train_policy(learner, seed=0, evaluator=evaluator, **SHORT)
    curve = trained.curve
    assert curve.steps == (1000,) and curve.returns.shape == (1, 2)
    assert curve.best(of="return") == curve.last("return") == curve.returns.mean()


def test_nothing_is_zero_for_any_observation() -> None:
    algo = train_policy("nothing", seed=0, **SHORT).algo
    np.testing.assert_array_equal(algo.predict(np.ones((3, 1))), np.zeros((3, 1)))


def test_random_actions_fill_the_box_and_depend_on_the_seed_alone() -> None:
    one, same, other = (
        train_policy("random", seed=seed, **SHORT).algo.predict(np.zeros((1000, 1)))
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert (one.min(), one.max()) == pytest.approx((-1, 1), abs=0.02)
    assert one.mean() == pytest.approx(0, abs=0.06)  # three standard deviations


def test_the_bounds_are_settings_of_one_number_or_of_one_for_each_entry() -> None:
    actions = train_policy("random", seed=0, low=0.0, **SHORT).algo.predict(np.zeros((1000, 1)))
    assert (actions.min(), actions.max()) == pytest.approx((0, 1), abs=0.02)
    policy = UniformActions(2, low=[0.0, 5.0], high=[0.0, 5.0])
    np.testing.assert_array_equal(policy.predict(np.zeros((1, 3))), [[0, 5]])


def test_bounds_that_are_none_are_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"low=2.0, high=1.0; expected finite numbers"):
        train_policy("random", seed=0, low=2.0, **SHORT)
    with pytest.raises(ShapeError, match=r"low=\[0.0, 0.0\], high=1.0; expected .* or 1 of them"):
        train_policy("random", seed=0, low=[0.0, 0.0], **SHORT)
    with pytest.raises(InvalidTypeError, match="'low' of learner 'random' is 'no'"):
        train_policy("random", seed=0, low="no", **SHORT)
    with pytest.raises(UnknownNameError, match="Learner 'nothing' has no setting 'low'"):
        train_policy("nothing", seed=0, low=0.0, **SHORT)


def test_its_folder_is_read_back(tmp_path: Path, evaluator: PolicyEvaluator) -> None:
    trained = train_policy("random", seed=3, evaluator=evaluator, out=tmp_path / "a", **SHORT)
    for again in (
        TrainedPolicy.load(tmp_path / "a"),
        train_policy("random", seed=3, evaluator=evaluator, out=tmp_path / "a", **SHORT),
    ):
        np.testing.assert_array_equal(again.curve.returns, trained.curve.returns)
        first = UniformActions(1, seed=3).predict(np.zeros((2, 1)))
        np.testing.assert_array_equal(again.algo.predict(np.zeros((2, 1))), first)
