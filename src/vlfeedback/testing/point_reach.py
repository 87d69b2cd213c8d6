"""An environment whose every reward and picture is known by hand."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from jaxtyping import Float, Float32, UInt8

__all__ = ["PointReachEnv"]


class PointReachEnv(gym.Env[Float32[np.ndarray, "1"], Float32[np.ndarray, "1"]]):
    """A dot on a line: it starts at 0, the goal is at 1, and an action of 1 goes `1 / steps`.

    The picture is one shade of grey, ``round(255 * position)``: its brightness is the progress,
    black is a start and white is the goal alone. The reward is minus the distance to the goal
    after the action, ``position - 1``. Episodes terminate at the goal and never truncate.

    Args:
        steps: full actions from the start to the goal.
        render_mode: ``"rgb_array"`` for pictures, None for none.
        size: side of the square picture, in pixels.
        random_start: start at a multiple of ``1 / steps`` below 1, drawn from the seed.

    Example:
        >>> env = PointReachEnv(steps=4, render_mode="rgb_array")
        >>> _ = env.reset(seed=0)
        >>> observation, reward, *_ = env.step(np.ones(1, np.float32))
        >>> observation, reward, env.render()[0, 0]
        (array([0.25], dtype=float32), -0.75, array([64, 64, 64], dtype=uint8))
    """

    metadata: dict[str, Any] = {  # noqa: RUF012  (declared so by gymnasium.Env)
        "render_modes": ["rgb_array"],
        "render_fps": 10,
    }

    def __init__(
        self,
        steps: int = 5,
        render_mode: str | None = None,
        *,
        size: int = 8,
        random_start: bool = False,
    ) -> None:
        self.observation_space = gym.spaces.Box(0.0, 1.0, (1,), np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.render_mode = render_mode
        self.renders = 0  # pictures drawn so far: what a test of laziness counts
        self._steps = steps
        self._size = size
        self._random_start = random_start
        self._travelled = 0.0  # in full actions, so that sums of whole actions stay exact

    @property
    def position(self) -> float:
        """Where the dot is, in [0, 1]."""
        return self._travelled / self._steps

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32[np.ndarray, "1"], dict[str, Any]]:
        """Go back to the start."""
        super().reset(seed=seed)
        start = self.np_random.integers(self._steps) if self._random_start else 0
        self._travelled = float(start)
        return self._observe(), {"success": False}

    def step(
        self, action: Float[np.ndarray, "1"]
    ) -> tuple[Float32[np.ndarray, "1"], float, bool, bool, dict[str, Any]]:
        """Move by ``action / steps``, and not beyond the ends of the line."""
        self._travelled = float(np.clip(self._travelled + float(action[0]), 0, self._steps))
        reached = self._travelled == self._steps
        return self._observe(), self.position - 1.0, reached, False, {"success": reached}

    def render(self) -> UInt8[np.ndarray, "H W 3"] | None:
        """The current picture; None without ``render_mode="rgb_array"``."""
        if self.render_mode is None:
            return None
        self.renders += 1
        return np.full((self._size, self._size, 3), round(255 * self.position), np.uint8)

    def _observe(self) -> Float32[np.ndarray, "1"]:
        return np.array([self.position], dtype=np.float32)
