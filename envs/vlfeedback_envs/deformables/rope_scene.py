"""What StraightenRope and StraightenRopeFree share: how the rope lies, and what is observed."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64

from vlfeedback_envs.deformables.environment import DeformableEnv, softgym_axes
from vlfeedback_envs.deformables.rope_model import START_HEIGHT, rope_mjcf
from vlfeedback_envs.deformables.rope_starts import draw_rope

__all__ = ["KEY_NODES", "STRAIGHT", "RopeEnv"]

STRAIGHT = 0.5
"""Rest length of SoftGym's rope, m: it counts as straight once its ends are so far apart."""

KEY_NODES = (0, 2, 4, 6, 8, 10, 12, 14, 16, 20)
"""Nodes that are observed; as in SoftGym, the last gap is twice the others."""


class RopeEnv(DeformableEnv):
    """A rope on a table and two pickers.

    Args:
        task: its name in `vlfeedback.tasks`.
        held: whether the pickers hold the rope's ends all the time.
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
        held: bool,
        render_mode: str | None,
        obs_mode: str,
        size: int,
        quality: str,
        hide_picker: bool,
    ) -> None:
        super().__init__(
            task,
            rope_mjcf(held=held),
            n_actions=8,
            render_mode=render_mode,
            obs_mode=obs_mode,
            size=size,
            quality=quality,
            hide_picker=hide_picker,
        )

    def lay_down(self) -> Float64[np.ndarray, "21 2"]:
        """Lay the rope down, and say where its nodes are; see `draw_rope`."""
        nodes, headings = draw_rope(self.np_random)
        half = headings[0] / 2
        self.data.qpos[:3] = [*nodes[0], START_HEIGHT]
        self.data.qpos[3:7] = [np.cos(half), 0.0, 0.0, np.sin(half)]
        self.data.qpos[7::2] = np.diff(headings)  # yaw; pitch is every other one
        return nodes

    def nodes(self) -> Float64[np.ndarray, "21 3"]:
        """Where the rope is; its nodes are the first sites but two, which are the pickers'."""
        nodes: Float64[np.ndarray, "21 3"] = self.data.site_xpos[2:]
        return nodes

    def state(self) -> Float32[np.ndarray, "36"]:
        """Ten nodes of the rope from end to end, then the two pickers, m."""
        places = np.concatenate([self.nodes()[list(KEY_NODES)], self.data.mocap_pos])
        return softgym_axes(places).reshape(-1)

    def point_cloud(self) -> Float32[np.ndarray, "23 5"]:
        """All nodes and the pickers, m, and one-hot {rope, picker}."""
        nodes = self.nodes()
        places = softgym_axes(np.concatenate([nodes, self.data.mocap_pos]))
        things = np.repeat(np.eye(2, dtype=np.float32), [len(nodes), 2], axis=0)
        return np.concatenate([places, things], axis=1)
