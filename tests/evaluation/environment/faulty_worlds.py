"""A dot that moves to the right, and the ways in which its environment can be wrong."""

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np


class Dot(gym.Env[Any, Any]):
    """Nothing is wrong with it: it moves by its action, and its picture shows where it is."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 10}  # type: ignore[misc]
    observation_space: gym.Space[Any] = gym.spaces.Box(0, 1, (1,), np.float32)
    action_space: gym.Space[Any] = gym.spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, render_mode: str | None = None, size: int = 96) -> None:
        self.render_mode = render_mode
        self.size = size
        self.place = 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place = float(self.np_random.uniform(0.2, 0.4))
        return self.seen(), self.told()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place = float(np.clip(self.place + 0.1 * float(np.ravel(action)[0]), 0, 1))
        return self.seen(), self.place, False, False, self.told()

    def seen(self) -> Any:
        return np.array([self.place], np.float32)

    def told(self) -> dict[str, Any]:
        return {"success": self.place > 0.9}

    def picture(self) -> np.ndarray:
        drawn = np.full((self.size, self.size, 3), 200, np.uint8)
        left = round((self.size - 8) * self.place)
        drawn[40:48, left : left + 8] = (200, 0, 0)
        return drawn

    def render(self) -> Any:
        return self.picture()


class Black(Dot):
    def render(self) -> Any:
        return np.zeros_like(self.picture())


class Frozen(Dot):
    def render(self) -> Any:
        self.kept = getattr(self, "kept", self.picture())
        return self.kept


class Floats(Dot):
    def render(self) -> Any:
        return self.picture() / 255


class Lists(Dot):
    def render(self) -> Any:
        return [self.picture()]


class Grey(Dot):
    def render(self) -> Any:
        return self.picture()[..., 0]


class Raising(Dot):
    def render(self) -> Any:
        raise RuntimeError("no display")


class Growing(Dot):
    def render(self) -> Any:
        self.size += 1
        return self.picture()


class Late(Dot):
    """Draws what was there one step ago: after a reset, the end of the last episode."""

    drawn: Any = None

    def render(self) -> Any:
        late, self.drawn = self.drawn, self.picture()
        return self.drawn if late is None else late


class Blind(Dot):
    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}  # type: ignore[misc]

    def __init__(self) -> None:
        super().__init__()


class Forgetful(Dot):
    """Takes `render_mode` and does not keep it."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__()


class Unseeded(Dot):
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place = float(np.random.default_rng().uniform(0.2, 0.4))
        return self.seen(), self.told()


class Drifting(Dot):
    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return super().step([np.random.default_rng().uniform(-1, 1)])


class Stumbling(Dot):
    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        raise ZeroDivisionError("a motor is off")


class Silent(Dot):
    def told(self) -> dict[str, Any]:
        return {}


class Outside(Dot):
    """Its observations are not of its space."""

    def seen(self) -> Any:
        return np.array([self.place + 5], np.float32)


class Commanding(Dot):
    """Two parts: pairs of actions, and a text beside the place."""

    action_space = gym.spaces.Tuple((gym.spaces.Discrete(2), gym.spaces.Discrete(2)))
    observation_space = gym.spaces.Dict(
        place=gym.spaces.Box(0, 1, (1,), np.float32), mission=gym.spaces.Text(20)
    )

    def seen(self) -> Any:
        return {"place": np.array([self.place], np.float32), "mission": "go right"}


WORLDS = (
    Dot, Black, Frozen, Floats, Lists, Grey, Raising, Growing, Late, Blind, Forgetful, Unseeded,
    Drifting, Stumbling, Silent, Outside, Commanding,
)  # fmt: skip
