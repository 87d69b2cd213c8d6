import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

import vlfeedback
from vlfeedback.errors import NeedsError
from vlfeedback.online import WatchReward
from vlfeedback.online.health import LearnedRewardWarning
from vlfeedback.testing import BrightnessReward, PointReachEnv

STEPS = 5


class Drifts(PointReachEnv):
    """Brighter from episode to episode, while success comes in the first twenty alone."""

    def __init__(self) -> None:
        super().__init__(steps=1000, render_mode="rgb_array")
        self.episode = 0

    def reset(self, **given: Any) -> Any:
        self.episode += 1
        return super().reset(**given)

    def render(self) -> Any:
        return np.full((8, 8, 3), min(self.episode, 250), np.uint8)

    def step(self, action: Any) -> Any:
        *answer, info = super().step(action)
        return *answer, {**info, "success": self.episode <= 20}


class Told(BaseCallback):
    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, Any] = {}

    def _on_step(self) -> bool:
        self.values |= {k: v for k, v in self.logger.name_to_value.items() if "reward/" in k}
        return True


def paid(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    return vlfeedback.RewardFromSource(gym.wrappers.TimeLimit(env, STEPS), BrightnessReward())


def ppo(env: Any) -> PPO:
    return PPO("MlpPolicy", env, n_steps=10, batch_size=10, n_epochs=1, device="cpu", seed=0)


def sac(env: Any) -> SAC:
    return SAC("MlpPolicy", env, learning_starts=10_000, device="cpu", seed=0)


@pytest.mark.parametrize("make", [ppo, sac])
def test_what_is_paid_and_what_the_task_says_are_logged_apart(make: Any) -> None:
    env, told = Monitor(paid(Drifts())), Told()
    model: BaseAlgorithm = make(env)
    model.learn(2 * STEPS, callback=[WatchReward(), told], log_interval=1000)
    # Means over episodes 1 and 2: each of five pictures of k / 255.
    assert told.values["reward/learned_return"] == pytest.approx(STEPS * 1.5 / 255, abs=1e-5)
    assert told.values["reward/true_return"] < 0  # the distance of a point to its goal
    assert told.values["reward/success"] == 1.0


def test_a_learned_return_that_rises_while_success_falls_is_warned_of() -> None:
    with pytest.warns(LearnedRewardWarning, match="success fell from 100% to 0%"):
        sac(Monitor(paid(Drifts()))).learn(40 * STEPS, callback=WatchReward())


def test_two_environments_count_together_and_nothing_is_said_without_cause() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = DummyVecEnv([lambda: Monitor(paid(Drifts())) for _ in range(2)])
        ppo(env).learn(2 * 15 * STEPS, callback=WatchReward())


@pytest.mark.parametrize(
    ("wrap", "missing"),
    [
        (paid, "'episode'"),
        (lambda env: Monitor(gym.wrappers.TimeLimit(env, STEPS)), "'env_return'"),
    ],
)
def test_an_environment_that_does_not_tell_is_refused_with_what_to_do(
    wrap: Any, missing: str
) -> None:
    env = DummyVecEnv([lambda: wrap(Drifts())])  # algorithms wrap single ones in Monitor themselves
    with pytest.raises(NeedsError, match=f"no {missing} at the end .*Monitor"):
        sac(env).learn(2 * STEPS, callback=WatchReward())
