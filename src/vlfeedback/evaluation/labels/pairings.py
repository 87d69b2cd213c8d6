"""Accuracy and correlation of labels on five pairings of one task's clips, for many sources.

Paper:    Liu et al. 2025, VLP, Table 15 (accuracy) and Table 5 (correlation), on K-means pairs
Beyond:   pairings that a trivial rule does not solve: random, expert, reversed, instruction; and
          beside every source what needs no model: always the same side, picture energy, its
          opposite, chance
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from vlfeedback.data.pairings import (
    RankedPairs,
    pair_with_reversed,
    pair_with_wrong_instructions,
    rank_by_return,
    sample_advancing_segments,
    sample_expert_pairs,
    sample_expert_segments,
)
from vlfeedback.data.sampling import sample_clustered_pairs, sample_segment_pairs
from vlfeedback.errors import NeedsError
from vlfeedback.scoring.segments import SegmentScorer
from vlfeedback.tasks import METAWORLD_TASKS, TASKS, get_task
from vlfeedback.types import Trajectory

__all__ = [
    "PAIRINGS",
    "PairScores",
    "describe_pairing",
    "draw_pairings",
    "picture_stride",
    "score_pairs",
]

PAIRINGS = ("clustered", "random", "expert", "reversed", "instruction")
"""Clustered: one segment of each K-means cluster (the paper's). Random: any two segments.
Expert: two segments of expert episodes. Reversed: an expert segment that nears success against
its own time reversal. Instruction: an expert segment under its own instruction against itself
under another task's. The first three are labelled by the sum of the environment's reward."""


def draw_pairings(
    trajectories: Sequence[Trajectory], task: str, *, n_pairs: int, length: int = 50, seed: int
) -> dict[str, RankedPairs]:
    """Draw every pairing from the clips of one task; one the clips cannot give is left out.

    Args:
        trajectories: of this task alone, with rewards of their own.
        task: name of a task; its instruction is the right one.
        n_pairs: of each pairing (VLP paper: 100).
        length: steps of a segment (VLP paper, Table 8: 50).
        seed: each pairing draws from a stream of its own.

    Raises:
        UnknownNameError: there is no such task.
        ShapeError: no trajectory is long enough.
    """
    spec = get_task(task)
    stride = picture_stride(trajectories)

    def pose(pairing: str) -> RankedPairs:
        stream = [seed, PAIRINGS.index(pairing), list(TASKS).index(spec.name)]
        rng = np.random.default_rng(stream)
        draw: Any = {
            "clustered": sample_clustered_pairs,
            "random": sample_segment_pairs,
            "expert": sample_expert_pairs,
            "reversed": sample_advancing_segments,
            "instruction": sample_expert_segments,
        }[pairing]
        drawn = draw(trajectories, n_pairs, length, rng=rng, start_multiple=stride)
        if pairing == "reversed":
            return pair_with_reversed(drawn, spec.instruction, rng=rng)
        if pairing == "instruction":
            wrong = [TASKS[name].instruction for name in METAWORLD_TASKS if name != spec.name]
            return pair_with_wrong_instructions(drawn, spec.instruction, wrong, rng=rng)
        return rank_by_return(drawn, spec.instruction)

    posed = {}
    for pairing in PAIRINGS:
        try:
            posed[pairing] = pose(pairing)
        except NeedsError:
            if pairing in ("clustered", "random"):
                raise
    return posed


def picture_stride(trajectories: Sequence[Trajectory]) -> int:
    """Steps from one picture to the next, 1 where there are none; segments begin at multiples."""
    frames = trajectories[0].frames
    apart = [] if frames is None else np.diff(frames.times[1:3]).tolist()
    return int(apart[0]) if apart else 1


@dataclass(frozen=True, slots=True, eq=False)
class PairScores:
    """What several sources said of the same pairs, and the truth."""

    prefer_second: Float32[np.ndarray, " N"]  # the truth
    returns: Float64[np.ndarray, "N 2"] | None
    scores: dict[str, Float64[np.ndarray, "N 2"]]  # by source: first, second

    @property
    def ordered(self) -> np.ndarray:
        """Which pairs have a true order: bool (N,)."""
        return np.asarray(self.prefer_second != 0.5)

    @property
    def return_gap(self) -> Float64[np.ndarray, " n"]:
        """|return of the second - return of the first| of each pair with a true order.

        Raises:
            NeedsError: returns do not decide this pairing.
        """
        if self.returns is None:
            raise NeedsError("This pairing is not ordered by returns, so it has no gaps of them.")
        return np.asarray(np.abs(self.returns[self.ordered, 1] - self.returns[self.ordered, 0]))

    def gap(self, source: str) -> Float64[np.ndarray, " N"]:
        """Score of the second minus score of the first."""
        gap: Float64[np.ndarray, " N"] = self.scores[source][:, 1] - self.scores[source][:, 0]
        return gap

    def labels(self, source: str) -> Float64[np.ndarray, " N"]:
        """0 first, 1 second, 0.5 where both score the same."""
        return np.asarray(0.5 + 0.5 * np.sign(self.gap(source)))

    def right(self, source: str) -> Float64[np.ndarray, " n"]:
        """For each pair with a true order: 1 right, 0 wrong, 0.5 a tie, as guessing would be.

        The source ``"prior"`` always prefers the same side: the one that is right more often.
        """
        truth = self.prefer_second[self.ordered].astype(np.float64)
        if source == "prior":
            side = float(truth.mean() >= 0.5) if len(truth) else 1.0
            return np.asarray(truth == side, dtype=np.float64)
        return np.asarray(1.0 - np.abs(self.labels(source)[self.ordered] - truth))


def score_pairs(pairs: RankedPairs, scorers: Mapping[str, SegmentScorer]) -> PairScores:
    """Score both clips of every pair with every source.

    A source called ``"picture-energy"`` brings its opposite with it, ``"still"``: the clip whose
    first and last picture differ less is preferred.
    """
    scores = {}
    for name, scorer in scorers.items():
        both = scorer.scores([*pairs.first, *pairs.second])
        scores[name] = both.reshape(2, len(pairs)).T
        if name == "picture-energy":
            scores["still"] = -scores[name]
    return PairScores(pairs.prefer_second, pairs.returns, scores)


def describe_pairing(judged: PairScores) -> dict[str, Any]:
    """All figures of one pairing of one task, by source; NaN where one is not defined.

    Returns:
        ``pairs``; ``scripted_ties``, the share of pairs without a true order, which count
        nowhere else; and by source ``accuracy`` (with the prior), ``ties`` (share of the
        source's labels that are 0.5), ``label_pearson`` and ``label_spearman`` (labels with true
        labels, pairs as they stand; Table 5's VLP column), ``label_pearson_both_orders`` (each
        pair also turned round, so that it is defined where one side is always right), and
        ``score_pearson`` and ``score_spearman`` (scores of clips with their returns; Table 5's
        other columns do so for single steps).

    Source: VLP paper, Tables 5 and 15. Table 5 names no kind of coefficient.
    """
    truth = judged.prefer_second[judged.ordered].astype(np.float64)
    figures: dict[str, Any] = {
        "pairs": len(judged.prefer_second),
        "scripted_ties": 1.0 - float(judged.ordered.mean()),
        "accuracy": {name: _mean(judged.right(name)) for name in [*judged.scores, "prior"]},
    }
    for name in judged.scores:
        labels = judged.labels(name)
        given = labels[judged.ordered]
        row = {
            "ties": float(np.mean(labels == 0.5)),
            "label_pearson": pearson(given, truth),
            "label_spearman": spearman(given, truth),
            "label_pearson_both_orders": pearson(np.r_[given, 1 - given], np.r_[truth, 1 - truth]),
        }
        if judged.returns is not None:
            scores, returns = judged.scores[name].ravel(), judged.returns.ravel()
            row["score_pearson"] = pearson(scores, returns)
            row["score_spearman"] = spearman(scores, returns)
        for figure, value in row.items():
            figures.setdefault(figure, {})[name] = value
    return figures


def pearson(x: Float64[np.ndarray, " N"], y: Float64[np.ndarray, " N"]) -> float:
    """Correlation in [-1, 1]; NaN where one of them is constant."""
    x, y = x - x.mean() if len(x) else x, y - y.mean() if len(y) else y
    spread = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / spread if spread > 1e-12 else float("nan")


def spearman(x: Float64[np.ndarray, " N"], y: Float64[np.ndarray, " N"]) -> float:
    """Correlation of ranks; equal values share their mean rank."""
    from scipy.stats import rankdata

    return pearson(rankdata(x), rankdata(y))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
