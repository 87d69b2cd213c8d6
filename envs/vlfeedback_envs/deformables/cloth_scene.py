"""What FoldClothDiagonal and FoldClothHalf share: where vertices are, and what is observed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from vlfeedback_envs.deformables.cloth_model import GRID, N_SIDE, SIDE, cloth_mjcf
from vlfeedback_envs.deformables.environment import DeformableEnv, softgym_axes
from vlfeedback_envs.deformables.pickers import Pickers

__all__ = ["ClothEnv", "cloth_pickers", "vertices_of"]

_N_VERTICES = GRID.size


class ClothEnv(DeformableEnv):
    """A square of cloth on a table and pickers.

    Args:
        task: its name in `vlfeedback.tasks`.
        n_pickers: 1 or 2.
        n_actions: entries of an action.
        key_vertices: those that the state has, of 0 to 168: row after row of the picture.
        render_mode: see `DeformableEnv`, as all others.
        obs_mode: of `DeformableEnv`.
        size: of `DeformableEnv`.
        quality: of `DeformableEnv`.
        hide_picker: of `DeformableEnv`.

    Raises:
        whatever `DeformableEnv` raises.
    """

    def __init__(
        self,
        task: str,
        *,
        n_pickers: int,
        n_actions: int,
        key_vertices: Sequence[int],
        render_mode: str | None,
        obs_mode: str,
        size: int,
        quality: str,
        hide_picker: bool,
    ) -> None:
        self._key_vertices = list(key_vertices)
        super().__init__(
            task,
            cloth_mjcf(n_pickers=n_pickers),
            n_actions=n_actions,
            render_mode=render_mode,
            obs_mode=obs_mode,
            size=size,
            quality=quality,
            hide_picker=hide_picker,
        )

    def vertices(self) -> Float64[np.ndarray, "169 3"]:
        """Where the cloth is, row after row of the picture of a cloth that lies flat, m."""
        return vertices_of(self.data)

    def state(self) -> Float32[np.ndarray, " D"]:
        """The key vertices, then the pickers, m."""
        places = np.concatenate([self.vertices()[self._key_vertices], self.data.mocap_pos])
        return softgym_axes(places).reshape(-1)

    def point_cloud(self) -> Float32[np.ndarray, "P 5"]:
        """All vertices and the pickers, m, and one-hot {cloth, picker}."""
        pickers = self.data.mocap_pos
        places = softgym_axes(np.concatenate([self.vertices(), pickers]))
        counts = [_N_VERTICES, len(pickers)]
        things = np.repeat(np.eye(2, dtype=np.float32), counts, axis=0)
        return np.concatenate([places, things], axis=1)


def vertices_of(data: Any) -> Float64[np.ndarray, "169 3"]:
    """Where vertices are in MuJoCo's data of this model, in the order of `ClothEnv.vertices`, m."""
    return np.asarray(data.flexvert_xpos[GRID.ravel()])


def cloth_pickers(
    model: Any, data: Any, *, reach: float, room: tuple[float, float, float], lowest: float
) -> Pickers:
    """Pickers of vertices, in the order of `ClothEnv.vertices`.

    Args:
        model: of MuJoCo.
        data: of the model.
        reach: how near a vertex must be to be held, m.
        room: how far from the middle pickers go in x and y, and how high, m.
        lowest: how low they go, m.
    """
    rows, columns = np.divmod(np.arange(_N_VERTICES), N_SIDE)
    gap = SIDE / (N_SIDE - 1)
    return Pickers(
        model,
        data,
        bodies=model.body("cloth_0").id + GRID.ravel(),
        anchors=np.zeros((_N_VERTICES, 3)),
        apart=gap * np.hypot(np.subtract.outer(rows, rows), np.subtract.outer(columns, columns)),
        reach=reach,
        low=np.array([-room[0], -room[1], lowest]),
        high=np.array(room),
    )
