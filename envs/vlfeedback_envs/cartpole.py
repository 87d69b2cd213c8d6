"""CartPoleBalance: keep a pole upright by pushing its cart, with continuous force.

The variant of Wang et al. 2024, RL-VLM-F (its code, `envs/cartpole.py`), which Offline RL-VLM-F
takes over: Barto's constants and explicit Euler steps, no failure, and cart and pole held inside
limits. A limit holds position and angle only: the velocity goes on growing, so a fallen pole
sticks for a while even when it is pushed the right way. Left out: nothing.

The bundled preference models of `vlp` saw Meta-World alone; what they say here means nothing.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import gymnasium as gym
import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy.typing import NDArray

from vlfeedback.errors import RenderError
from vlfeedback.tasks import get_task

__all__ = ["CartPoleBalance", "draw_pole"]

_GRAVITY = 9.8  # m/s^2
_CART, _POLE = 1.0, 0.1  # kg
_HALF_LENGTH = 0.5  # m
_FORCE = 10.0  # N, at an action of 1
_TAU = 0.02  # s a step
_X_LIMIT = 0.8 * 2.4  # m
_ANGLE_LIMIT = math.radians(30)
_START = 0.05  # each number of the first state is drawn from [-0.05, 0.05]
_UPRIGHT = 5.0  # degrees: success

# The picture, in pixels of the original's 200, from the lower left; the cart stays in the middle.
_SIDE = 200
_CART_BOX = (75, 25, 125, 55)  # left, bottom, right, top
_TRACK = 40  # bottom of a line one pixel high
_AXLE = (100.0, 47.5)
_POLE_SPAN, _POLE_HALF_WIDTH = (-5.0, 120.0), 5.0  # along the pole from the axle, and across
_AXLE_RADIUS = 5.0
_WHITE, _BLACK, _BROWN, _BLUE = (255,) * 3, (0,) * 3, (202, 152, 101), (129, 132, 203)


class CartPoleBalance(gym.Env[NDArray[np.float32], NDArray[np.float32]]):
    """A pole on a cart, to be balanced.

    Observations are (4,) float32: position of the cart (m, within 1.92), its velocity (m/s), angle
    of the pole (rad, within 30 degrees; 0 is upright, positive leans to the right) and its angular
    velocity (rad/s). Actions are (1,) float32 in [-1, 1], ten newtons to the right at 1; larger
    ones are clipped. The reward is minus the pole's angle in degrees after the step, without sign;
    `info["success"]` says whether it is below 5. No state ends an episode: the registered id
    ``vlfeedback/CartPoleBalance-v0`` cuts it after 100 steps, so returns lie in [-3000, 0].

    Args:
        render_mode: ``"rgb_array"`` for pictures, None for none.
        size: side of the square picture, in pixels. The view follows the cart.

    Raises:
        RenderError: another render mode.
    """

    # Gymnasium declares it as an instance variable.
    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012

    def __init__(self, render_mode: str | None = None, *, size: int = _SIDE) -> None:
        if render_mode not in (None, "rgb_array"):
            raise RenderError(f"render_mode={render_mode!r}; this view renders 'rgb_array' only.")
        self.task = get_task("cart-pole-balance")
        self.render_mode = render_mode
        self.size = size
        unbounded = float(np.finfo(np.float32).max)
        high = np.array([4.8, unbounded, 2 * _ANGLE_LIMIT, unbounded], dtype=np.float32)
        self.observation_space = gym.spaces.Box(-high, high, dtype=np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
        self._state = (0.0, 0.0, 0.0, 0.0)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32[np.ndarray, "4"], dict[str, Any]]:
        """Start an episode close to upright; the same seed gives the same start."""
        super().reset(seed=seed)
        x, x_dot, angle, angle_dot = self.np_random.uniform(-_START, _START, 4).tolist()
        self._state = (x, x_dot, angle, angle_dot)
        return np.array(self._state, dtype=np.float32), {}

    def step(
        self, action: Float[np.ndarray, "1"]
    ) -> tuple[Float32[np.ndarray, "4"], float, bool, bool, dict[str, Any]]:
        """Push for 20 ms; `info["success"]` is a bool."""
        self._state = _advance(self._state, max(-1.0, min(1.0, float(action[0]))))
        degrees = abs(math.degrees(self._state[2]))
        observation = np.array(self._state, dtype=np.float32)
        return observation, -degrees, False, False, {self.task.success_key: degrees < _UPRIGHT}

    def render(self) -> UInt8[np.ndarray, "H W 3"] | None:
        """The current picture; None without ``render_mode="rgb_array"``."""
        return None if self.render_mode is None else draw_pole(self._state[2], self.size)


def _advance(
    state: tuple[float, float, float, float], action: float
) -> tuple[float, float, float, float]:
    """Barto's equations, by one explicit Euler step: positions move by the old velocities."""
    x, x_dot, angle, angle_dot = state
    cos, sin = math.cos(angle), math.sin(angle)
    total = _CART + _POLE
    push = (_FORCE * action + _POLE * _HALF_LENGTH * angle_dot**2 * sin) / total
    angle_acc = (_GRAVITY * sin - cos * push) / (
        _HALF_LENGTH * (4.0 / 3.0 - _POLE * cos**2 / total)
    )
    x_acc = push - _POLE * _HALF_LENGTH * angle_acc * cos / total
    return (
        max(-_X_LIMIT, min(_X_LIMIT, x + _TAU * x_dot)),
        x_dot + _TAU * x_acc,
        max(-_ANGLE_LIMIT, min(_ANGLE_LIMIT, angle + _TAU * angle_dot)),
        angle_dot + _TAU * angle_acc,
    )


