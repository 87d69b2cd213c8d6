"""Rewards that environments give, wrapped one by one and in vectors."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from tests.behaviour.pinned_data import EpisodeEnergy
from tests.behaviour.pinned_record import case

from vlfeedback import (
    CaptureFrames,
    RewardFromSource,
    RewardSource,
    VectorRewardFromSource,
    make_reward_source,
)
from vlfeedback.testing import BrightnessConfig, BrightnessEmbedder, BrightnessReward, PointReachEnv

__all__: list[str] = []


def _sources() -> dict[str, Any]:
    return {
        "step": BrightnessReward(),
        "step, every third": BrightnessEmbedder(BrightnessConfig(frame_stride=3)),
        "window": BrightnessReward(BrightnessConfig("window", context=5, frame_stride=2)),
        "embedded window": BrightnessEmbedder(BrightnessConfig("window", context=7)),
        "episode": EpisodeEnergy(),
        "random": make_reward_source("random", seed=2),
        "env": make_reward_source("env"),
    }


def _play(env: gym.Env[Any, Any], n_steps: int, seed: int = 0) -> dict[str, Any]:
    """Rewards of some steps; a new episode is begun where one ends."""
    rng = np.random.default_rng(seed)
    space = env.action_space
    assert isinstance(space, gym.spaces.Box)
    env.reset(seed=seed)
    rewards, own, ends, observations = [], [], [], []
    for _ in range(n_steps):
        action = rng.uniform(-0.3, 1, space.shape).astype(space.dtype)
        observation, reward, terminated, truncated, info = env.step(action)
        rewards.append(reward)
        own.append(info["env_reward"])
        ends.append(terminated or truncated)
        observations.append(np.asarray(observation, np.float64))
        if ends[-1]:
            env.reset()
    return {
        "rewards": np.array(rewards),
        "env_reward": np.array(own),
        "ends": np.array(ends),
        "observations": np.stack(observations),
    }


def _point(limit: int = 9) -> gym.Env[Any, Any]:
    env = PointReachEnv(steps=6, render_mode="rgb_array", random_start=True)
    return gym.wrappers.TimeLimit(env, limit)


@case(exact=True)
def single_in_all_modes(folder: Path) -> Any:
    said: dict[str, Any] = {}
    for name in _sources():
        for mode in ("replace", "add", "shape"):
            if name == "episode" and mode == "shape":
                continue  # refused: there is no score before the end
            env = RewardFromSource(
                _point(),
                _sources()[name],
                instruction="go right",
                mode=mode,
                scale=0.5,
                discount=0.9,
            )
            said[f"{name}, {mode}"] = _play(env, 30)["rewards"]
    return said


@case(exact=True)
def single_score_and_own_reward(folder: Path) -> Any:
    env = RewardFromSource(RewardFromSource(_point(), "random", mode="add"), "env")
    return _play(env, 20) | {"score": env.source_score}


def _vector(source: RewardSource, autoreset: AutoresetMode, mode: str) -> dict[str, Any]:
    made = SyncVectorEnv([lambda n=n: _point(5 + n) for n in range(3)], autoreset_mode=autoreset)  # type: ignore[misc]
    env = VectorRewardFromSource(made, source, mode=mode, scale=2.0, discount=0.8)  # type: ignore[arg-type]
    rng = np.random.default_rng(4)
    env.reset(seed=7)
    rewards, own, scores = [], [], []
    for _ in range(24):
        actions = rng.uniform(-0.3, 1, (3, 1)).astype(np.float32)
        _, reward, terminated, truncated, infos = env.step(actions)
        rewards.append(reward)
        own.append(np.where(infos["_env_reward"], infos["env_reward"], 0))
        scores.append(env.source_scores)
        ended = terminated | truncated
        if autoreset is AutoresetMode.DISABLED and ended.any():
            env.reset(options={"reset_mask": ended})
    return {"rewards": np.stack(rewards), "own": np.stack(own), "scores": np.stack(scores)}


@case(exact=True)
def vector_in_all_autoreset_modes(folder: Path) -> Any:
    said: dict[str, Any] = {}
    for autoreset in AutoresetMode:
        for name in _sources():
            for mode in ("replace", "add", "shape"):
                if name == "episode" and mode == "shape":
                    continue
                key = f"{autoreset.name}, {name}, {mode}"
                said[key] = _vector(_sources()[name], autoreset, mode)["rewards"]
        said[autoreset.name] = _vector(BrightnessReward(), autoreset, "add")
    return said


@case(exact=True)
def captured_frames(folder: Path) -> Any:
    env = CaptureFrames(_point(), stride=2)
    _, info = env.reset(seed=3)
    seen = [np.asarray(info["frame"])] if "frame" in info else []
    times = [-1] if "frame" in info else []
    for step in range(6):
        *_, info = env.step(np.full(1, 0.7, np.float32))
        if "frame" in info:
            seen.append(np.asarray(info["frame"]))
            times.append(step)
    return {"times": times, "pictures": np.stack(seen)}


@case(exact=True)
def ids(folder: Path) -> Any:
    known = sorted(id for id in gym.registry if "Reward-" in id)
    return {"count": len(known), "ids": hashlib.sha256(" ".join(known).encode()).hexdigest()}


@case()
def cart_pole_ids(folder: Path) -> Any:
    said: dict[str, Any] = {}
    for source in ("Env", "Random", "PictureEnergy"):
        env = gym.make(f"{source}Reward-CartPoleBalance-v0", disable_env_checker=True)
        said[source] = _play(env, 20)
    vector = gym.make_vec("RandomReward-CartPoleBalance-v0", num_envs=2, render_mode=None)
    vector.reset(seed=1)
    rows = [vector.step(np.full((2, 1), 0.1 * i, np.float32))[:2] for i in range(8)]
    said["vector"] = [np.stack([row[side] for row in rows]) for side in (0, 1)]
    return said


@case()
def vlp_window_of_point(folder: Path) -> Any:
    env = RewardFromSource(_point(60), "vlp", instruction="make it brighter")
    vector = SyncVectorEnv([_point, lambda: _point(12)])
    many = VectorRewardFromSource(vector, "vlp.mt45", instruction="make it darker", mode="shape")
    many.reset(seed=2)
    rows = [many.step(np.full((2, 1), 0.2, np.float32))[1] for _ in range(15)]
    return _play(env, 30) | {"vector": np.stack(rows)}


@case(slow=True)
def drawer_close_ids(folder: Path) -> Any:
    said: dict[str, Any] = {}
    for source in ("VLP", "PictureEnergy", "Random", "Env"):
        env = gym.make(f"{source}Reward-DrawerClose-v0", size=112, disable_env_checker=True)
        said[source] = _play(env, 24, seed=5)
        env.close()
    shaped = gym.make(
        "VLPReward-DrawerClose-v0", size=112, mode="shape", instruction="shut the drawer"
    )
    said["shaped"] = _play(shaped, 24, seed=5)
    shaped.close()
    return said


@case(slow=True)
def drawer_close_vector(folder: Path) -> Any:
    env = gym.make_vec("VLPReward-DrawerClose-v0", num_envs=2, size=112, max_episode_steps=10)
    env.reset(seed=11)
    rng = np.random.default_rng(1)
    rows = [env.step(rng.uniform(-1, 1, (2, 4)).astype(np.float32))[1] for _ in range(18)]
    env.close()
    return np.stack(rows)
