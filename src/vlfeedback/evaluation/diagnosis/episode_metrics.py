"""Figures of whole episodes: success above failure, experts above random, order along experts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32, Int64

from vlfeedback.data.correlation import spearman
from vlfeedback.evaluation.diagnosis.episode_curves import until_success
from vlfeedback.evaluation.diagnosis.episode_scores import episode_score, steps_to_score
from vlfeedback.evaluation.diagnosis.metrics import MetricValue, NotApplicable
from vlfeedback.evaluation.resampling import Bootstrap, estimate_mean
from vlfeedback.evaluation.statistics import Estimate
from vlfeedback.scoring.paced import PacedSource
from vlfeedback.types import Trajectory

__all__ = ["episode_metrics"]


def episode_metrics(
    paced_source: PacedSource,
    along: Mapping[Trajectory, Float32[np.ndarray, " E"]],
    bootstrap: Bootstrap,
) -> dict[str, MetricValue]:
    """``success_auc``, ``expert_over_random`` and ``value_order``, see `METRICS`.

    Args:
        paced_source: gave the scores.
        along: each episode's scores, see `scores_of_episode`.
        bootstrap: draws episodes.
    """
    scores = {t: episode_score(paced_source, t, row) for t, row in along.items()}
    experts = [t for t in scores if t.level == "expert"]
    random = [t for t in scores if t.level == "random"]
    succeeded = [t for t in scores if t.first_success is not None]
    failed = [t for t in scores if t.first_success is None]
    orders = [
        spearman(row[before].astype(np.float64), steps[before].astype(np.float64), if_constant=0.0)
        for t in experts
        for row, steps in [(along[t], steps_to_score(t, paced_source))]
        for before in [until_success(t, steps)]
    ]
    auc: MetricValue = NotApplicable(
        f"{len(succeeded)} of {len(scores)} episodes succeed, so there is nothing to tell apart."
    )
    if succeeded and failed and all(t.successes is not None for t in scores):
        auc = _separation(scores, succeeded, failed, bootstrap)
    return {
        "success_auc": auc,
        "expert_over_random": _separation(scores, experts, random, bootstrap),
        "value_order": _mean_where_defined(orders, bootstrap.weights(experts)),
    }


def _mean_where_defined(orders: list[float], weights: Int64[np.ndarray, "B N"]) -> Estimate:
    """An expert that succeeds at once has no order of scores."""
    values = np.array(orders, dtype=np.float64)
    defined = ~np.isnan(values)
    return estimate_mean(values[defined], weights[:, defined])


def _separation(
    scores: Mapping[Trajectory, float],
    better: list[Trajectory],
    worse: list[Trajectory],
    bootstrap: Bootstrap,
) -> Estimate:
    """Share of pairs of a better and a worse episode in which the better is paid more."""
    pairs = [(b, w) for b in better for w in worse]
    above = np.array([0.5 + 0.5 * np.sign(scores[b] - scores[w]) for b, w in pairs])
    weights = bootstrap.pair_weights([b for b, _ in pairs], [w for _, w in pairs])
    return estimate_mean(above, weights, n=len(better) + len(worse))
