"""Episodes of Meta-World's tasks as a collection holds them, of every level, and scenes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import UInt8

from vlfeedback.tasks import TaskSpec
from vlfeedback.types import SCATTERED, Trajectory
from vlfeedback_envs.flawed import FLAWED, rollout_flawed
from vlfeedback_envs.metaworld import MetaWorldView
from vlfeedback_envs.scattered import scatter_scenes
from vlfeedback_envs.scripted import rollout_level

__all__ = ["LARGEST", "picture_of", "roll_out"]

LARGEST = 224
"""Pictures are rendered with this side, px, or the next multiple of theirs, and box-filtered."""


def roll_out(
    task: TaskSpec, level: str, seeds: Sequence[int], settings: Mapping[str, Any]
) -> Iterator[Trajectory]:
    """One trajectory a seed.

    Args:
        task: of Meta-World.
        level: ``"expert"``, ``"medium"``, ``"random"``, ``"idle"``, ``"flawed"`` or
            ``"scattered"``.
        seeds: of the episodes.
        settings: ``horizon``, ``frame_stride``, ``frame_size``, ``random_actions``, ``medium``
            and ``ends``, see `vlfeedback_envs.scripted.rollout_level`; and ``env_options`` of the
            `MetaWorldView`.

    Raises:
        UnknownNameError: no such level, or no such kind of random actions.
    """
    size, options = settings["frame_size"], settings["env_options"]
    common = {name: settings[name] for name in ("horizon", "frame_stride", "frame_size", "ends")}
    with closing(
        MetaWorldView(
            task.name, render_mode="rgb_array", size=size * max(1, LARGEST // size), **options
        )
    ) as view:
        for seed in seeds:
            if level == SCATTERED:
                yield scatter_scenes(view, seed=seed, frame_size=size)
                continue
            if level == FLAWED:
                trajectory = rollout_flawed(view, seed=seed, **common)
            else:
                trajectory = rollout_level(
                    view,
                    level,  # type: ignore[arg-type]
                    seed=seed,
                    random_actions=settings["random_actions"],
                    medium=settings["medium"],
                    **common,
                )
            yield replace(trajectory, env_options=dict(options))


def picture_of(task: TaskSpec) -> UInt8[np.ndarray, "448 448 3"]:
    """The scene of a task as a reset leaves it, in the quality that VLMs read best."""
    view = MetaWorldView(task.name, render_mode="rgb_array", size=448, quality="vlm")
    with closing(view):
        view.reset(seed=0)
        pictures = view.render_states([view.capture_state()])
        return np.asarray(pictures[0])
