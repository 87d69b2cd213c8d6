"""FoldClothHalf: take hold of a cloth by two corners and fold it in half.

A look-alike of SoftGym's ClothFold, on MuJoCo instead of FleX; docs/deformables.md lists the
differences.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from vlfeedback_envs.deformables.cloth_model import GRID, N_SIDE, SIDE
from vlfeedback_envs.deformables.cloth_scene import ClothEnv, cloth_pickers
from vlfeedback_envs.rendering import mujoco

__all__ = ["REACH", "FoldClothHalf"]

REACH = 0.031
"""How near a vertex must be to be held, m: SoftGym's particle (0.00625) and threshold (0.005), and
the radius of the rope's picker (0.02). SoftGym's picker of cloth, 0.05, is for larger cloth."""

_STAY = 1.2  # weight of the half that is to stay where it is; SoftGym's
_SUCCESS = 0.8  # normalized performance; our choice, SoftGym names none
_ROOM, _LOWEST = (0.2, 0.2, 0.2), 0.012  # m
_START_HEIGHT, _ASIDE = 0.1, 0.04  # m, of the pickers above the middle of the left side
_SHIFT, _TURN = 0.015, np.deg2rad(8.0)  # largest, of the cloth at the start; our choice
_SETTLE = 10  # simulator steps before an episode

_VERTICES = np.arange(GRID.size).reshape(GRID.shape)  # by row and column
_MOVED = _VERTICES[:, : N_SIDE // 2].ravel()
_STAYS = _VERTICES[:, ::-1][:, : N_SIDE // 2].ravel()  # each the mirror image of its moved one
_CORNERS = (0, N_SIDE * (N_SIDE - 1), N_SIDE - 1, N_SIDE**2 - 1)  # in SoftGym's order


class FoldClothHalf(ClothEnv):
    """A red cloth on a white table, whose left half is to be folded onto its right half.

    Actions are (8,) float32 in [-1, 1]: for each of two pickers x, height, z and a flag. At 1 a
    picker goes 8 cm in the 80 ms of a step. While its flag is positive it takes hold of the
    nearest vertex within 3.1 cm that the other does not hold, and keeps it; else it lets go.
    Pickers stay within 20 cm of the middle and 1.2 to 20 cm above the table, wait for what lags
    more than 3 cm behind, and stay as near together as the cloth between them is wide. The cloth
    lies up to 1.5 cm off the middle, turned by up to 8 degrees.

    The state is (18,) float32, m: the corners, left ones first and each time the farther one
    first, and the pickers. The point cloud is (171, 5) float32: all 169 vertices and the pickers,
    one-hot {cloth, picker}. Axes are SoftGym's: x to the right of the picture, y up, z towards
    the camera.

    The reward is minus the mean distance (m) between the vertices of the left half and their
    mirror images, and minus 1.2 times how far those have been moved in the mean. The registered
    id ``vlfeedback/FoldClothHalf-v0`` cuts an episode after 100 steps. `info` holds ``success`` (a
    normalized performance above 0.8 at this moment), ``performance`` (the reward),
    ``normalized_performance`` (0 at the start, 1 for halves that lie in one place),
    ``group_distance`` and ``fixation_distance`` (m, the two means) and ``sim_error``.

    Args:
        render_mode: ``"rgb_array"`` for pictures, None for none.
        obs_mode: ``"state"``, ``"image"``, ``"point_cloud"`` or ``"flat_point_cloud"``.
        size: side of the square picture, px; the camera looks down by 45 degrees.
        quality: see `DeformableEnv`.
        hide_picker: leave the pickers out of pictures.

    Raises:
        whatever `DeformableEnv` raises.

    Source: Xingyu-Lin/softgym at bb383f6, ClothFold; what counts as success is ours.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 12}  # noqa: RUF012

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
            "fold-cloth-half",
            n_pickers=2,
            n_actions=8,
            key_vertices=_CORNERS,
            render_mode=render_mode,
            obs_mode=obs_mode,
            size=size,
            quality=quality,
            hide_picker=hide_picker,
        )
        self.pickers = cloth_pickers(self.model, self.data, reach=REACH, room=_ROOM, lowest=_LOWEST)
        self._start = np.zeros((GRID.size, 3))
        self._unfolded = 0.0

    def begin(self) -> None:
        """Lay the cloth down, the pickers above the middle of its left side."""
        shift = self.np_random.uniform(-_SHIFT, _SHIFT, 2)
        turn = self.np_random.uniform(-_TURN, _TURN)
        line = np.linspace(-SIDE / 2, SIDE / 2, N_SIDE)
        flat = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
        cos, sin = np.cos(turn), np.sin(turn)
        placed = flat @ np.array([[cos, sin], [-sin, cos]]) + shift
        self.data.qpos.reshape(-1, 3)[:, :2] = placed - flat  # every vertex slides along x, y, z
        mujoco.mj_step(self.model, self.data, nstep=_SETTLE)
        self._start = self.vertices()
        self._unfolded = self.failed_reward = -self._distances()[0]
        x, y = self._start[list(_CORNERS[:2]), :2].mean(axis=0)
        self.pickers.begin(np.array([[x, y - way * _ASIDE, _START_HEIGHT] for way in (1, -1)]))

    def advance(self, action: Float[np.ndarray, "8"]) -> None:
        """Eight substeps, in each of which pickers take hold or let go, and then move."""
        self.pickers.act(action, self.vertices)

    def judge(self) -> tuple[float, bool, dict[str, Any]]:
        """How far the halves are from lying on one another, and from where they are to lie."""
        group, fixation = self._distances()
        performance = -(group + _STAY * fixation)
        normalized = 1 - performance / self._unfolded
        return (
            performance,
            False,
            {
                self.task.success_key: normalized > _SUCCESS,
                "performance": performance,
                "normalized_performance": normalized,
                "group_distance": group,
                "fixation_distance": fixation,
            },
        )

    def _distances(self) -> tuple[float, float]:
        vertices = self.vertices()
        apart = np.linalg.norm(vertices[_MOVED] - vertices[_STAYS], axis=1).mean()
        moved = np.linalg.norm(vertices[_STAYS] - self._start[_STAYS], axis=1).mean()
        return float(apart), float(moved)
