"""StraightenRopeFree: take hold of a bent rope and pull it straight.

A look-alike of SoftGym's RopeFlatten, whose pickers hold nothing at first, on MuJoCo instead of
FleX; docs/deformables.md lists the differences.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from vlfeedback_envs.deformables.pickers import Pickers
from vlfeedback_envs.deformables.rope_model import CONTOUR, N_LINKS, PICKER_HEIGHT
from vlfeedback_envs.deformables.rope_scene import STRAIGHT, RopeEnv
from vlfeedback_envs.rendering import mujoco

__all__ = ["REACH", "StraightenRopeFree"]

REACH = 0.05
"""How near a node must be to be held, m: SoftGym's picker (0.02), particle (0.025) and threshold
(0.005)."""

_SUCCESS = 0.95  # normalized performance; our choice, SoftGym names none
_ROOM = (0.33, 0.33, 0.28)  # m from the middle, and of height; SoftGym's box less a picker's radius
_START_HEIGHT, _ASIDE = 0.1, 0.04  # m; SoftGym's
_SETTLE = 10  # simulator steps before an episode


class StraightenRopeFree(RopeEnv):
    """A blue rope on a white table, to be taken hold of and pulled straight.

    Actions are (8,) float32 in [-1, 1]: for each of two pickers x, height, z and a flag. At 1 a
    picker goes 8 cm in the 80 ms of a step. While its flag is positive it takes hold of the
    nearest node within 5 cm that the other does not hold, and keeps it; else it lets go. Pickers
    stay within 33 cm of the middle and 2 to 28 cm above the table, wait for what lags more than 3
    cm behind, and stay as near together as the rope between them is long.

    State and point cloud are those of `StraightenRope`, (36,) and (23, 5).

    The reward is minus how far the distance between the rope's ends is from 0.5 m, in metres, in
    [-0.5, 0]. The registered id ``vlfeedback/StraightenRopeFree-v0`` cuts an episode after 75
    steps. `info` holds ``success`` (a normalized performance above 0.95 at this moment),
    ``performance`` (the reward), ``normalized_performance`` (1 - |distance - 0.5| / 0.5),
    ``distance`` (m) and ``sim_error``.

    Args:
        render_mode: ``"rgb_array"`` for pictures, None for none.
        obs_mode: ``"state"``, ``"image"``, ``"point_cloud"`` or ``"flat_point_cloud"``.
        size: side of the square picture, px; the camera looks straight down.
        quality: see `DeformableEnv`.
        hide_picker: leave the pickers out of pictures.

    Raises:
        whatever `DeformableEnv` raises.

    Source: Xingyu-Lin/softgym at bb383f6, RopeFlatten; what counts as success is ours.
    """

    failed_reward = -STRAIGHT

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
            "straighten-rope-free",
            held=False,
            render_mode=render_mode,
            obs_mode=obs_mode,
            size=size,
            quality=quality,
            hide_picker=hide_picker,
        )
        link, order = CONTOUR / N_LINKS, np.arange(N_LINKS + 1)
        first = self.model.body("link_0").id
        self.pickers = Pickers(
            self.model,
            self.data,
            # A node is where its link begins, and the last one where the last link ends.
            bodies=first + np.minimum(order, N_LINKS - 1),
            anchors=link * (order == N_LINKS)[:, None] * np.array([1.0, 0.0, 0.0]),
            apart=link * np.abs(order[:, None] - order[None]),
            reach=REACH,
            low=np.array([-_ROOM[0], -_ROOM[1], PICKER_HEIGHT]),
            high=np.array(_ROOM),
        )

    def begin(self) -> None:
        """Lay the rope down, the pickers above its middle."""
        nodes = self.lay_down()
        x, y = (nodes.min(axis=0) + nodes.max(axis=0)) / 2
        self.pickers.begin(np.array([[x, y - way * _ASIDE, _START_HEIGHT] for way in (1, -1)]))
        mujoco.mj_step(self.model, self.data, nstep=_SETTLE)

    def advance(self, action: Float[np.ndarray, "8"]) -> None:
        """Eight substeps, in each of which pickers take hold or let go, and then move."""
        self.pickers.act(action, self.nodes)

    def judge(self) -> tuple[float, bool, dict[str, Any]]:
        """How far the distance between the ends is from that of a straight rope."""
        nodes = self.nodes()
        distance = float(np.linalg.norm(nodes[0] - nodes[-1]))
        performance = -abs(distance - STRAIGHT)
        normalized = 1 + performance / STRAIGHT
        return (
            performance,
            False,
            {
                self.task.success_key: normalized > _SUCCESS,
                "performance": performance,
                "normalized_performance": normalized,
                "distance": distance,
            },
        )
