"""Sampling of segments, and of pairs of segments to compare, from trajectories."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64

from vlfeedback.arguments import check_rng
from vlfeedback.errors import ShapeError
from vlfeedback.optional import require
from vlfeedback.types import Segment, SegmentBatch, SegmentPairs, SourceNeeds, Trajectory

__all__ = [
    "SegmentPairList",
    "cluster_trajectories",
    "gather_pairs",
    "sample_clustered_pairs",
    "sample_segment_pairs",
    "sample_segments",
]

SegmentPairList = list[tuple[Segment, Segment]]

_ROUNDS = 1000  # times that pairs too near in time are drawn again


def sample_segments(
    trajectories: Sequence[Trajectory],
    n_segments: int,
    length: int,
    *,
    rng: np.random.Generator,
    start_multiple: int = 1,
) -> list[Segment]:
    """Draw segments: a trajectory uniformly, then a start uniformly among those that fit.

    Args:
        trajectories: those shorter than `length` are never drawn.
        n_segments: how many, drawn with replacement.
        length: steps of each.
        rng: source of randomness.
        start_multiple: starts are multiples of this; with pictures after every 7th step, 7.

    Raises:
        ShapeError: no trajectory is long enough.
        TypeError: `rng` is no generator.
    """
    check_rng(rng)
    long_enough = [t for t in trajectories if len(t) >= length]
    if not long_enough:
        longest = max((len(t) for t in trajectories), default=0)
        raise ShapeError(
            f"Segments of {length} steps do not fit into any of {len(trajectories)} trajectories "
            f"(the longest has {longest} steps); ask for shorter segments."
        )
    segments = []
    for index in rng.integers(len(long_enough), size=n_segments):
        trajectory = long_enough[index]
        n_starts = (len(trajectory) - length) // start_multiple + 1
        segments.append(trajectory.segment(int(rng.integers(n_starts)) * start_multiple, length))
    return segments


def sample_segment_pairs(
    trajectories: Sequence[Trajectory],
    n_pairs: int,
    length: int,
    *,
    rng: np.random.Generator,
    start_multiple: int = 1,
    min_gap: int = 0,
) -> SegmentPairList:
    """Draw pairs of segments uniformly from all trajectories; see `sample_segments`.

    Args:
        trajectories: as there, and so are `n_pairs`, twice as many segments, and all others.
        n_pairs: how many.
        length: steps of each segment.
        rng: source of randomness.
        start_multiple: of where segments start.
        min_gap: segments of one trajectory start at least so many steps apart, or are drawn again:
            of almost the same moment nobody can say which is better.

    Raises:
        ShapeError: no trajectory is long enough, or hardly any two segments are that far apart.
        TypeError: `rng` is no generator.

    Source: the gap is Offline RL-VLM-F's, section V-B; how many steps it has is not printed there.
    """
    pairs: SegmentPairList = []
    for _ in range(_ROUNDS):
        n_left = n_pairs - len(pairs)
        segments = sample_segments(
            trajectories, 2 * n_left, length, rng=rng, start_multiple=start_multiple
        )
        candidates = zip(segments[:n_left], segments[n_left:], strict=True)
        pairs += [pair for pair in candidates if _is_far_apart(*pair, min_gap)]
        if len(pairs) == n_pairs:
            return pairs
    raise ShapeError(
        f"After {_ROUNDS} rounds only {len(pairs)} of {n_pairs} pairs are {min_gap} steps apart; "
        f"the {len(trajectories)} trajectories have at most {max(map(len, trajectories))} steps. "
        "Lower min_gap, or give more trajectories."
    )


def _is_far_apart(first: Segment, second: Segment, min_gap: int) -> bool:
    return first.trajectory is not second.trajectory or abs(first.start - second.start) >= min_gap


def sample_clustered_pairs(
    trajectories: Sequence[Trajectory],
    n_pairs: int,
    length: int,
    *,
    rng: np.random.Generator,
    start_multiple: int = 1,
) -> SegmentPairList:
    """Draw each pair's first segment from one K-means cluster, its second from the other.

    Source: VLP paper, appendix A.2 (after PEARL); features are our choice, see
    `cluster_trajectories`.
    """
    check_rng(rng)
    cluster = cluster_trajectories(trajectories, seed=int(rng.integers(2**31)))
    first, second = (
        sample_segments(
            [t for t, c in zip(trajectories, cluster, strict=True) if c == k],
            n_pairs,
            length,
            rng=rng,
            start_multiple=start_multiple,
        )
        for k in (0, 1)
    )
    return list(zip(first, second, strict=True))


def cluster_trajectories(
    trajectories: Sequence[Trajectory], *, seed: int
) -> Int64[np.ndarray, " N"]:
    """Split trajectories into two sets with K-means; 0 or 1 for each.

    Features (our choice, the paper names none): mean and standard deviation over time of every
    observation entry, standardised; k-means++ with ten restarts.

    Raises:
        MissingExtraError: scikit-learn is not installed. (SciPy's K-means, restarted as often, ends
            in another partition for every fifth seed, and numbers the clusters otherwise.)
    """
    cluster = require("sklearn.cluster", extra="offline", needed_by="Drawing clustered pairs")
    states = [t.observations.reshape(len(t.observations), -1) for t in trajectories]
    features: Float64[np.ndarray, "N D"] = np.stack(
        [np.r_[entries.mean(axis=0), entries.std(axis=0)] for entries in states]
    ).astype(np.float64)
    spread = features.std(axis=0)
    features = (features - features.mean(axis=0)) / np.where(spread > 1e-8, spread, 1.0)
    model = cluster.KMeans(n_clusters=2, n_init=10, random_state=seed)
    return np.asarray(model.fit_predict(features), dtype=np.int64)


def gather_pairs(
    pairs: SegmentPairList, instruction: str | Sequence[str] | None, *, needs: SourceNeeds
) -> SegmentPairs:
    """Read what a source needs of these pairs, under one instruction, one for each, or none."""
    texts = [instruction] * len(pairs) if isinstance(instruction, str) else instruction
    first, second = zip(*pairs, strict=True)
    return SegmentPairs(
        first=SegmentBatch.from_segments(first, texts, needs=needs),
        second=SegmentBatch.from_segments(second, texts, needs=needs),
    )
