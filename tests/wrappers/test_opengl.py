"""Pictures of MuJoCo's environments do not depend on which others render in the same process."""

import gc
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from vlfeedback.wrappers.frames import render_picture

pytest.importorskip("mujoco")


def pendulum(kind: str = "InvertedPendulum-v5") -> gym.Env[Any, Any]:
    env = gym.make(kind, render_mode="rgb_array", width=64, height=64)
    env.reset(seed=0)
    return env


@pytest.fixture
def first() -> Iterator[gym.Env[Any, Any]]:
    env = pendulum()
    yield env
    env.close()


def test_another_environment_beside_it_changes_no_picture(first: gym.Env[Any, Any]) -> None:
    alone = render_picture(first).copy()
    other = pendulum("InvertedDoublePendulum-v5")
    others = render_picture(other).copy()
    assert not np.array_equal(alone, others)
    for _ in range(2):
        np.testing.assert_array_equal(render_picture(first), alone)
        np.testing.assert_array_equal(render_picture(other), others)
    other.close()


def test_the_end_of_another_environment_leaves_no_black_picture(
    first: gym.Env[Any, Any],
) -> None:
    alone = render_picture(first).copy()
    other = pendulum()
    render_picture(other)
    other.close()
    del other
    gc.collect()
    np.testing.assert_array_equal(render_picture(first), alone)
    assert alone.std() > 1


def test_an_environment_that_keeps_one_of_mujoco_inside_draws_into_its_context(
    first: gym.Env[Any, Any],
) -> None:
    class Maze(gym.Env[Any, Any]):
        render_mode = "rgb_array"

        def __init__(self) -> None:
            self.inside = first.unwrapped

        def render(self) -> Any:
            return self.inside.render()

    alone = render_picture(Maze()).copy()
    other = pendulum("InvertedDoublePendulum-v5")
    render_picture(other)
    np.testing.assert_array_equal(render_picture(Maze()), alone)
    other.close()


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="of triton")
def test_torchs_compiler_can_be_loaded_after_a_picture() -> None:
    code = """
import gymnasium
from vlfeedback.wrappers.frames import render_picture
env = gymnasium.make("InvertedPendulum-v5", render_mode="rgb_array", width=64, height=64)
env.reset(seed=0)
render_picture(env)
import triton
env.close()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
