"""The pictures of N environments after a step: those that they send, or else those of `render`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from jaxtyping import UInt8

from vlfeedback.errors import RenderError
from vlfeedback.wrappers.answers import as_arrays
from vlfeedback.wrappers.frames import FRAME_KEY, CaptureFrames, checked_pictures

__all__ = ["VectorPictures", "without_frames"]


class VectorPictures:
    """Reads the pictures of a vector environment.

    Args:
        env: any; the environments in a `SyncVectorEnv` are given a `CaptureFrames` each where
            they have none.
        autoreset: how it resets.
        stride: steps from one picture that is read to the next.
        at_reset: the picture of a reset is read.

    Raises:
        RenderError: the environments do not send their pictures, and only whoever makes `env` can
            change that.
    """

    def __init__(
        self,
        env: gym.vector.VectorEnv[Any, Any, Any],
        autoreset: AutoresetMode,
        *,
        stride: int,
        at_reset: bool,
    ) -> None:
        self._env = env
        self._same_step = autoreset is AutoresetMode.SAME_STEP
        # Environments of their own can be made to send them, which costs no other's picture.
        self._all_send = isinstance(env.unwrapped, SyncVectorEnv | AsyncVectorEnv)
        if self._all_send:
            _capture_frames(env.unwrapped, stride, at_reset)

    def after_reset(self, rows: Sequence[int], infos: Mapping[str, Any]) -> list[np.ndarray]:
        """The picture of the reset in each of these rows.

        Raises:
            RenderError: there is none, or it is no picture.
            DtypeError: they are not uint8.
            ShapeError: `render` gave another shape than (N, H, W, 3).
        """
        if not rows:
            return []
        pictures = self._pictures(rows, infos)
        return [pictures[row] for row in rows]

    def after_step(
        self, rows: Sequence[int], ended: Sequence[bool], infos: Mapping[str, Any]
    ) -> dict[int, np.ndarray]:
        """The picture after the step in each of these rows; `ended` says where it was the last.

        Raises:
            RenderError: see `after_reset`, as all others.
            DtypeError: see above.
            ShapeError: see above.
        """
        hidden = [row for row, over in zip(rows, ended, strict=True) if over and self._same_step]
        shown = [row for row in rows if row not in hidden]
        found = dict(zip(shown, self.after_reset(shown, infos), strict=True))
        final = infos.get("final_info", {})
        return found | dict(zip(hidden, self.after_reset(hidden, final), strict=True))

    def _pictures(self, rows: Sequence[int], infos: Mapping[str, Any]) -> Any:
        if FRAME_KEY in infos:
            sent = as_arrays(infos.get(f"_{FRAME_KEY}", np.ones(self._env.num_envs, np.bool_)))
            missing = [row for row in rows if not sent[row]]
            if not missing:
                return as_arrays(infos[FRAME_KEY])
        else:
            missing = list(rows)
        if self._all_send:
            raise RenderError(
                f"Environment {missing[0]} sent no picture in infos['{FRAME_KEY}'] though the "
                "source reads one at this step. Only one VectorRewardFromSource may read pictures; "
                "put others into the environments as RewardFromSource."
            )
        if self._same_step:
            raise RenderError(
                f"{self._env} begins the next episode in the step that ends one, and its render() "
                "then shows the next. Have it reset in the step after (AutoresetMode.NEXT_STEP) or "
                f"not by itself (DISABLED), or send pictures in infos['{FRAME_KEY}'] and in "
                f"infos['final_info']['{FRAME_KEY}']: ManiSkillVectorEnv(CaptureFrames(env))."
            )
        return self._rendered()

    def _rendered(self) -> UInt8[np.ndarray, "N H W 3"]:
        pictures = as_arrays(self._env.render())
        if isinstance(pictures, tuple | list) and pictures:
            pictures = np.stack(
                [checked_pictures(one, "H W 3", whose=self._env) for one in pictures]
            )
        return checked_pictures(pictures, f"{self._env.num_envs} H W 3", whose=self._env)


def without_frames(infos: Mapping[str, Any]) -> dict[str, Any]:
    """The same without pictures, in ``final_info`` too."""
    others = {k: v for k, v in infos.items() if k not in (FRAME_KEY, f"_{FRAME_KEY}")}
    if isinstance(others.get("final_info"), dict):
        others["final_info"] = without_frames(others["final_info"])
    return others


def _capture_frames(env: Any, stride: int, at_reset: bool) -> None:
    """Make sure that every environment in `env` sends the pictures that will be read."""
    if isinstance(env, SyncVectorEnv):
        for i, single in enumerate(env.envs):
            if not _captures(single, stride, at_reset):
                env.envs[i] = CaptureFrames(single, stride=stride, at_reset=at_reset)
        return
    if all(env.call("has_wrapper_attr", "capture_stride")):
        strides = env.call("get_wrapper_attr", "capture_stride")
        resets = env.call("get_wrapper_attr", "captures_reset")
        if all(map(_suffices, strides, resets, [stride] * len(strides), [at_reset] * len(resets))):
            return
    raise RenderError(
        f"The source reads a picture every {stride} steps, and the environments of "
        f"{type(env).__name__} do not send them. Make it with: gym.make_vec(id, "
        f"num_envs={env.num_envs}, vectorization_mode='async', render_mode='rgb_array', "
        f"wrappers=[functools.partial(CaptureFrames, stride={stride})])"
    )


def _captures(env: gym.Env[Any, Any], stride: int, at_reset: bool) -> bool:
    if not env.has_wrapper_attr("capture_stride"):
        return False
    capture_stride = env.get_wrapper_attr("capture_stride")
    return _suffices(capture_stride, env.get_wrapper_attr("captures_reset"), stride, at_reset)


def _suffices(capture_stride: int, reset_taken: bool, stride: int, at_reset: bool) -> bool:
    return stride % capture_stride == 0 and (reset_taken or not at_reset)
