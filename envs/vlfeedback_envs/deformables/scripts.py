"""Scripts that do the tasks of ropes and cloth, from the states of their environments."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32

from vlfeedback_envs.deformables.rope import STRIDE as ROPE_STRIDE
from vlfeedback_envs.deformables.rope_model import CONTOUR
from vlfeedback_envs.deformables.sleeve import STRIDE as SLEEVE_STRIDE
from vlfeedback_envs.deformables.sleeve_model import SLEEVE_RADIUS

__all__ = ["pull_straight", "pull_up_the_arm"]

_AHEAD = 0.05  # m along the arm
_LIFT = 0.03  # m that the gripper is above where a round sleeve would have it: cloth sags


def pull_straight(state: Float[np.ndarray, "36"]) -> Float32[np.ndarray, "8"]:
    """Move the ends apart along the line between them, to either side of the table's middle.

    Args:
        state: of `StraightenRope`.
    """
    nodes = state[:30].reshape(10, 3)
    ends = nodes[[0, -1]]
    apart = ends[1] - ends[0]
    apart[1] = 0.0  # height
    half = apart / max(float(np.linalg.norm(apart)), 1e-9) * (CONTOUR / 2)
    moves = (np.stack([-half, half]) - ends) / ROPE_STRIDE
    moves[:, 1] = 0.0
    flags = np.ones((2, 1))
    return np.concatenate([np.clip(moves, -1, 1), flags], axis=1).reshape(-1).astype(np.float32)


def pull_up_the_arm(state: Float[np.ndarray, "19"]) -> Float32[np.ndarray, "3"]:
    """Follow the bones from hand to shoulder, the gripper above them by about the sleeve's radius.

    Args:
        state: of `DressSleeve`.
    """
    gripper, arm = state[:3], state[3:12].reshape(3, 3)
    middle = gripper - [0.0, 0.0, SLEEVE_RADIUS - _LIFT]
    bones = np.diff(arm, axis=0)
    lengths = np.linalg.norm(bones, axis=1)
    shares = np.einsum("ij,ij->i", middle - arm[:-1], bones) / lengths**2
    nearest = arm[:-1] + np.clip(shares, 0, 1)[:, None] * bones
    bone = int(np.argmin(np.linalg.norm(nearest - middle, axis=1)))
    along = float(np.clip(shares[bone], 0, 1) * lengths[bone] + bone * lengths[0]) + _AHEAD
    if along < lengths[0]:
        target = arm[0] + bones[0] * (along / lengths[0])
    else:
        target = arm[1] + bones[1] * min(1.0, (along - lengths[0]) / lengths[1])
    return np.asarray(np.clip((target - middle) / SLEEVE_STRIDE, -1, 1), dtype=np.float32)
