"""The environments that an agent is trained in: they record, and render what is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from vlfeedback.online.recording import RecordEpisodes
from vlfeedback.tasks import TaskSpec
from vlfeedback.types import SourceNeeds
from vlfeedback.wrappers.flat_observations import FlatObservations
from vlfeedback.wrappers.frames import CaptureFrames

__all__ = ["make_environments"]


def make_environments(
    task: TaskSpec,
    needs: SourceNeeds,
    *,
    seed: int,
    n_envs: int = 1,
    horizon: int | None = None,
    env_options: Mapping[str, Any] | None = None,
) -> DummyVecEnv:
    """Environments of a task for `PEBBLE`, with observations of one float32 array.

    Args:
        task: whose ``env_id`` is made.
        needs: what the labeller reads: without pictures nothing is rendered, and else only every
            ``frame_stride`` steps.
        seed: of the run, from which each episode has one of its own.
        n_envs: that act together.
        horizon: steps of an episode; None: the environment's own limit.
        env_options: keyword arguments of the environment.

    Raises:
        NeedsError: no part of the observations is an array, or actions are no Box.
        RenderError: the labeller reads pictures and the environment renders none.
    """
    options = dict(env_options or {})
    if needs.frames:
        options["render_mode"] = "rgb_array"

    def maker(row: int) -> Callable[[], gym.Env[Any, Any]]:
        def make() -> gym.Env[Any, Any]:
            env: gym.Env[Any, Any] = gym.make(
                task.env_id, max_episode_steps=horizon, disable_env_checker=True, **options
            )
            if needs.frames:
                env = CaptureFrames(env, stride=needs.frame_stride)
            if isinstance(env.observation_space, gym.spaces.Dict | gym.spaces.Tuple):
                env = FlatObservations(env)
            if isinstance(env.observation_space, gym.spaces.Box):
                env = gym.wrappers.DtypeObservation(env, np.float32)
            key = task.success_key or "success"
            return RecordEpisodes(Monitor(env), seed=seed, row=row, success_key=key)

        return make

    return DummyVecEnv([maker(row) for row in range(n_envs)])
