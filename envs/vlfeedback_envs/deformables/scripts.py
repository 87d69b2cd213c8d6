"""Scripts that do the tasks of ropes and cloth, from the states of their environments."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float32

from vlfeedback_envs.deformables.cloth_model import SIDE
from vlfeedback_envs.deformables.fold_diagonal import LARGEST
from vlfeedback_envs.deformables.pickers import STRIDE as PICKER_STRIDE
from vlfeedback_envs.deformables.rope import STRIDE as ROPE_STRIDE
from vlfeedback_envs.deformables.rope_model import CONTOUR
from vlfeedback_envs.deformables.rope_scene import STRAIGHT
from vlfeedback_envs.deformables.sleeve import STRIDE as SLEEVE_STRIDE
from vlfeedback_envs.deformables.sleeve_model import SLEEVE_RADIUS

__all__ = [
    "fold_diagonally",
    "fold_in_half",
    "grasp_and_pull",
    "pull_straight",
    "pull_up_the_arm",
]

_AHEAD = 0.05  # m along the arm
_LIFT = 0.03  # m that the gripper is above where a round sleeve would have it: cloth sags
_AT_NODE, _AT_VERTEX = 0.045, 0.03  # m from a picker to what it is to hold, or holds
_PULL = 0.3  # largest action in pulling a rope: a fast picker leaves its end behind
_TURN = np.pi / 7.5  # rad, of the half circle of a fold, in a step
_ARC, _PILE = 0.1, 0.012  # m, heights of its top and of its end
_ON_TARGET = 0.02  # m


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


def grasp_and_pull(state: Float[np.ndarray, "36"]) -> Float32[np.ndarray, "8"]:
    """Go to the ends, hold them, and move them apart to either side of the table's middle.

    Args:
        state: of `StraightenRopeFree`.
    """
    places = state.reshape(12, 3)
    ends, pickers = places[[0, 9]], places[10:]
    crossed = np.linalg.norm(ends[::-1] - pickers) < np.linalg.norm(ends - pickers)
    ends = ends[::-1] if crossed else ends
    away = np.linalg.norm(ends - pickers, axis=1)
    holds = away < _AT_NODE
    moves = ends - pickers
    if holds.all():
        apart = (ends[1] - ends[0]) * [1.0, 0.0, 1.0]
        half = apart / max(float(np.linalg.norm(apart)), 1e-9) * (STRAIGHT / 2)
        moves = (np.stack([-half, half]) - ends) * [1.0, 0.0, 1.0]
        moves = np.clip(moves, -_PULL * PICKER_STRIDE, _PULL * PICKER_STRIDE)
    return _picker_actions(moves, holds)


def fold_diagonally(state: Float[np.ndarray, "111"]) -> Float32[np.ndarray, "2"]:
    """Put the corner on its opposite.

    Args:
        state: of `FoldClothDiagonal`.
    """
    opposite = state[105:108]
    return np.asarray(opposite[[0, 2]] / LARGEST, dtype=np.float32)


def fold_in_half(state: Float[np.ndarray, "18"]) -> Float32[np.ndarray, "8"]:
    """Take the left corners over to the right ones in half a circle, and let them go there.

    Args:
        state: of `FoldClothHalf`.
    """
    far_left, near_left, far_right, near_right, *pickers = state.reshape(6, 3)
    corners, targets = np.stack([near_left, far_left]), np.stack([near_right, far_right])
    across = near_right - far_right
    right = np.array([across[2], 0.0, -across[0]]) / max(float(np.linalg.norm(across)), 1e-9)
    done = np.linalg.norm(corners - targets, axis=1) < _ON_TARGET
    holds = (np.linalg.norm(corners - pickers, axis=1) < _AT_VERTEX) & ~done
    moves = corners - pickers
    if (holds | done).all():
        share = np.clip(1 + (corners - targets) @ right / SIDE, 0.0, 1.0)
        angle = np.minimum(np.arccos(1 - 2 * share) + _TURN, np.pi)
        places = targets + right * SIDE * (-(1 + np.cos(angle)) / 2)[:, None]
        places[:, 1] = _ARC * np.sin(angle) + _PILE * angle / np.pi
        moves = places - corners
    moves[done] = [0.0, PICKER_STRIDE, 0.0]
    return _picker_actions(moves, holds)


def _picker_actions(
    moves: Float[np.ndarray, "2 3"], holds: Bool[np.ndarray, "2"]
) -> Float32[np.ndarray, "8"]:
    """An action that moves two pickers so far, m, with the flags."""
    flags = np.where(holds, 1.0, -1.0)[:, None]
    shares = np.clip(moves / PICKER_STRIDE, -1, 1)
    return np.concatenate([shares, flags], axis=1).reshape(-1).astype(np.float32)
