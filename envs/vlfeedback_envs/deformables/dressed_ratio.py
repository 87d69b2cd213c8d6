"""How far a sleeve is on an arm: the metric of the dressing study in Offline RL-VLM-F."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

__all__ = ["BEYOND", "dressed_ratio"]

BEYOND = 0.3
"""How far past the shoulder the arm's line goes on, m: an opening there is all the way up."""


def dressed_ratio(
    opening: Float[np.ndarray, "V 3"], arm: Float[np.ndarray, "3 3"], *, beyond: float = BEYOND
) -> float:
    """The share of the arm, measured along its bones from the hand, that is inside the sleeve.

    It is where the arm's centre line passes through the sleeve's leading opening, which is
    closed here by triangles from the centre of its rim to each of its edges. Where it passes
    through it several times, the farthest counts; 0 where it does not.

    Args:
        opening: vertices of the rim in their order around it, m.
        arm: hand, elbow and shoulder, m.
        beyond: the line goes on past the shoulder by so much, m, and what passes there counts as 1.

    Returns:
        In [0, 1].

    Source: Offline RL-VLM-F, section V-B: dressed distance over the length of the arm.

    >>> square = np.array([[0.3, 1, 1], [0.3, -1, 1], [0.3, -1, -1], [0.3, 1, -1]])
    >>> round(dressed_ratio(square, np.array([[0.0, 0, 0], [0.5, 0, 0], [1.0, 0, 0]])), 6)
    0.3
    """
    bones = np.diff(arm, axis=0)
    lengths = np.linalg.norm(bones, axis=1)
    centre = opening.mean(axis=0)
    first, second = opening - centre, np.roll(opening, -1, axis=0) - centre
    best, before = 0.0, 0.0
    for joint, bone, length, further in zip(arm, bones, lengths, (0.0, beyond), strict=False):
        along = _crossings(joint - centre, bone / length, first, second)
        along = along[(along >= 0) & (along <= length + further)]
        if len(along):
            best = max(best, before + min(float(along.max()), length))
        before += length
    return float(best / lengths.sum())


def _crossings(
    start: Float[np.ndarray, "3"],
    direction: Float[np.ndarray, "3"],
    first: Float[np.ndarray, "V 3"],
    second: Float[np.ndarray, "V 3"],
) -> Float[np.ndarray, " crossings"]:
    """Distances along a line at which it crosses triangles (0, first, second).

    Source: Moeller and Trumbore 1997.
    """
    normal = np.cross(direction, second)
    determinant = np.einsum("ij,ij->i", first, normal)
    crosses = np.abs(determinant) > 1e-12  # else the line lies in the triangle's plane
    scale = 1 / np.where(crosses, determinant, 1.0)
    u = scale * (normal @ start)
    across = np.cross(start, first)
    v = scale * (across @ direction)
    inside = crosses & (u >= 0) & (v >= 0) & (u + v <= 1)
    along = scale * np.einsum("ij,ij->i", second, across)
    return np.asarray(along[inside])
