"""Recorded episodes played again, to see the very same states through another camera."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import groupby

import numpy as np

from vlfeedback.errors import NeedsError, RenderError
from vlfeedback.tasks import TaskSpec
from vlfeedback.types import ArrayFrames, Trajectory
from vlfeedback_envs.metaworld import MetaWorldView
from vlfeedback_envs.metaworld_data import LARGEST
from vlfeedback_envs.scripted import shrink_pictures

__all__ = ["retake", "retake_all"]

# Metres, and entries of quaternions: as far as observations of one state, stored in float32 and
# simulated anew, may lie apart without a picture showing it.
_SAME_STATE = 1e-3


def retake_all(
    task: TaskSpec, trajectories: Sequence[Trajectory], camera: str, *, frame_size: int
) -> Iterator[Trajectory]:
    """Episodes of one task with pictures of the same states by another camera; see `retake`.

    Args:
        task: of Meta-World.
        trajectories: of this task.
        camera: a camera of the model, such as ``"corner2"``.
        frame_size: side of the pictures, px.

    Raises:
        NeedsError: see `retake`.
        RenderError: there is no such camera; and see `retake`.
    """
    size = frame_size * max(1, LARGEST // frame_size)
    for options, alike in groupby(trajectories, key=lambda trajectory: trajectory.env_options):
        seen = {**options, "camera": camera}
        with closing(MetaWorldView(task.name, render_mode="rgb_array", size=size, **seen)) as view:
            for trajectory in alike:
                yield retake(view, trajectory, frame_size=frame_size)


def retake(view: MetaWorldView, trajectory: Trajectory, *, frame_size: int) -> Trajectory:
    """The episode with pictures of the same states by the view's camera.

    Args:
        view: of the episode's task, with pictures of a multiple of `frame_size`.
        trajectory: of `vlfeedback_envs.scripted`: `Trajectory.seed` tells how it began.
        frame_size: side of the pictures, px.

    Raises:
        NeedsError: the episode has no pictures, or its seed is not known.
        RenderError: the simulator goes another way than it went when this was recorded.
    """
    if trajectory.frames is None or trajectory.seed is None:
        raise NeedsError(
            f"Trajectory {trajectory.id!r} has no pictures, or no seed to play it again "
            "from; episodes of `vlfeedback collect` have both."
        )
    times = set(trajectory.frames.times.tolist())
    observation, _ = view.reset(seed=trajectory.seed)
    states = [view.capture_state()] if 0 in times else []
    for step, action in enumerate(trajectory.actions):
        observation, *_ = view.step(action)
        if step + 1 in times:
            states.append(view.capture_state())
    distance = float(np.abs(observation - trajectory.observations[-1]).max())
    if distance > _SAME_STATE:
        raise RenderError(
            f"Played again, trajectory {trajectory.id!r} ends {distance:.3g} away from where it "
            "ended; it was recorded with another version of the simulator, or of the task. "
            "Collect it anew."
        )
    frames = shrink_pictures(view.render_states(states), frame_size)
    return replace(trajectory, frames=ArrayFrames(np.asarray(trajectory.frames.times), frames))
