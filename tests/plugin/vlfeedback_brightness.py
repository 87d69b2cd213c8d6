"""Brightness: a reward source, a labeller, and a task to try them on. All that a plugin needs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from vlfeedback import PreferenceLabels, SegmentBatch, SegmentPairs, SourceNeeds, TaskSpec
from vlfeedback.errors import NeedsError
from vlfeedback.tasks import CollectionDefaults
from vlfeedback.types import ArrayFrames, Trajectory


@dataclass(frozen=True)
class BrightnessConfig:
    scale: float = 1.0  # reward of a white picture; a black one gets 0


class BrightnessReward:
    """Mean brightness of the picture after each step, 0 to `scale`."""

    config_type = BrightnessConfig
    needs = SourceNeeds(frames=True)

    def __init__(self, config: BrightnessConfig | None = None, *, device: str = "cpu") -> None:
        self.config = config or BrightnessConfig()

    def rewards(self, batch: SegmentBatch) -> np.ndarray:
        if batch.frames is None:
            raise NeedsError("'brightness' reads pictures: give frames (N, T, H, W, 3).")
        brightness = batch.frames.mean(axis=(2, 3, 4)) / 255
        rewards = np.asarray(self.config.scale * brightness, dtype=np.float32)
        return rewards if batch.mask is None else np.where(batch.mask, rewards, np.float32(0))


@dataclass(frozen=True)
class BrighterConfig:
    margin: float = 0.0  # of mean brightness, 0 to 1; as near as this is a tie


class BrighterPreference:
    """Prefers the segment whose last picture is brighter."""

    config_type = BrighterConfig
    needs = SourceNeeds(frames=True)

    def __init__(self, config: BrighterConfig | None = None, *, device: str = "cpu") -> None:
        self.config = config or BrighterConfig()

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        first, second = (_last_brightness(batch) for batch in (pairs.first, pairs.second))
        tied = np.abs(second - first) <= self.config.margin
        prefer_second = np.where(tied, 0.5, second > first).astype(np.float32)
        return PreferenceLabels(prefer_second, np.ones(len(pairs), dtype=np.bool_))


def _last_brightness(batch: SegmentBatch) -> np.ndarray:
    if batch.frames is None:
        raise NeedsError("'brighter' reads pictures: give frames (N, T, H, W, 3).")
    if batch.mask is None:
        last = np.full(len(batch.frames), batch.frames.shape[1] - 1)
    else:
        last = batch.mask.sum(axis=1) - 1  # padding is behind the real steps
    return np.asarray(batch.frames[np.arange(len(last)), last].mean(axis=(1, 2, 3)) / 255)


class LampReach(gym.Env[np.ndarray, np.ndarray]):
    """A moth in a square of 2 by 2 m, whose lamp is in the middle: the nearer, the brighter."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(self, render_mode: str | None = None, size: int = 16) -> None:
        self.render_mode, self.size = render_mode, size
        self.observation_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)  # m
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)  # tenths of a metre

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, Any]:
        super().reset(seed=seed)
        angle = self.np_random.uniform(0, 2 * np.pi)
        self.place = np.array([np.cos(angle), np.sin(angle)], dtype=np.float32) * np.float32(0.9)
        return self.place.copy(), {"lit": False}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        moved = self.place + np.float32(0.1) * np.clip(action, -1, 1)
        self.place = np.clip(moved, -1, 1).astype(np.float32)
        far = float(np.hypot(*self.place))
        return self.place.copy(), -far, False, False, {"lit": far < 0.2}

    def render(self) -> np.ndarray | None:
        if self.render_mode is None:
            return None
        far = min(1.0, float(np.hypot(*self.place)))
        return np.full((self.size, self.size, 3), round(255 * (1 - far)), dtype=np.uint8)


if "brightness/LampReach-v0" not in gym.registry:
    gym.register("brightness/LampReach-v0", "vlfeedback_brightness:LampReach", max_episode_steps=20)


def roll_out(
    task: TaskSpec, level: str, seeds: Sequence[int], settings: Mapping[str, Any]
) -> Iterator[Trajectory]:
    """Experts fly to the lamp, one tenth of a metre a step; the others anywhere."""
    stride = settings["frame_stride"]
    for seed in seeds:
        env, rng = LampReach("rgb_array", settings["frame_size"]), np.random.default_rng([seed, 1])
        place, _ = env.reset(seed=seed)
        places, actions, rewards, lit = [place], [], [], []
        times, pictures = [0], [env.render()]
        for step in range(settings["horizon"]):
            action = -10 * place if level == "expert" else rng.uniform(-1, 1, 2)
            actions.append(np.clip(action, -1, 1).astype(np.float32))
            place, reward, _, _, info = env.step(actions[-1])
            places.append(place)
            rewards.append(reward)
            lit.append(info["lit"])
            if stride and step % stride == 0:
                times.append(step + 1)
                pictures.append(env.render())
        yield Trajectory(
            observations=np.stack(places),
            actions=np.stack(actions),
            env_rewards=np.array(rewards, dtype=np.float32),
            successes=np.array(lit),
            truncated=True,
            frames=ArrayFrames(np.array(times), np.stack(pictures)) if stride else None,  # type: ignore[arg-type]
            task=task.name,
            id=f"{task.name}/{level}/{seed}",
            level=level,
            seed=seed,
        )


TASK = TaskSpec(
    "lamp-reach",
    "fly to the lamp",
    "vlfeedback_brightness:brightness/LampReach-v0",
    success_key="lit",
    wordings=("reach the lamp", "go into the light"),
    source="brightness",
    suite="brightness",
    levels=("expert", "random"),
    rollout="vlfeedback_brightness:roll_out",
    collecting=CollectionDefaults(
        episodes=4, horizon=20, longest=20, frame_stride=1, frame_size=16
    ),
)
