"""What a task looks like: one picture of it, and episodes seen again by another camera."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import gymnasium as gym
import numpy as np
from jaxtyping import UInt8

from vlfeedback.errors import NeedsError
from vlfeedback.registry import load_target
from vlfeedback.tasks import TaskSpec
from vlfeedback.types import Trajectory
from vlfeedback.wrappers.frames import render_picture

__all__ = ["picture_task", "retake_episodes"]


def picture_task(task: TaskSpec) -> UInt8[np.ndarray, "H W 3"]:
    """The scene of a task at its beginning: its `TaskSpec.picture`, or what a reset renders.

    Raises:
        NeedsError: the task names neither a picture nor an environment.
        RenderError: the environment renders no pictures.
    """
    if task.picture:
        draw = load_target(task.picture, what=f"The picture of task {task.name!r}")
        return np.asarray(draw(task))
    if not task.env_id:
        raise NeedsError(f"Task {task.name!r} names no environment, so there is nothing to see.")
    env: gym.Env[Any, Any] = gym.make(
        task.env_id, render_mode="rgb_array", disable_env_checker=True
    )
    with closing(env):
        env.reset(seed=0)
        return render_picture(env)


def retake_episodes(
    task: TaskSpec, trajectories: Sequence[Trajectory], camera: str, *, frame_size: int
) -> Iterator[Trajectory]:
    """The same episodes with pictures of the same states by another camera.

    Args:
        task: of the episodes.
        trajectories: recorded by the task's own script, which knows how they began.
        camera: as the environment calls it.
        frame_size: side of the pictures, px.

    Raises:
        NeedsError: episodes of this task cannot be seen again, or these cannot.
        RenderError: there is no such camera, or the episodes go another way by now.
    """
    if not task.retake:
        raise NeedsError(
            f"Episodes of {task.name!r} cannot be seen by another camera; its TaskSpec names no "
            "`retake`."
        )
    retake = load_target(task.retake, what=f"The retake of task {task.name!r}")
    yield from retake(task, trajectories, camera, frame_size=frame_size)
