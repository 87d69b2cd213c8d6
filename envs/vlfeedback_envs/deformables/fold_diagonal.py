"""FoldClothDiagonal: put one corner of a cloth where it is folded diagonally.

A look-alike of RL-VLM-F's ClothFoldDiagonal, which is SoftGym's cloth with an action for a whole
fold, on MuJoCo instead of FleX; docs/deformables.md lists the differences.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from vlfeedback_envs.deformables.cloth_model import N_SIDE, SIDE, SIMULATED, cloth_mjcf
from vlfeedback_envs.deformables.cloth_scene import ClothEnv, cloth_pickers, vertices_of
from vlfeedback_envs.deformables.environment import compiled
from vlfeedback_envs.deformables.pickers import Pickers
from vlfeedback_envs.rendering import mujoco

__all__ = ["LARGEST", "FoldClothDiagonal", "ideal_fold"]

LARGEST = 0.15
"""How far from the middle a target is at an action of 1, m; RL-VLM-F's."""

# RL-VLM-F's path of a picker, m a substep of 10 ms.
_LIFT, _LIFTING = 0.006, 10  # and as many substeps; it is lowered likewise
_SPEED, _LONGEST = 0.005, 300  # and at most so many substeps
_REST = 30  # substeps after it has let go; ours, RL-VLM-F never lets go

_SCALE = 10.0  # of the reward; RL-VLM-F's
_SUCCESS = 0.9  # normalized performance; RL-VLM-F's
_SETTLE = 10  # simulator steps before an episode
_LINES = (0, 2, 5, 7, 10, 12)  # rows and columns that are observed, as even as RL-VLM-F's
_CORNER = 0  # the vertex that is held, at the top left of pictures


class FoldClothDiagonal(ClothEnv):
    """A red cloth on a white table, to be folded from its top left corner to its bottom right one.

    An action is (2,) float32 in [-1, 1]: x and z of where the top left corner goes, 15 cm from
    the middle at 1. A picker lifts the corner by 6 cm, carries it there at 0.5 m/s, lowers it,
    lets it go, and the cloth comes to rest: one step of about a second. All episodes begin alike.

    The state is (111,) float32, m: 36 vertices, row after row of the picture, and the picker. The
    point cloud is (170, 5) float32: all 169 vertices and the picker, one-hot {cloth, picker}. Axes
    are SoftGym's: x to the right of the picture, y up, z down the picture.

    The reward is -10 times the mean distance (m) of the vertices from where an ideal fold, which
    is simulated once, has them. The registered id ``vlfeedback/FoldClothDiagonal-v0`` cuts an
    episode after its one step. `info` holds ``success`` (a normalized performance above 0.9),
    ``performance`` (minus the mean distance), ``normalized_performance`` (0 for the flat cloth, 1
    for the ideal fold) and ``sim_error``.

    Args:
        render_mode: ``"rgb_array"`` for pictures, None for none.
        obs_mode: ``"state"``, ``"image"``, ``"point_cloud"`` or ``"flat_point_cloud"``.
        size: side of the square picture, px; the camera looks straight down.
        quality: see `DeformableEnv`.
        hide_picker: leave the picker out of pictures.

    Raises:
        whatever `DeformableEnv` raises.

    Source: yufeiwang63/RL-VLM-F at febe2f2, ClothFoldDiagonal and PickerPlace.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 1}  # noqa: RUF012

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
            "fold-cloth-diagonal",
            n_pickers=1,
            n_actions=2,
            key_vertices=[row * N_SIDE + column for row in _LINES for column in _LINES],
            render_mode=render_mode,
            obs_mode=obs_mode,
            size=size,
            quality=quality,
            hide_picker=hide_picker,
        )
        self._pickers = _picker(self.model, self.data)
        self._goal = ideal_fold()
        self._unfolded = 0.0

    def begin(self) -> None:
        """Lay the cloth flat, the picker at its corner."""
        _lie_flat(self.model, self.data, self._pickers)
        self._unfolded = self._performance()
        self.failed_reward = _SCALE * self._unfolded

    def advance(self, action: Float[np.ndarray, "2"]) -> None:
        """Carry the corner to its target and let it go."""
        _fold(self.model, self.data, self._pickers, LARGEST * action * [1, -1])

    def judge(self) -> tuple[float, bool, dict[str, Any]]:
        """How far the cloth is from the ideal fold."""
        performance = self._performance()
        normalized = 1 - performance / self._unfolded
        return (
            _SCALE * performance,
            False,
            {
                self.task.success_key: normalized > _SUCCESS,
                "performance": performance,
                "normalized_performance": normalized,
            },
        )

    def _performance(self) -> float:
        return -float(np.linalg.norm(self.vertices() - self._goal, axis=1).mean())


@functools.cache
def ideal_fold() -> Float64[np.ndarray, "169 3"]:
    """Where vertices come to rest after the corner is put on its opposite, m.

    It is simulated once a process, in a third of a second.
    """
    model = compiled(cloth_mjcf(n_pickers=1))
    data = mujoco.MjData(model)
    pickers = _picker(model, data)
    _lie_flat(model, data, pickers)
    _fold(model, data, pickers, np.array([SIDE, -SIDE]) / 2)
    goal = vertices_of(data)
    goal.flags.writeable = False
    return goal


def _picker(model: Any, data: Any) -> Pickers:
    """One that reaches as far as it is told to."""
    return cloth_pickers(model, data, reach=np.inf, room=(1.0, 1.0, 1.0), lowest=0.0)


def _lie_flat(model: Any, data: Any, pickers: Pickers) -> None:
    mujoco.mj_step(model, data, nstep=_SETTLE)
    pickers.begin(vertices_of(data)[[_CORNER]])


def _fold(model: Any, data: Any, pickers: Pickers, target: Float[np.ndarray, "2"]) -> None:
    """Lift the corner, carry it to a target (x, y), lower it, and let it go."""
    corner = vertices_of(data)[_CORNER]
    pickers.begin(corner[None])
    pickers.take(0, _CORNER, corner)
    lifted = corner + np.array([0.0, 0.0, _LIFT * _LIFTING])
    over = np.array([*target, lifted[2]])
    on = np.array([*target, corner[2]])
    n_moves = min(max(1, int(np.ceil(np.linalg.norm(over - lifted) / _SPEED))), _LONGEST)
    for start, end, n_substeps in (
        (corner, lifted, _LIFTING),
        (lifted, over, n_moves),
        (over, on, _LIFTING),
    ):
        for k in range(1, n_substeps + 1):
            place = start + (end - start) * (k / n_substeps)
            pickers.move(vertices_of(data), place - data.mocap_pos)
            mujoco.mj_step(model, data, nstep=SIMULATED)
    pickers.let_go()
    mujoco.mj_step(model, data, nstep=_REST * SIMULATED)
