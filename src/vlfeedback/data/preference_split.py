"""Holding out pairs by trajectory, so that no trajectory is trained on and validated with."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Int64
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from vlfeedback.arguments import check_rng
from vlfeedback.data.sampling import SegmentPairList
from vlfeedback.errors import InvalidValueError

__all__ = ["hold_out_trajectories"]

_ATTEMPTS = 16  # random cuts of which the one that loses fewest pairs is taken; our choice


def hold_out_trajectories(
    pairs: SegmentPairList, validation: float, *, rng: np.random.Generator
) -> tuple[Int64[np.ndarray, " A"], Int64[np.ndarray, " B"]]:
    """Positions of the pairs to train on, and of those to validate with.

    Trajectories stand in a row, those that pairs tie together beside each other. The row is cut
    as soon as the pairs to the left of the cut are enough: they validate, those to the right
    train, those across it do neither. Small groups come first, since taking them whole loses
    nothing.

    Raises:
        ValueError: every cut that was tried leaves one side empty; or `validation` is no share.
    """
    check_rng(rng)
    if not 0 < validation < 1:
        raise InvalidValueError(
            f"validation={validation}; expected a share of the pairs, above 0 and below 1."
        )
    ids = {
        name: n for n, name in enumerate(dict.fromkeys(s.trajectory.id for p in pairs for s in p))
    }
    ends = np.array(
        [[ids[first.trajectory.id], ids[second.trajectory.id]] for first, second in pairs],
        dtype=np.int64,
    ).reshape(-1, 2)
    n_validation = int(
        np.clip(math.floor(validation * len(pairs) + 0.5), 1, max(len(pairs) - 1, 1))
    )
    best: tuple[np.ndarray, np.ndarray] = (np.zeros(0, np.int64), np.zeros(0, np.int64))
    for _ in range(_ATTEMPTS if len(pairs) > 1 else 0):
        place = np.argsort(_row_of_trajectories(ends, len(ids), rng))
        left, right = place[ends].min(axis=1), place[ends].max(axis=1)
        cut = np.sort(right)[n_validation - 1]
        training, held_out = np.flatnonzero(left > cut), np.flatnonzero(right <= cut)
        if len(training) > len(best[0]):
            best = training, held_out
    if not len(best[0]):
        raise InvalidValueError(
            f"{len(pairs)} pairs of {len(ids)} trajectories cannot be split by trajectory: every "
            "cut that was tried leaves no pair to train on or none to validate with. Label pairs "
            "of more trajectories (each with an id of its own), or train without validation."
        )
    return best


def _row_of_trajectories(ends: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """All trajectories: groups by size, neighbours within a group near each other."""
    names = rng.permutation(n)  # the search visits neighbours in the order of their names
    pairs = _graph(names[ends], n)
    _, group = connected_components(pairs, directed=False)
    # One search through all groups: from a root that is tied to one trajectory of each.
    starts = np.unique(group, return_index=True)[1]
    ties = np.stack([np.full(len(starts), n), starts], axis=1)
    rooted_graph = _graph(np.concatenate([names[ends], ties]), n + 1)
    visited = breadth_first_order(rooted_graph, n, directed=False, return_predecessors=False)[1:]
    size = np.bincount(group) + 0.5 * rng.random(len(starts))  # equal sizes in random order
    row = visited[np.argsort(size[group[visited]], kind="stable")]
    return np.asarray(np.argsort(names)[row])


def _graph(ends: np.ndarray, n: int) -> csr_array:
    return csr_array(coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(n, n)))
