"""RL-VLM-F's own variants of three Meta-World tasks: nothing varies, and the hand starts near.

Paper:   Wang et al. 2024, RL-VLM-F, and its code; Offline RL-VLM-F, Tables I and II, runs on them.
Changes: where the hand starts, and where object and goal stand in each episode. With stock starts
         random actions never open the drawer; from here they do in some episodes of a hundred,
         which is what can be learnt from random data. Reward, success and physics are the task's.
Camera:  that of RL-VLM-F's arena files, in the place of "corner4". Its crop to the middle 300 of
         480 pixels is a narrower view here.
Hidden:  the robot, all of whose geoms are transparent there, gripper and pedestal too, and the
         marker of the goal, unless `hide_arm` and `hide_goal` say otherwise.
Code read: yufeiwang63/RL-VLM-F at febe2f2, its own Meta-World, for its facts alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from gymnasium.spaces import Box

from vlfeedback.errors import UnknownNameError
from vlfeedback_envs.metaworld import MetaWorldView, stock_simulation

__all__ = ["LAYOUTS", "Layout", "RLVLMFView"]

_CROPPED = 2 * math.degrees(math.atan(math.tan(math.radians(45 / 2)) * 300 / 480))


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is when an episode begins, and where the camera is.

    Attributes:
        stock: name of the Meta-World task.
        hand: where the hand starts, m.
        drawn: what the task draws in each episode, in its order: object, or object and goal, m.
        camera: where it is, m.
        turn: its orientation, a quaternion (w, x, y, z).
        fovy: its vertical field of view, degrees.
    """

    stock: str
    hand: tuple[float, float, float]
    drawn: tuple[float, ...]
    camera: tuple[float, float, float]
    turn: tuple[float, float, float, float]
    fovy: float


LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "rlvlmf-drawer-open": Layout(
            stock="drawer-open",
            hand=(0.0, 0.75, 0.15),  # at the handle
            drawn=(0.0, 0.9, 0.0),  # the goal is where the drawer is open
            camera=(-0.6, 0.2, 0.35),
            turn=(0.30521, -0.23086, -0.55734, 0.73684),
            fovy=_CROPPED,
        ),
        "rlvlmf-soccer": Layout(
            stock="soccer",
            hand=(0.0, 0.56, 0.05),
            drawn=(0.0, 0.65, 0.03, 0.0, 0.85, 0.0),
            camera=(0.2, 0.6, 0.5),
            turn=(-0.49455, 0.10574, -0.25594, 0.82385),
            fovy=45.0,
        ),
        "rlvlmf-sweep-into": Layout(
            stock="sweep-into",
            hand=(0.0, 0.53, 0.05),
            drawn=(0.0, 0.65, 0.02, 0.0, 0.84, 0.02),
            camera=(0.0, 1.1, 0.75),
            turn=(0.96891, -0.2474, 0.0, 0.0),
            fovy=_CROPPED,
        ),
    }
)
"""The variants by name of task; read-only."""


class RLVLMFView(MetaWorldView):
    """One of RL-VLM-F's variants.

    Args:
        task: a name of `LAYOUTS`.
        render_mode: see `MetaWorldView`.
        hide_arm: draw neither the robot nor its gripper, as RL-VLM-F does.
        hide_goal: do not draw the goal marker, as RL-VLM-F does.
        **options: all other arguments of `MetaWorldView`.

    Raises:
        UnknownNameError: the task is none of them.
        whatever `MetaWorldView` raises.
    """

    def __init__(
        self,
        task: str,
        render_mode: str | None = None,
        *,
        hide_arm: bool = True,
        hide_goal: bool = True,
        **options: Any,
    ) -> None:
        if task not in LAYOUTS:
            raise UnknownNameError(
                f"{task!r} is no variant of RL-VLM-F's; there are: {', '.join(LAYOUTS)}."
            )
        super().__init__(task, render_mode, hide_arm=hide_arm, hide_goal=hide_goal, **options)

    def make_simulation(self) -> Any:
        """The stock task's simulation with everything in its place."""
        layout = LAYOUTS[self.task.name]
        simulation = stock_simulation(layout.stock)
        simulation.hand_init_pos = np.array(layout.hand)
        drawn = np.array(layout.drawn)
        simulation._random_reset_space = Box(drawn, drawn, dtype=np.float64)
        camera = simulation.model.camera(self.task.camera)
        camera.pos, camera.quat, camera.fovy = layout.camera, layout.turn, layout.fovy
        return simulation
