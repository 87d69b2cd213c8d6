"""Pictures taken inside an environment, at the steps a source reads."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from jaxtyping import UInt8

from vlfeedback.errors import DtypeError, InvalidValueError, RenderError, ShapeError
from vlfeedback.scoring.timing import is_pictured

__all__ = ["FRAME_KEY", "CaptureFrames", "render_picture"]

FRAME_KEY = "frame"


def render_picture(env: gym.Env[Any, Any]) -> UInt8[np.ndarray, "H W 3"]:
    """Render `env`, and refuse what no source reads.

    Raises:
        RenderError: `render` gave no array.
        DtypeError: the picture is not uint8.
        ShapeError: the picture is not (H, W, 3).
    """
    picture: Any = env.render()
    if not isinstance(picture, np.ndarray):
        raise RenderError(
            f"{env}.render() returned {type(picture).__name__}; expected one (H, W, 3) uint8 "
            "array. Make the environment with gym.make(..., render_mode='rgb_array')."
        )
    if picture.dtype != np.uint8:
        raise DtypeError(
            f"{env}.render() returned {picture.dtype}; sources take uint8 0-255. Convert pictures "
            "in [0, 1] with (picture * 255).round().astype(np.uint8)."
        )
    if picture.ndim != 3 or picture.shape[-1] != 3:
        raise ShapeError(
            f"{env}.render() returned shape {picture.shape}; expected (H, W, 3), RGB last."
        )
    return picture


class CaptureFrames(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Puts the picture after a step into ``info["frame"]``, at the steps a source reads.

    Pictures follow the reset, steps 0, stride, 2 stride ... and the step that ends the episode.
    Inside a vector environment this is the only way to the picture of a last step: its own
    `render` shows the next episode already.

    Args:
        env: made with ``render_mode="rgb_array"``.
        stride: steps from one picture to the next.
        at_reset: take a picture of the reset as well.

    Raises:
        RenderError: `env` has another render mode.
        ValueError: `stride` is below 1.

    Example:
        >>> from vlfeedback.testing import PointReachEnv
        >>> env = CaptureFrames(PointReachEnv(render_mode="rgb_array"), stride=2)
        >>> _, info = env.reset(seed=0)
        >>> info["frame"].shape
        (8, 8, 3)
        >>> ["frame" in env.step(env.action_space.sample())[4] for _ in range(4)]
        [True, False, True, False]
    """

    def __init__(self, env: gym.Env[Any, Any], stride: int = 1, at_reset: bool = True) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, stride=stride, at_reset=at_reset)
        gym.Wrapper.__init__(self, env)
        if env.render_mode != "rgb_array":
            raise RenderError(
                f"CaptureFrames renders and this environment has render_mode={env.render_mode!r}; "
                "make it with gym.make(..., render_mode='rgb_array')."
            )
        if stride < 1:
            raise InvalidValueError(f"stride={stride} counts steps; it must be at least 1.")
        self.capture_stride = stride
        self.captures_reset = at_reset
        self._step = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset, with the first picture in ``info["frame"]`` if `at_reset`."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._step = 0
        if self.captures_reset:
            info = {**info, FRAME_KEY: render_picture(self.env)}
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, with the picture after it in ``info["frame"]`` if it is taken."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        if is_pictured(self._step, self.capture_stride, ended=terminated or truncated):
            info = {**info, FRAME_KEY: render_picture(self.env)}
        self._step += 1
        return observation, reward, terminated, truncated, info
