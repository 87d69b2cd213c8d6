from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from vlfeedback.errors import DtypeError, RenderError, ShapeError
from vlfeedback.testing import PointReachEnv
from vlfeedback.wrappers import CaptureFrames
from vlfeedback.wrappers.frames import render_picture

FULL = np.ones(1, np.float32)


def brightness_of_each_step(env: CaptureFrames) -> list[int | None]:
    infos = [env.reset()[1]]
    over = False
    while not over:
        *_, terminated, truncated, info = env.step(FULL)
        infos.append(info)
        over = terminated or truncated
    return [int(info["frame"].max()) if "frame" in info else None for info in infos]


def test_pictures_follow_the_reset_every_stride_steps_and_the_last_step() -> None:
    env = CaptureFrames(PointReachEnv(steps=5, render_mode="rgb_array"), stride=3)
    assert brightness_of_each_step(env) == [0, 51, None, None, 204, 255]


def test_a_truncated_step_is_pictured() -> None:
    limited = gym.wrappers.TimeLimit(PointReachEnv(steps=5, render_mode="rgb_array"), 3)
    assert brightness_of_each_step(CaptureFrames(limited, stride=4)) == [0, 51, None, 153]


def test_counting_starts_again_with_an_episode() -> None:
    env = CaptureFrames(PointReachEnv(steps=4, render_mode="rgb_array"), stride=3)
    assert brightness_of_each_step(env) == brightness_of_each_step(env)


def test_the_reset_can_be_left_out_and_is_not_rendered_then() -> None:
    world = PointReachEnv(steps=5, render_mode="rgb_array")
    env = CaptureFrames(world, stride=5, at_reset=False)
    assert brightness_of_each_step(env) == [None, 51, None, None, None, 255]
    assert world.renders == 2


def test_its_arguments_are_recorded_in_the_spec() -> None:
    gym.register("CapturedPoint-v0", "vlfeedback.testing.point_reach:PointReachEnv")
    try:
        env = CaptureFrames(gym.make("CapturedPoint-v0", render_mode="rgb_array"), stride=2)
        assert env.spec is not None
        again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
        assert again.get_wrapper_attr("capture_stride") == 2
    finally:
        del gym.registry["CapturedPoint-v0"]


def test_an_environment_that_does_not_render_is_refused() -> None:
    with pytest.raises(RenderError, match=r"gym\.make\(\.\.\., render_mode='rgb_array'\)"):
        CaptureFrames(PointReachEnv())


def test_a_stride_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="stride=0"):
        CaptureFrames(PointReachEnv(render_mode="rgb_array"), stride=0)


@pytest.mark.parametrize(
    ("picture", "error", "message"),
    [
        (None, RenderError, "returned NoneType"),
        ([np.zeros((4, 4, 3), np.uint8)], RenderError, "returned list"),
        (np.zeros((4, 4, 3), np.float32), DtypeError, r"float32; sources take uint8"),
        (np.zeros((3, 4, 4), np.uint8), ShapeError, r"\(3, 4, 4\); expected \(H, W, 3\)"),
        (np.zeros((4, 4), np.uint8), ShapeError, r"\(4, 4\); expected \(H, W, 3\)"),
    ],
)
def test_what_no_source_reads_is_refused(
    picture: Any, error: type[Exception], message: str
) -> None:
    env = PointReachEnv(render_mode="rgb_array")
    env.render = lambda: picture  # type: ignore[method-assign]
    with pytest.raises(error, match=message):
        render_picture(env)