def draw_pole(angle: float, size: int = _SIDE) -> UInt8[np.ndarray, "H W 3"]:
    """The picture of a pole at this angle (rad); it depends on nothing else.

    Black cart, brown pole, blue axle, on white, with smooth edges.
    """
    empty, scene, axle, right, up = _backdrop(size)
    sin, cos = math.sin(angle), math.cos(angle)
    low, high = _POLE_SPAN
    corners = [(u, v) for u in _POLE_SPAN for v in (-_POLE_HALF_WIDTH, _POLE_HALF_WIDTH)]
    # The axle lies inside the pole, so nothing changes outside the pole's bounding box.
    box = (
        _pixels([-_AXLE[1] - u * cos + v * sin for u, v in corners], _SIDE, size),
        _pixels([_AXLE[0] + u * sin + v * cos for u, v in corners], 0, size),
    )
    along, across = right[box] * sin + up[box] * cos, right[box] * cos - up[box] * sin
    outside = np.maximum(
        np.abs(along - (low + high) / 2) - (high - low) / 2, np.abs(across) - _POLE_HALF_WIDTH
    )
    pole = _paint(scene[box], _share_inside(outside, size), _BROWN)
    picture: np.ndarray = empty.copy()
    picture[box] = np.rint(_paint(pole, axle[box], _BLUE))
    return picture


def _pixels(places: list[float], origin: int, size: int) -> slice:
    """Pixels from the least of these places to the greatest, with one more for the smooth edge."""
    factor = size / _SIDE
    first = math.floor((min(places) + origin) * factor) - 1
    return slice(max(0, first), math.ceil((max(places) + origin) * factor) + 1)


@functools.lru_cache(maxsize=8)
def _backdrop(size: int) -> tuple[Any, ...]:
    """What stays: the scene without pole as uint8 and float32, the axle, offsets from the axle."""
    centres = (np.arange(size, dtype=np.float32) + 0.5) * (_SIDE / size)
    x, y = np.meshgrid(centres, centres[::-1])
    left, bottom, right, top = _CART_BOX
    cart = np.maximum(
        np.abs(x - (left + right) / 2) - (right - left) / 2,
        np.abs(y - (bottom + top) / 2) - (top - bottom) / 2,
    )
    track = np.abs(y - (_TRACK + 0.5)) - 0.5
    scene = np.full((size, size, 3), _WHITE, dtype=np.float32)
    for outside in (track, cart):
        scene = _paint(scene, _share_inside(outside, size), _BLACK)
    aside, above = x - np.float32(_AXLE[0]), y - np.float32(_AXLE[1])
    axle = _share_inside(np.hypot(aside, above) - _AXLE_RADIUS, size)
    return np.rint(scene).astype(np.uint8), scene, axle, aside, above


def _share_inside(outside: np.ndarray, size: int) -> Float32[np.ndarray, "H W 1"]:
    """How much of each pixel a shape covers, from its distance outside the shape."""
    share = np.clip(0.5 - outside * (size / _SIDE), 0.0, 1.0)
    return np.asarray(share[..., None], dtype=np.float32)


def _paint(
    picture: Float32[np.ndarray, "H W 3"],
    share: Float32[np.ndarray, "H W 1"],
    colour: tuple[int, ...],
) -> Float32[np.ndarray, "H W 3"]:
    return np.asarray(picture + share * (np.asarray(colour, dtype=np.float32) - picture))
