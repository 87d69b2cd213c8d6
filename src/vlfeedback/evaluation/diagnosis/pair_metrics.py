"""Figures of pairs of segments: how often the right one scores higher, by pairing."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int64

from vlfeedback.data.correlation import spearman
from vlfeedback.errors import NeedsError
from vlfeedback.evaluation.diagnosis.inputs import DiagnosisInputs
from vlfeedback.evaluation.diagnosis.metrics import MetricValue, NotApplicable
from vlfeedback.evaluation.labels.answers import PairAnswers, ask_sources
from vlfeedback.evaluation.resampling import (
    Bootstrap,
    estimate_mean,
    estimate_statistic,
)
from vlfeedback.evaluation.statistics import Estimate
from vlfeedback.scoring.segments import CachedSegmentScorer
from vlfeedback.types import SourceNeeds

__all__ = ["PairMetrics", "pair_metrics"]

# Pairs of experts alone have no figure: they are few, and no verdict depends on them.
_NAMES = {
    "random": "random_pairs",
    "clustered": "clustered_pairs",
    "reversed": "reversed_clips",
    "instruction": "right_instruction",
}


@dataclass(frozen=True, slots=True)
class PairMetrics:
    """Figures of one pairing."""

    metrics: dict[str, MetricValue] = field(default_factory=dict)  # by the names of `METRICS`
    prior: float | None = None  # always the same side would be right, 0 to 1; of returns alone


def pair_metrics(
    scorer: CachedSegmentScorer,
    pairing: str,
    inputs: DiagnosisInputs,
    bootstrap: Bootstrap,
    rng: np.random.Generator,
) -> PairMetrics:
    """Score the pairs of one pairing.

    Args:
        scorer: of the source.
        pairing: one of `inputs.pairings`.
        inputs: has the pairs.
        bootstrap: draws episodes.
        rng: draws wrong instructions anew, beside the episodes.
    """
    name = _NAMES.get(pairing)
    if name is None:
        return PairMetrics()
    reason = _why_not_applicable(pairing, scorer.needs)
    if reason:
        return PairMetrics({name: NotApplicable(reason)})
    pairs = inputs.pairings[pairing]
    scores = ask_sources(pairs, {"source": scorer})
    first = [shown.segment.trajectory for shown in pairs.first]
    second = [shown.segment.trajectory for shown in pairs.second]
    if pairing == "instruction":
        sides = zip(pairs.first, pairs.second, strict=True)
        right = inputs.instruction
        wrong = [next(c.instruction for c in side if c.instruction != right) for side in sides]
        texts = Bootstrap(dict.fromkeys(wrong, ""), rng=rng)
        weights = bootstrap.weights(first) * texts.weights(wrong)
    else:
        weights = bootstrap.pair_weights(first, second)[:, scores.ordered]
    metrics: dict[str, MetricValue] = {name: estimate_mean(scores.right("source"), weights)}
    prior = None
    if scores.returns is not None:
        prior = float(scores.right("prior").mean()) if scores.ordered.any() else float("nan")
    if pairing == "random":
        metrics["return_correlation"] = _with_returns(scores, bootstrap.weights([*first, *second]))
    return PairMetrics(metrics, prior)


def _why_not_applicable(pairing: str, needs: SourceNeeds) -> str:
    if pairing == "reversed" and not needs.frames:
        return "It reads no pictures."
    if pairing == "reversed" and needs.granularity == "step":
        return "It scores single pictures, whose sum is the same in either order."
    if pairing == "instruction" and not needs.instruction:
        return "It reads no instruction."
    return ""


def _with_returns(scores: PairAnswers, weights: Int64[np.ndarray, "B M"]) -> Estimate:
    if scores.returns is None:
        raise NeedsError("Random pairs have no returns; rank them with rank_by_return.")
    sums, returns = scores.scores["source"].T.ravel(), scores.returns.T.ravel()
    return estimate_statistic(lambda k: spearman(sums[k], returns[k], if_constant=0.0), weights)
