"""A world that says in words what each episode asks for, in the way of MiniGrid."""

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

COLOURS = ("red", "green", "blue")


class Mission(gym.Space[str]):
    """A space of texts that Gymnasium does not know, such as MiniGrid's."""

    def __init__(self) -> None:
        super().__init__(dtype=str)

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        return COLOURS[int(self.np_random.integers(3))]

    def contains(self, x: Any) -> bool:
        return isinstance(x, str)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mission)

    __hash__ = None  # type: ignore[assignment]


class Lamps(gym.Env[Any, Any]):
    """Push one of three lamps; the episode ends after two steps, or, `told_in` info, likewise."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 1}  # type: ignore[misc]

    def __init__(self, render_mode: str | None = None, told_in: str = "observation") -> None:
        self.render_mode, self.told_in = render_mode, told_in
        parts: dict[str, gym.Space[Any]] = {
            "goal": gym.spaces.Discrete(3),
            "lamps": gym.spaces.Dict(lit=gym.spaces.Box(0, 255, (3, 1), np.uint8)),
        }
        if told_in == "observation":
            parts["mission"] = Mission()
        self.observation_space = gym.spaces.Dict(parts)
        self.action_space = gym.spaces.Box(-1, 1, (3,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.goal, self.steps = int(self.np_random.integers(3)), 0
        self.lit = np.zeros((3, 1), np.uint8)
        return self.seen(), {"order": self.mission()} if self.told_in == "info" else {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        self.lit[int(np.argmax(action))] = 255  # one array, which all observations share
        return self.seen(), float(self.lit[self.goal, 0] > 0), self.steps == 2, False, {}

    def render(self) -> Any:
        return np.tile(self.lit.reshape(1, 3, 1), (2, 1, 3))

    def mission(self) -> str:
        return f"light the {COLOURS[self.goal]} lamp"

    def seen(self) -> Any:
        seen: dict[str, Any] = {"goal": self.goal, "lamps": {"lit": self.lit}}
        return seen | ({"mission": self.mission()} if self.told_in == "observation" else {})
