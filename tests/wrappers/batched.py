"""Worlds that are batched inside, as ManiSkill's and those on MJX are: every answer has N rows."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

__all__ = ["BatchedPoints", "BatchedPointsVector"]


class BatchedPoints(gym.Env[Any, Any]):
    """`PointReachEnv`, N times: the rows are torch tensors, or NumPy arrays if `numpy`.

    Like ManiSkill's `BaseEnv`: spaces are of all worlds, those of one are called ``single_...``, a
    picture is (N, H, W, 3), and ``options["env_idx"]`` resets some worlds.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(
        self, steps: list[int], render_mode: str | None = "rgb_array", numpy: bool = False
    ):
        self.num_envs = len(steps)
        self.render_mode = render_mode
        self.single_observation_space = gym.spaces.Box(0.0, 1.0, (1,), np.float32)
        self.single_action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.observation_space = gym.vector.utils.batch_space(
            self.single_observation_space, self.num_envs
        )
        self.action_space = self.single_action_space
        if self.num_envs > 1:
            self.action_space = gym.vector.utils.batch_space(
                self.single_action_space, self.num_envs
            )
        self.renders = 0
        self._numpy = numpy
        self._steps = np.array(steps, dtype=np.float64)
        self._travelled = np.zeros(self.num_envs)

    def rows(self, values: np.ndarray) -> Any:
        if self._numpy:
            return values
        import torch

        return torch.from_numpy(values.copy())

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        rows = np.arange(self.num_envs)
        if options is not None and "env_idx" in options:
            rows = np.asarray(options["env_idx"])
        self._travelled[rows] = 0
        return self._observe(), {"success": self.rows(self._reached)}

    def step(self, action: Any) -> Any:
        moved = np.asarray(action, dtype=np.float64).reshape(self.num_envs)
        self._travelled = np.clip(self._travelled + moved, 0, self._steps)
        rewards = self.rows((self._travelled / self._steps - 1).astype(np.float32))
        truncated = self.rows(np.zeros(self.num_envs, np.bool_))
        reached = self.rows(self._reached)
        return self._observe(), rewards, reached, truncated, {"success": reached}

    def render(self) -> Any:
        self.renders += 1
        shades = np.round(255 * self._travelled / self._steps).astype(np.uint8)
        return self.rows(np.tile(shades[:, None, None, None], (1, 4, 4, 3)))

    @property
    def _reached(self) -> np.ndarray:
        return np.asarray(self._travelled == self._steps)

    def _observe(self) -> Any:
        return self.rows((self._travelled / self._steps).astype(np.float32)[:, None])


class BatchedPointsVector(gym.vector.VectorEnv[Any, Any, Any]):
    """`BatchedPoints` as a vector environment, in the manner of `ManiSkillVectorEnv`.

    It leaves `render_mode` to the environment within. An episode that ends is followed in the same
    step, with infos of last steps in ``final_info``, or in the next, or not at all.
    """

    def __init__(self, env: gym.Env[Any, Any], autoreset: AutoresetMode):
        self._env = env
        base: Any = env.unwrapped
        self.num_envs = base.num_envs
        self.single_observation_space = base.single_observation_space
        self.single_action_space = base.single_action_space
        self.observation_space = base.observation_space
        self.action_space = base.action_space
        self.metadata = {"autoreset_mode": autoreset}
        self._ended = np.zeros(self.num_envs, np.bool_)

    @property
    def unwrapped(self) -> Any:
        return self._env.unwrapped

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> Any:
        options = dict(options or {})
        if "reset_mask" in options:
            options["env_idx"] = np.flatnonzero(options.pop("reset_mask"))
        return self._env.reset(seed=seed, options=options)

    def step(self, actions: Any) -> Any:
        base, follow = self.unwrapped, self.metadata["autoreset_mode"]
        actions = np.array(actions)
        if follow is AutoresetMode.NEXT_STEP:
            actions[self._ended] = 0
            base._travelled[self._ended] = 0
        observations, rewards, terminated, truncated, infos = self._env.step(actions)
        if follow is AutoresetMode.NEXT_STEP:
            rewards = base.rows(np.where(self._ended, 0, np.asarray(rewards)))
        self._ended = np.asarray(terminated)
        if follow is AutoresetMode.SAME_STEP and self._ended.any():
            final = {key: value.clone() for key, value in infos.items()}  # tensors alone, as there
            observations, infos = self._env.reset(options={"env_idx": np.flatnonzero(self._ended)})
            infos |= {"final_info": final, "_final_info": base.rows(self._ended)}
        return observations, rewards, terminated, truncated, infos

    def render(self) -> Any:
        return self.unwrapped.render()
