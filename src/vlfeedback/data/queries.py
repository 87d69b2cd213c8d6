"""Which candidate pairs to label: those an ensemble is unsure of, and those that cover the space.

Paper:    Lee et al. 2021 (B-Pref), code read: reward_model.py
Recipe:   draw a pool of candidates, ten for each label wanted; let the members of an ensemble
          predict them; keep those that one of the functions here selects. B-Pref's first session,
          when no member is trained, always keeps random pairs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float64, Int64
from scipy.spatial.distance import cdist
from scipy.special import entr, logsumexp

from vlfeedback.data.sampling import SegmentPairList, sample_segment_pairs
from vlfeedback.errors import InvalidValueError
from vlfeedback.types import Trajectory

__all__ = [
    "POOL_FACTOR",
    "pair_features",
    "sample_picture_pairs",
    "select_disagreement",
    "select_entropy",
    "select_k_center",
    "select_k_center_disagreement",
    "select_k_center_entropy",
]

POOL_FACTOR = 10
"""Candidates drawn for each pair that is kept. Source: B-Pref, ``large_batch``."""

_BLOCK = 1024  # labelled pairs compared with the pool at a time


def select_disagreement(
    prefer_second: Float[np.ndarray, "K N"], n_queries: int
) -> Int64[np.ndarray, " Q"]:
    """The candidates whose preference the members differ on most.

    Args:
        prefer_second: P(second preferred) of each of K members for N candidates, in [0, 1].
        n_queries: how many to keep.

    Returns:
        Positions of the candidates with the largest standard deviation over members, that first.

    Raises:
        ValueError: fewer candidates than `n_queries`.
    """
    return _largest(prefer_second.std(axis=0, dtype=np.float64), n_queries)


def select_entropy(
    prefer_second: Float[np.ndarray, "K N"], n_queries: int, *, logits: bool = False
) -> Int64[np.ndarray, " Q"]:
    """The candidates that the members are least sure of; see `select_disagreement`.

    The score is the mean over members of the entropy of (P(first), P(second)): members that are
    sure of opposite answers score low here and high there.

    Args:
        prefer_second: as there; or logits, log P(second) - log P(first), of any size.
        n_queries: how many to keep.
        logits: `prefer_second` are logits, such as `RewardModel.member_logits` gives. Of
            probabilities nothing is left where all members are sure: beyond a logit of 37 they
            round to 1, and such candidates tie.
    """
    if logits:
        return _largest(_log_mean_entropy(prefer_second.astype(np.float64)), n_queries)
    probabilities = prefer_second.astype(np.float64)
    return _largest((entr(probabilities) + entr(1 - probabilities)).mean(axis=0), n_queries)


def select_k_center(
    features: Float[np.ndarray, "N D"],
    n_queries: int,
    *,
    labelled: Float[np.ndarray, "M D"] | None = None,
) -> Int64[np.ndarray, " Q"]:
    """Candidates that cover the space: each the farthest from all labelled and chosen before.

    With nothing labelled the first candidate is the first of the pool, which is in random order
    (our choice: B-Pref's code fails there). Of equal candidates one is chosen as long as others
    are left.

    Args:
        features: one row a candidate, such as `pair_features`; distances are Euclidean.
        n_queries: how many to keep.
        labelled: rows of pairs that have labels already.

    Raises:
        ValueError: fewer candidates than `n_queries`.
    """
    _check_pool(len(features), n_queries)
    nearest = np.full(len(features), np.inf)
    if labelled is not None:
        for start in range(0, len(labelled), _BLOCK):
            block = cdist(features, labelled[start : start + _BLOCK], "sqeuclidean")
            np.minimum(nearest, block.min(axis=1), out=nearest)
    chosen = np.zeros(n_queries, dtype=np.int64)
    for k in range(n_queries):
        chosen[k] = np.argmax(nearest)
        to_chosen = cdist(features, features[chosen[k : k + 1]], "sqeuclidean")[:, 0]
        np.minimum(nearest, to_chosen, out=nearest)
        nearest[chosen[k]] = -1  # behind copies of a chosen one, which are at 0
    return chosen


def select_k_center_disagreement(
    prefer_second: Float[np.ndarray, "K N"],
    features: Float[np.ndarray, "N D"],
    n_queries: int,
    *,
    labelled: Float[np.ndarray, "M D"] | None = None,
) -> Int64[np.ndarray, " Q"]:
    """Of the half of the pool with most disagreement, those that cover the space."""
    half = select_disagreement(prefer_second, _half(len(features), n_queries))
    return np.asarray(half[select_k_center(features[half], n_queries, labelled=labelled)])


def select_k_center_entropy(
    prefer_second: Float[np.ndarray, "K N"],
    features: Float[np.ndarray, "N D"],
    n_queries: int,
    *,
    labelled: Float[np.ndarray, "M D"] | None = None,
    logits: bool = False,
) -> Int64[np.ndarray, " Q"]:
    """Of the half of the pool with most entropy, those that cover the space.

    `logits` as in `select_entropy`.
    """
    half = select_entropy(prefer_second, _half(len(features), n_queries), logits=logits)
    return np.asarray(half[select_k_center(features[half], n_queries, labelled=labelled)])


def pair_features(pairs: SegmentPairList) -> Float64[np.ndarray, "N D"]:
    """Observations of both segments of each pair, flattened in a row; actions are left out."""
    rows = [
        np.concatenate([np.ravel(segment.read("observations")) for segment in pair])
        for pair in pairs
    ]
    return np.asarray(rows, dtype=np.float64).reshape(len(pairs), -1 if pairs else 0)


def sample_picture_pairs(
    trajectories: Sequence[Trajectory],
    n_pairs: int,
    *,
    rng: np.random.Generator,
    min_gap: int = 1,
    start_multiple: int = 1,
) -> SegmentPairList:
    """Draw pairs of single steps, as labellers of pictures compare them.

    Two steps of one trajectory are at least `min_gap` apart: pictures of almost the same moment
    have no better one. Drawn by `sample_segment_pairs`.

    Args:
        trajectories: drawn from uniformly.
        n_pairs: how many.
        rng: source of randomness.
        min_gap: steps; 0 allows a step against itself. Offline RL-VLM-F's threshold is not
            printed.
        start_multiple: steps are multiples of this; with pictures after every 7th step, 7.

    Raises:
        ShapeError: hardly any two steps are that far apart.

    Source: Offline RL-VLM-F, section V-B (dressing).
    """
    return sample_segment_pairs(
        trajectories, n_pairs, 1, rng=rng, start_multiple=start_multiple, min_gap=min_gap
    )


def _largest(score: np.ndarray, n_queries: int) -> np.ndarray:
    _check_pool(len(score), n_queries)
    return np.asarray(np.argsort(-score, kind="stable")[:n_queries])


def _log_mean_entropy(logits: Float64[np.ndarray, "K N"]) -> Float64[np.ndarray, " N"]:
    """Logarithm of the summed entropy, which orders candidates of whatever entropy."""
    size = np.abs(logits)
    rare = np.exp(-size)
    # H = log(1 + e^-a) + a e^-a / (1 + e^-a). The factor e^-a, which rounds to 0, is taken out.
    unit = np.divide(np.log1p(rare), rare, out=np.ones_like(rare), where=rare > 0)
    return np.asarray(logsumexp(np.log(unit + size / (1 + rare)) - size, axis=0))


def _half(n_candidates: int, n_queries: int) -> int:
    return max(n_candidates // 2, min(n_queries, n_candidates))


def _check_pool(n_candidates: int, n_queries: int) -> None:
    if n_queries > n_candidates:
        raise InvalidValueError(
            f"{n_queries} queries cannot be chosen from {n_candidates} candidates; draw a larger "
            f"pool, such as {POOL_FACTOR} candidates for each query."
        )
