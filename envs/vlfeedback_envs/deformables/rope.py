"""StraightenRope: pull a bent rope straight by its two ends.

A look-alike of SoftGym's RopeFlatten as RL-VLM-F has it ("RopeFlattenEasy": the ends are held from
the beginning to the end), on MuJoCo instead of FleX; docs/deformables.md lists the differences.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Float64

from vlfeedback_envs.deformables.environment import DeformableEnv
from vlfeedback_envs.deformables.rope_model import (
    CONTOUR,
    N_LINKS,
    PICKER_HEIGHT,
    START_HEIGHT,
    TIMESTEP,
    rope_mjcf,
)
from vlfeedback_envs.deformables.rope_starts import draw_rope
from vlfeedback_envs.rendering import mujoco

__all__ = ["KEY_NODES", "STRAIGHT", "STRIDE", "StraightenRope"]

STRAIGHT = 0.5
"""Rest length of SoftGym's rope, m: it counts as straight once its ends are so far apart."""

STRIDE = 0.06
"""How far a picker goes in a step at an action of 1, m."""

KEY_NODES = (0, 2, 4, 6, 8, 10, 12, 14, 16, 20)
"""Nodes that are observed; as in SoftGym, the last gap is twice the others."""

_SUBSTEPS = 6  # of a step; SoftGym's action_repeat
_SIMULATED = round(0.01 / TIMESTEP)  # simulator steps in a substep of 10 ms
_CAP = 1.1 * STRAIGHT  # m, the most that a rope's length is rewarded for
_SUCCESS = 0.95 * STRAIGHT  # m
_IN_VIEW = 0.325  # m from the middle; RL-VLM-F's code
_HIGHEST = 0.28  # m, of a picker
_LAG = 0.03  # m that an end may be behind its picker: more, and whipping links tear the chain
_SETTLE = 10  # simulator steps before an episode
_GRIP = np.array([0.0, 0.0, START_HEIGHT - PICKER_HEIGHT])  # m, of an end from its picker


class StraightenRope(DeformableEnv):
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
            rope_mjcf(),
            n_actions=8,
            render_mode=render_mode,
            obs_mode=obs_mode,
            size=size,
            quality=quality,
            hide_picker=hide_picker,
        )

    def begin(self) -> None:
        """Lay the rope down; see `draw_rope`."""
        nodes, headings = draw_rope(self.np_random)
        half = headings[0] / 2
        self.data.qpos[:3] = [*nodes[0], START_HEIGHT]
        self.data.qpos[3:7] = [np.cos(half), 0.0, 0.0, np.sin(half)]
        self.data.qpos[7::2] = np.diff(headings)  # yaw; pitch is every other one
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
        nodes = self._nodes()
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

    def state(self) -> Float32[np.ndarray, "36"]:
        """See the class."""
        places = np.concatenate([self._nodes()[list(KEY_NODES)], self.data.mocap_pos])
        return _softgym_axes(places).reshape(-1)

    def point_cloud(self) -> Float32[np.ndarray, "23 5"]:
        """See the class."""
        nodes = self._nodes()
        places = _softgym_axes(np.concatenate([nodes, self.data.mocap_pos]))
        things = np.repeat(np.eye(2, dtype=np.float32), [len(nodes), 2], axis=0)
        return np.concatenate([places, things], axis=1)

    def _nodes(self) -> Float64[np.ndarray, "21 3"]:
        """Where the rope is; its nodes are the first sites but two, which are the pickers'."""
        nodes: Float64[np.ndarray, "21 3"] = self.data.site_xpos[2:]
        return nodes

    def _move_pickers(self, places: Float64[np.ndarray, "2 3"]) -> None:
        """Have both pickers go there, or as far as the rope lets them, or stay."""
        gap = places[1] - places[0]
        length = float(np.linalg.norm(gap))
        if length > CONTOUR:
            pull = gap * (length - CONTOUR) / (2 * length)
            places += [pull, -pull]
        ends = self._nodes()[[0, -1]] - _GRIP
        behind = places - ends
        lag = np.linalg.norm(behind, axis=1, keepdims=True)
        places = ends + behind * np.minimum(1.0, _LAG / np.maximum(lag, 1e-9))
        places[:, 2] = places[:, 2].clip(PICKER_HEIGHT, _HIGHEST)
        if np.abs(places[:, :2]).max() <= _IN_VIEW:
            self.data.mocap_pos[:] = places


def _softgym_axes(places: Float64[np.ndarray, "P 3"]) -> Float32[np.ndarray, "P 3"]:
    """From MuJoCo's (x, y, up) to SoftGym's (x, up, z)."""
    x, y, up = places.T
    return np.stack([x, up, -y], axis=1).astype(np.float32)
