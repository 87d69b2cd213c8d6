"""Walks to a point, recorded as trajectories, and what a wrapper pays for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np

from vlfeedback.testing import BrightnessConfig, PointReachEnv
from vlfeedback.types import ArrayFrames, SegmentBatch, SourceNeeds, Trajectory
from vlfeedback.wrappers import RewardFromSource

LIMITS = (30, 4, 30, 1, 12)  # time limits, one a seed
CONFIGS = [
    BrightnessConfig(),
    BrightnessConfig(frame_stride=3),
    BrightnessConfig("window", context=5, frame_stride=2),
    BrightnessConfig("window", context=4),
    BrightnessConfig("episode", frame_stride=2),
]


def actions_of(seed: int) -> np.ndarray:
    """More than an episode has room for, forwards more often than not."""
    return np.random.default_rng(seed).uniform(-0.5, 1, (40, 1)).astype(np.float32)


def record(env: gym.Env[Any, Any], seed: int, **changes: Any) -> Trajectory:
    """An episode with a picture of every state."""
    observations, pictures = [env.reset(seed=seed)[0]], [env.render()]
    actions, env_rewards = [], []
    for action in actions_of(seed):
        observation, reward, terminated, truncated, _ = env.step(action)
        observations.append(observation)
        pictures.append(env.render())
        actions.append(action)
        env_rewards.append(reward)
        if terminated or truncated:
            break
    fields: dict[str, Any] = {
        "observations": np.stack(observations),
        "actions": np.stack(actions),
        "env_rewards": np.array(env_rewards, dtype=np.float32),
        "frames": ArrayFrames(np.arange(len(pictures)), np.stack(pictures)),  # type: ignore[arg-type]
        "terminated": terminated,
        "truncated": truncated,
        "id": f"point/{seed}",
    }
    return Trajectory(**(fields | changes))


def world(time_limit: int) -> gym.Env[Any, Any]:
    env = PointReachEnv(steps=5, render_mode="rgb_array", random_start=True)
    return gym.wrappers.TimeLimit(env, time_limit)


def by_a_wrapper(source: Any, recorded: list[Trajectory], **settings: Any) -> list[list[float]]:
    rewards = []
    for seed, time_limit in enumerate(LIMITS):
        env = RewardFromSource(world(time_limit), source, **settings)
        env.reset(seed=seed)
        rewards.append([float(env.step(a)[1]) for a in recorded[seed].actions])
    return rewards


def rewards_of(trajectories: Any) -> list[list[float]]:
    return [np.asarray(t.rewards).tolist() for t in trajectories]


# Rewards ---------------------------------------------------------------------------------------


def with_pictures_of(trajectory: Trajectory, times: list[int]) -> Trajectory:
    assert trajectory.frames is not None
    frames = ArrayFrames(np.array(times), trajectory.frames.read(times))
    return replace(trajectory, frames=frames)


class Recorder:
    """Scores a window by its size, and keeps what it was given."""

    def __init__(self, **needs: Any) -> None:
        self.needs = SourceNeeds(**needs)
        self.batches: list[SegmentBatch] = []

    def rewards(self, batch: SegmentBatch) -> np.ndarray:
        self.batches.append(batch)
        return np.full((len(batch), batch.n_steps), 7, np.float32)
