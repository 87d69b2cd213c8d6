"""Pictures taken inside an environment, at the steps a source reads."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from jaxtyping import UInt8

from vlfeedback.errors import DtypeError, InvalidValueError, RenderError, ShapeError
from vlfeedback.scoring.timing import is_pictured
from vlfeedback.wrappers.answers import as_arrays, n_worlds
from vlfeedback.wrappers.opengl import use_own_context

__all__ = ["FRAME_KEY", "CaptureFrames", "checked_pictures", "render_picture"]

FRAME_KEY = "frame"


def render_picture(env: gym.Env[Any, Any]) -> UInt8[np.ndarray, "H W 3"]:
    """Render `env`, and refuse what no source reads.

    The picture of a batched environment with one world, (1, H, W, 3), is read as well, and so are
    tensors.

    Raises:
        RenderError: `render` gave no array.
        DtypeError: the picture is not uint8.
        ShapeError: the picture is not (H, W, 3).
    """
    use_own_context(env)
    picture = as_arrays(env.render())
    if isinstance(picture, np.ndarray) and picture.ndim == 4 and len(picture) == 1:
        picture = picture[0]
    return checked_pictures(picture, "H W 3", whose=env)


def checked_pictures(pictures: Any, shape: str, *, whose: object) -> UInt8[np.ndarray, "*N H W 3"]:
    """What `render` gave, if sources can read it.

    Args:
        pictures: an array, if all is well.
        shape: that is expected: ``"H W 3"``, or ``"N H W 3"`` with the number in place of N.
        whose: the environment, for messages.

    Raises:
        RenderError: it is no array.
        DtypeError: it is not uint8.
        ShapeError: it has another shape.
    """
    expected = shape.split()
    if not isinstance(pictures, np.ndarray):
        raise RenderError(
            f"{whose}.render() returned {type(pictures).__name__}; expected one "
            f"({', '.join(expected)}) uint8 array. Make the environment with gym.make(..., "
            "render_mode='rgb_array')."
        )
    if pictures.dtype != np.uint8:
        raise DtypeError(
            f"{whose}.render() returned {pictures.dtype}; sources take uint8 0-255. Convert "
            "pictures in [0, 1] with (picture * 255).round().astype(np.uint8)."
        )
    fits = len(expected) == pictures.ndim and all(
        axis in "HW" or int(axis) == n for axis, n in zip(expected, pictures.shape, strict=True)
    )
    if not fits:
        raise ShapeError(
            f"{whose}.render() returned shape {pictures.shape}; expected ({', '.join(expected)}), "
            "RGB last."
        )
    return pictures


class CaptureFrames(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Puts the picture after a step into ``info["frame"]``, at the steps a source reads.

    Pictures follow the reset, steps 0, stride, 2 stride ... and the step that ends the episode.
    Inside a vector environment this is the only way to the picture of a last step: its own
    `render` shows the next episode already. A step after the last one, without a reset between,
    begins the next episode: there is something inside that resets by itself, such as
    `gymnasium.wrappers.Autoreset`.

    Of an environment that is batched inside, such as ManiSkill's, all pictures are sent after
    every step as `render` gives them: (N, H, W, 3), tensors too. There it belongs inside of what
    resets its worlds: ``ManiSkillVectorEnv(CaptureFrames(env))``.

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
        self._batched = (n_worlds(env) or 1) > 1  # each world has steps of its own
        self.capture_stride = 1 if self._batched else stride
        self.captures_reset = at_reset
        self._step = 0
        self._ended = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset, with the first picture in ``info["frame"]`` if `at_reset`."""
        observation, info = self.env.reset(seed=seed, options=options)
        return observation, self._begin(info)

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step, with the picture after it in ``info["frame"]`` if it is taken."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        if self._ended:
            return observation, reward, terminated, truncated, self._begin(info)
        self._ended = not self._batched and bool(terminated or truncated)
        if is_pictured(self._step, self.capture_stride, ended=self._ended):
            info = {**info, FRAME_KEY: self._picture()}
        self._step += 1
        return observation, reward, terminated, truncated, info

    def _begin(self, info: dict[str, Any]) -> dict[str, Any]:
        self._step, self._ended = 0, False
        return {**info, FRAME_KEY: self._picture()} if self.captures_reset else info

    def _picture(self) -> Any:
        return self.env.render() if self._batched else render_picture(self.env)
