"""A stand-in for SoftGym: its API, old and in part odd, around a rope that is two points.

Original and fork differ here as they do there: the fork renders with `hide_picker`, records unless
it is told not to, says whether it succeeded, and writes into actions.
"""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np

LENGTH = 0.5  # m, of the rope
SIDE = 12  # px
BACKGROUND, PICKER = 10, 250  # grey levels
N_VARIATIONS = 10


class Flex:
    """What pyflex is in a process: one context."""

    is_running = False
    n_started = 0

    @classmethod
    def init(cls) -> None:
        if cls.is_running:
            raise RuntimeError("FleX was started twice")
        cls.is_running, cls.n_started = True, cls.n_started + 1

    @classmethod
    def clean(cls) -> None:
        cls.is_running = False


@dataclass
class OldBox:
    """A box of the old gym, which is none of Gymnasium's."""

    low: Any
    high: Any

    def __post_init__(self) -> None:
        self.low = np.asarray(self.low, dtype=np.float32)
        self.high = np.asarray(self.high, dtype=np.float32)
        self.shape = self.low.shape
        self.dtype = np.dtype(np.float32)


class RopeFlatten:
    """Two pickers at the two ends of a rope: 36 numbers, of which the last six are the pickers."""

    def __init__(
        self,
        observation_mode: str,
        render_mode: str = "particle",
        horizon: int = 100,
        action_repeat: int = 8,
        num_variations: int = 1,
        deterministic: bool = True,
        explodes_at: int = -1,
        **kwargs: Any,
    ) -> None:
        Flex.init()
        self.observation_mode, self.render_mode = observation_mode, render_mode
        self.horizon, self.action_repeat = horizon, action_repeat
        self.deterministic, self.explodes_at = deterministic, explodes_at
        self.settings = kwargs
        self.recording = bool(kwargs.get("recording", False))
        self.video_frames: list[Any] = []
        self.eval_flag = False
        self.cached_configs = [{"distance": 0.04 * (i + 1)} for i in range(num_variations)]
        self.current_config_id: int | None = None
        self.observation_space = OldBox(np.full(36, -np.inf), np.full(36, np.inf))
        self.action_space = OldBox([-0.01, -0.01, -0.01, 0] * 2, [0.01, 0.01, 0.01, 1] * 2)
        self.time_step = 0

    def reset(self, config: Any = None, initial_state: Any = None, config_id: Any = None) -> Any:
        if config_id is None:
            train_high = int(0.8 * len(self.cached_configs))
            config_id = 0 if self.deterministic else np.random.randint(0, max(train_high, 1))
        self.current_config_id = config_id
        half = self.cached_configs[config_id]["distance"] / 2
        self.ends = np.array([[-half, 0.0, 0.0], [half, 0.0, 0.0]])
        self.height = 0.01 * random.choice(range(10))
        self.time_step = 0
        self.video_frames = []
        return self._get_obs()

    def step(self, action: Any, record_continuous_video: bool = False, img_size: Any = None) -> Any:
        for _ in range(self.action_repeat):
            self._step(action)
        reward, info = self.compute_reward(), self._get_info()
        if self.recording:
            self.video_frames.append(self.render(mode="rgb_array"))
        self.time_step += 1
        if self.time_step == self.explodes_at:
            self.ends[:] = np.nan
        return self._get_obs(), reward, self.time_step >= self.horizon, info

    def _step(self, action: Any) -> None:
        self.ends += action.reshape(2, 4)[:, :3]

    def _distance(self) -> Any:
        return np.linalg.norm(self.ends[0] - self.ends[1])

    def compute_reward(self) -> Any:
        return -np.abs(self._distance() - LENGTH)

    def _get_info(self) -> dict[str, Any]:
        performance = -np.abs(self._distance() - LENGTH)
        return {
            "performance": performance,
            "normalized_performance": (performance + LENGTH) / LENGTH,
            "end_point_distance": self._distance(),
        }

    def _get_obs(self) -> Any:
        points = np.linspace(self.ends[0], self.ends[1], 10).astype(np.float64)
        points[:, 1] += self.height
        return np.concatenate([points.flatten(), self.ends.flatten()])

    def render(self, mode: str = "rgb_array") -> Any:
        return self._picture(with_pickers=True)

    def _picture(self, *, with_pickers: bool) -> Any:
        """Upside down and turned, as FleX gives it; the rope's brightness is its length."""
        picture = np.full((SIDE, SIDE, 4), BACKGROUND, dtype=np.uint8)
        picture[SIDE // 2, :, :] = np.rint(min(100 * self._distance(), 200))
        if with_pickers:
            picture[0, 0] = PICKER
        return picture[::-1, :, :3]

    def close(self) -> None:
        Flex.clean()


class RopeFlattenEasy(RopeFlatten):
    """As RL-VLM-F's fork has it: the ends are held, whatever the flags say."""

    def _step(self, action: Any) -> None:
        action[3] = 1
        action[7] = 1
        super()._step(action)

    def compute_reward(self) -> Any:
        return np.minimum(self._distance(), 1.1 * LENGTH)

    def _get_info(self) -> dict[str, Any]:
        performance = np.minimum(self._distance(), 1.1 * LENGTH)
        return {
            "performance": performance,
            "normalized_performance": (performance + LENGTH) / LENGTH,
            "success": 1 if performance >= 0.95 * LENGTH else 0,
        }

    def render(self, mode: str = "rgb_array", hide_picker: bool = True) -> Any:
        return self._picture(with_pickers=not hide_picker)


class Fluid(RopeFlatten):
    """What says nothing of how well it goes."""

    def _get_info(self) -> dict[str, Any]:
        return {}


class NormalizedEnv:
    """Relays everything but actions, which are in [-1, 1] here."""

    def __init__(self, env: Any) -> None:
        self._wrapped_env = env

    @property
    def action_space(self) -> OldBox:
        ones = np.ones(self._wrapped_env.action_space.shape)
        return OldBox(-ones, ones)

    def reset(self, **kwargs: Any) -> Any:
        return self._wrapped_env.reset(**kwargs)

    def step(self, action: Any, **kwargs: Any) -> Any:
        low, high = self._wrapped_env.action_space.low, self._wrapped_env.action_space.high
        scaled = np.clip(low + (action + 1.0) * 0.5 * (high - low), low, high)
        return self._wrapped_env.step(scaled, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "_wrapped_env":
            raise AttributeError(name)
        return getattr(self._wrapped_env, name)


normalize = NormalizedEnv

_OF_ROPES: dict[str, Any] = {
    "observation_mode": "key_point",
    "render_mode": "cloth",
    "horizon": 75,
    "action_repeat": 8,
    "num_variations": N_VARIATIONS,
    "deterministic": False,
}
env_arg_dict = {
    "RopeFlatten": dict(_OF_ROPES),
    "RopeFlattenEasy": {**_OF_ROPES, "horizon": 40, "action_repeat": 6, "recording": True},
    "PassWaterGoal": dict(_OF_ROPES),  # there, too, no environment has this name
}
SOFTGYM_ENVS = {"RopeFlatten": RopeFlatten, "RopeFlattenEasy": RopeFlattenEasy}
