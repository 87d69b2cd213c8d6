"""A pendulum whose episodes are short, and trainings of a few hundred steps on it."""

from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3 import SAC
from stable_baselines3.common.vec_env import DummyVecEnv

from vlfeedback.online import FeedbackConfig, LearnedRewardBuffer, RecordEpisodes

HORIZON = 20
BRIEF = FeedbackConfig(
    max_labels=12,
    labels_per_session=4,
    steps_between_sessions=40,
    segment_length=5,
    random_steps=40,
    exploration_steps=20,
    catch_up_updates=2,
)


def small() -> dict[str, Any]:
    """Settings of a small network; algorithms write into them, so that each has its own."""
    return {"batch_size": 16, "policy_kwargs": {"net_arch": [16, 16]}}


def pendulum(row: int = 0, horizon: int = HORIZON) -> gym.Env[Any, Any]:
    """Actions of -2 to 2, three numbers to observe, a reward of 0 at best."""
    env: gym.Env[Any, Any] = gym.make("Pendulum-v1", max_episode_steps=horizon)
    return RecordEpisodes(env, seed=7, row=row)


def pendulums(n: int) -> DummyVecEnv:
    return DummyVecEnv([lambda row=row: pendulum(row) for row in range(n)])  # type: ignore[misc]


def sac(n_envs: int = 1, **settings: Any) -> SAC:
    return SAC(
        "MlpPolicy",
        pendulums(n_envs),
        replay_buffer_class=LearnedRewardBuffer,
        seed=0,
        learning_starts=40,
        train_freq=1,
        device="cpu",
        **{**small(), **settings},
    )


class PlantedReward:
    """-|angular speed| - action / 10, which a test computes for itself.

    Two members disagree by a standard deviation of |cosine of the angle|.
    """

    picture_shape = None
    picture_dtype = "uint8"

    def encode(self, pictures: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def member_rewards(
        self, observations: np.ndarray, actions: np.ndarray, pictures: np.ndarray | None = None
    ) -> np.ndarray:
        mean = -np.abs(observations[:, 2]) - actions[:, 0] / 10
        doubt = np.abs(observations[:, 0])
        return np.stack([mean - doubt, mean + doubt]).astype(np.float32)
