"""StraightenRope: pull a bent rope straight by its two ends.

A look-alike of SoftGym's RopeFlatten as RL-VLM-F has it ("RopeFlattenEasy": the ends are held from
the beginning to the end), on MuJoCo instead of FleX; docs/deformables.md lists the differences.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from vlfeedback_envs.deformables.pickers import drawn_together, kept_near
from vlfeedback_envs.deformables.rope_model import (
    CONTOUR,
    N_LINKS,
    PICKER_HEIGHT,
    START_HEIGHT,
    TIMESTEP,
)
from vlfeedback_envs.deformables.rope_scene import STRAIGHT, RopeEnv
from vlfeedback_envs.rendering import mujoco

__all__ = ["STRIDE", "StraightenRope"]

STRIDE = 0.06
"""How far a picker goes in a step at an action of 1, m."""

_SUBSTEPS = 6  # of a step; SoftGym's action_repeat
_SIMULATED = round(0.01 / TIMESTEP)  # simulator steps in a substep of 10 ms
_CAP = 1.1 * STRAIGHT  # m, the most that a rope's length is rewarded for
_SUCCESS = 0.95 * STRAIGHT  # m
_IN_VIEW = 0.325  # m from the middle; RL-VLM-F's code
_HIGHEST = 0.28  # m, of a picker
_SETTLE = 10  # simulator steps before an episode
_GRIP = np.array([0.0, 0.0, START_HEIGHT - PICKER_HEIGHT])  # m, of an end from its picker


class StraightenRope(RopeEnv):
    """A blue rope on a white table, to be pulled straight.

    Actions are (8,) float32 in [-1, 1]: for each of two pickers x, height, z and a flag. At 1 a
    picker goes 6 cm; the flags change nothing, since both hold the rope's ends all the time. A
    move that would bring a picker or the end that it holds out of view (0.325 m from the middle)
    is not made; pickers stay as near together as the rope is long, and within 3 cm of their ends.

    The state is (36,) float32, m: ten nodes of the rope from end to end, then the two pickers.
    The point cloud is (23, 5) float32: all 21 nodes and the pickers, one-hot {rope, picker}. Axes
    are SoftGym's: x to the right of the picture, y up, z down the picture.

    The reward is the distance between the rope's ends in metres, at most 0.55, so that returns of
    the registered id ``vlfeedback/StraightenRope-v0``, which cuts an episode after 40 steps of 60
    ms, lie in [0, 22]. `info` holds ``success`` (0.475 m and more at this moment), ``performance``
    (the reward), ``normalized_performance`` (1 - |distance - 0.5| / 0.5, of the whole distance,
    as SoftGym has it), ``distance`` (m) and ``sim_error``.

    Args:
        render_mode: ``"rgb_array"`` for pictures, None for none.
        obs_mode: ``"state"``, ``"image"``, ``"point_cloud"`` or ``"flat_point_cloud"``.
        size: side of the square picture, px; the camera looks straight down.
        quality: see `DeformableEnv`.
        hide_picker: leave the pickers out of pictures.

    Raises:
        whatever `DeformableEnv` raises.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 17}  # noqa: RUF012

    def __init__(
        self,
        render_mode: str | None = None,
        *,
        obs_mode: str = "state",
        size: int = 240,
        quality: str = "vlm",
        hide_picker: bool = True,
    ) -> None:
        super().__init__(
            "straighten-rope",
            held=True,
            render_mode=render_mode,
            obs_mode=obs_mode,
            size=size,
            quality=quality,
            hide_picker=hide_picker,
        )

    def begin(self) -> None:
        """Lay the rope down, its ends held."""
        nodes = self.lay_down()
        for picker, end in enumerate((0, N_LINKS)):
            self.data.mocap_pos[picker] = [*nodes[end], PICKER_HEIGHT]
        mujoco.mj_step(self.model, self.data, nstep=_SETTLE)

    def advance(self, action: Float[np.ndarray, "8"]) -> None:
        """Six substeps, in each of which the pickers move if they may."""
        x, up, z = action.reshape(2, 4)[:, :3].T
        move = np.stack([x, -z, up], axis=1) * (STRIDE / _SUBSTEPS)
        for _ in range(_SUBSTEPS):
            self._move_pickers(self.data.mocap_pos + move)
            mujoco.mj_step(self.model, self.data, nstep=_SIMULATED)

    def judge(self) -> tuple[float, bool, dict[str, Any]]:
        """The distance between the ends."""
        nodes = self.nodes()
        distance = float(np.linalg.norm(nodes[0] - nodes[-1]))
        performance = min(distance, _CAP)
        return (
            performance,
            False,
            {
                self.task.success_key: performance >= _SUCCESS,
                "performance": performance,
                "normalized_performance": 1 - abs(distance - STRAIGHT) / STRAIGHT,
                "distance": distance,
            },
        )

    def _move_pickers(self, places: Float64[np.ndarray, "2 3"]) -> None:
        """Have both pickers go there, or as far as the rope lets them, or stay."""
        places = kept_near(drawn_together(places, CONTOUR), self.nodes()[[0, -1]] - _GRIP)
        places[:, 2] = places[:, 2].clip(PICKER_HEIGHT, _HIGHEST)
        if np.abs(places[:, :2]).max() <= _IN_VIEW:
            self.data.mocap_pos[:] = places
