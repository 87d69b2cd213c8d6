"""State entropy as a reward: how far a state is from those seen before.

Paper:    Lee et al. 2021, "PEBBLE", section 4.1; code read: rll-research/BPref, agent/sac.py
Computes: r(s) = ||s - s_k|| / deviation, s_k the k-th nearest of all states in the buffer
Differs:  B-Pref's running mean adds a share where it should multiply by it, which distorts its
          deviation; here it is the deviation of all distances so far
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["StateEntropy", "kth_distance"]


def kth_distance(
    states: Float[Tensor, "B D"], seen: Float[Tensor, "N D"], k: int
) -> Float[Tensor, " B"]:
    """Euclidean distance of each state to its k-th nearest among those seen.

    A state that is among them does not count as its own neighbour: it is the nearest of all, so
    that the (k + 1)-th is taken, or the farthest where there are fewer.
    """
    # One matrix product; of single precision, which is enough to rank neighbours.
    squares = states.square().sum(dim=1, keepdim=True) + seen.square().sum(dim=1)
    squared = torch.addmm(squares, states, seen.T, alpha=-2.0)
    nearest = squared.topk(min(k + 1, len(seen)), dim=1, largest=False).values[:, -1]
    return nearest.clamp(min=0.0).sqrt()


class StateEntropy:
    """Distances to neighbours, divided by their deviation over all that were asked for.

    Args:
        k: which neighbour.
    """

    def __init__(self, k: int) -> None:
        self._k = k
        self.count, self.mean, self.squares = 0.0, 0.0, 0.0

    @property
    def deviation(self) -> float:
        """Of all distances so far; 1 before there are two."""
        return math.sqrt(self.squares / self.count) if self.count > 1 and self.squares > 0 else 1.0

    def reward(
        self, states: Float[Tensor, "B D"], seen: Float[Tensor, "N D"]
    ) -> Float[Tensor, " B"]:
        """Rewards of these states; they count for the deviation first."""
        distance = kth_distance(states, seen, self._k)
        self._count(distance)
        return distance / self.deviation

    def _count(self, distance: Tensor) -> None:
        """Merge the moments of a batch into those before it (Chan et al. 1983)."""
        n, mean = float(len(distance)), float(distance.mean())
        gap, total = mean - self.mean, self.count + n
        self.squares += float((distance - mean).square().sum()) + gap**2 * self.count * n / total
        self.mean += gap * n / total
        self.count = total
