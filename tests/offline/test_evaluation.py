from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from jaxtyping import Float

from vlfeedback.errors import NeedsError
from vlfeedback.offline.evaluation import PolicyEvaluator, evaluate_policy
from vlfeedback.tasks import get_task
from vlfeedback.testing import PointReachEnv


class Constant:
    """Always the same push."""

    def __init__(self, push: float) -> None:
        self.push = push
        self.asked: list[int] = []

    def predict(self, x: Float[np.ndarray, "B D"]) -> Float[np.ndarray, "B A"]:
        self.asked.append(len(x))
        return np.full((len(x), 1), self.push, dtype=np.float32)


class Impatient(Constant):
    """Pushes in its first two steps of an episode only."""

    def reset(self, n_episodes: int) -> None:
        self.steps = np.zeros(n_episodes)

    def predict(self, x: Float[np.ndarray, "B D"]) -> Float[np.ndarray, "B A"]:
        assert len(x) == len(self.steps)
        self.steps += 1
        return (self.steps <= 2)[:, None].astype(np.float32)


class Unlimited(PointReachEnv):
    """Never ends by itself."""

    def step(self, action):  # type: ignore[no-untyped-def]
        observation, reward, _, _, info = super().step(action)
        return observation, reward, False, False, info


def test_a_policy_that_walks_to_the_goal_succeeds_with_the_return_known_by_hand() -> None:
    seen = evaluate_policy(Constant(1.0), lambda: PointReachEnv(4), seeds=range(3), horizon=9)
    assert seen.success == 1.0
    np.testing.assert_allclose(seen.returns, np.full(3, -0.75 - 0.5 - 0.25))
    np.testing.assert_array_equal(seen.lengths, [4, 4, 4])


def test_a_policy_that_stands_still_fails_and_is_cut_at_the_horizon() -> None:
    seen = evaluate_policy(Constant(0.0), lambda: PointReachEnv(4), seeds=range(2), horizon=9)
    assert seen.success == 0.0
    np.testing.assert_array_equal(seen.lengths, [9, 9])
    np.testing.assert_allclose(seen.returns, [-9.0, -9.0])


def test_success_at_any_time_counts() -> None:
    class Bounce(Constant):
        def predict(self, x: Float[np.ndarray, "B D"]) -> Float[np.ndarray, "B A"]:
            self.asked.append(len(x))
            push = 1.0 if len(self.asked) <= 2 else -1.0
            return np.full((len(x), 1), push, dtype=np.float32)

    seen = evaluate_policy(Bounce(0.0), lambda: Unlimited(2), seeds=[0], horizon=6)
    assert seen.success == 1.0
    assert seen.lengths[0] == 6


def test_stopping_at_success_ends_episodes_and_keeps_successes() -> None:
    policy = Constant(1.0)
    seen = evaluate_policy(
        policy, lambda: Unlimited(2), seeds=[0, 1], horizon=6, stop_at_success=True
    )
    np.testing.assert_array_equal(seen.successes, [True, True])
    np.testing.assert_array_equal(seen.lengths, [2, 2])
    assert policy.asked == [2, 2]


def test_only_episodes_that_still_run_are_asked_for() -> None:
    policy = Constant(1.0)
    evaluate_policy(policy, lambda: PointReachEnv(4, random_start=True), seeds=range(8), horizon=9)
    assert policy.asked == sorted(policy.asked, reverse=True)
    assert policy.asked[0] == 8 > policy.asked[-1]


def test_a_policy_with_memory_is_reset_and_sees_every_row() -> None:
    evaluator = PolicyEvaluator(
        lambda: PointReachEnv(4, random_start=True), seeds=range(6), horizon=5
    )
    policy = Impatient(0.0)
    first, second = evaluator.evaluate(policy), evaluator.evaluate(policy)
    np.testing.assert_array_equal(first.returns, second.returns)
    assert 0 < first.success < 1


def test_actions_beyond_the_box_are_clipped() -> None:
    seen = evaluate_policy(Constant(40.0), lambda: PointReachEnv(4), seeds=[0], horizon=9)
    assert seen.lengths[0] == 4


def test_equal_seeds_give_equal_episodes_and_others_differ() -> None:
    evaluator = PolicyEvaluator(get_task("door-close").env_id, seeds=range(3), horizon=3)
    policy = _Still()
    first, second = evaluator.evaluate(policy), evaluator.evaluate(policy)
    np.testing.assert_array_equal(first.returns, second.returns)
    assert len(set(first.returns)) == 3


def test_it_is_an_evaluator_of_d3rlpy_that_keeps_what_it_saw() -> None:
    evaluator = PolicyEvaluator(lambda: PointReachEnv(2), seeds=[0], horizon=3)
    assert evaluator(Constant(1.0), None) == 1.0
    assert evaluator(Constant(0.0), None) == 0.0
    assert [seen.success for seen in evaluator.history] == [1.0, 0.0]


def test_an_environment_that_might_never_end_needs_a_horizon() -> None:
    with pytest.raises(NeedsError, match=r"pass horizon="):
        evaluate_policy(Constant(1.0), lambda: Unlimited(2))


def test_discrete_actions_are_refused() -> None:
    with pytest.raises(NeedsError, match="act in a Box"):
        evaluate_policy(Constant(1.0), lambda: gym.make("CartPole-v1"))


def test_no_seeds_and_no_steps_are_refused() -> None:
    with pytest.raises(NeedsError, match="at least one episode"):
        PolicyEvaluator(PointReachEnv, seeds=[])
    with pytest.raises(ValueError, match="horizon=0"):
        PolicyEvaluator(PointReachEnv, horizon=0)


class _Still:
    def predict(self, x: Float[np.ndarray, "B D"]) -> Float[np.ndarray, "B A"]:
        return np.zeros((len(x), 4), dtype=np.float32)
