"""Is this reward any good on this task? Figures of one source, asked before any training.

Figures:  of `vlfeedback.evaluation.diagnosis.metrics.METRICS`, with 95 % intervals over episodes
Sources:  pairs from the VLP paper (Liu et al. 2025, Table 15) and beyond, see
          `vlfeedback.evaluation.labels.pairings`; value-order correlation from GVL (Ma et al. 2024,
          "Vision language models are in-context value learners", section 4)
Choices:  GVL's demonstrations end with success; ours go on, so an expert's episode is cut there.
          A source that scores single pictures is not asked about clips played backwards: the sum
          over the same pictures is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from vlfeedback.errors import NeedsError
from vlfeedback.evaluation.diagnosis.episode_curves import (
    episode_curves,
    until_success,
)
from vlfeedback.evaluation.diagnosis.episode_scores import (
    episode_score,
    scores_of_episode,
    steps_to_score,
)
from vlfeedback.evaluation.diagnosis.inputs import DiagnosisInputs
from vlfeedback.evaluation.diagnosis.metrics import METRICS, MetricValue, NotApplicable
from vlfeedback.evaluation.diagnosis.sensitivity import (
    CameraScores,
    across_cameras,
    across_wordings,
)
from vlfeedback.evaluation.diagnosis.speed import segments_per_second
from vlfeedback.evaluation.labels.pairings import PairScores, score_pairs
from vlfeedback.evaluation.resampling import (
    Bootstrap,
    estimate_mean,
    estimate_statistic,
    rank_correlation,
)
from vlfeedback.evaluation.statistics import Estimate
from vlfeedback.figures.level_curves import LevelCurve
from vlfeedback.scoring.paced import PacedSource, pace_of, paced
from vlfeedback.scoring.segments import CachedSegmentScorer
from vlfeedback.types import Report, RewardSource, Trajectory

__all__ = ["Diagnosis", "Report", "diagnose"]


@dataclass(frozen=True, slots=True, eq=False)
class Diagnosis:
    """What was found of one source."""

    findings: Mapping[str, MetricValue]  # by the names of `METRICS`
    priors: Mapping[str, float]  # by pairing: always preferring the same side would be right
    wordings: Mapping[str, Estimate]  # rank correlation by wording
    cameras: CameraScores | None
    curves: Mapping[str, LevelCurve]  # by level: of one episode each


def diagnose(
    source: RewardSource, exam: DiagnosisInputs, *, report: Report | None = None
) -> Diagnosis:
    """Ask a source everything.

    Args:
        source: any reward source.
        exam: of `prepare_diagnosis`.
        report: hears of progress.

    Raises:
        NeedsError: the source reads what the episodes lack, or pictures in another rhythm.
        SourceAnswerError: the source returned something that is no finite reward a step.
    """
    paced_source = paced(source, pace_of(source.needs, exam.stride))
    scorer = CachedSegmentScorer(paced_source)
    rng = np.random.default_rng([exam.seed, len(exam.episodes)])
    bootstrap = Bootstrap({t: t.level for t in exam.episodes}, rng=rng)
    total = len(exam.episodes) + len(exam.posed) + 3
    done = 0

    def tell(part: str) -> None:
        nonlocal done
        done += 1
        if report is not None:
            report(part, done, total, float("nan"))

    along = {}
    for trajectory in exam.episodes:
        along[trajectory] = scores_of_episode(paced_source, trajectory, exam.instruction)
        tell("episodes")
    found: dict[str, MetricValue] = _of_episodes(paced_source, along, bootstrap)
    priors: dict[str, float] = {}
    for pairing in exam.posed:
        found |= _of_pairs(scorer, pairing, exam, bootstrap, rng, priors)
        tell(f"{pairing} pairs")
    found["wording_correlation"], wordings = across_wordings(scorer, source.needs, exam, bootstrap)
    tell("wordings")
    found["camera_correlation"], cameras = across_cameras(scorer, source.needs, exam, bootstrap)
    tell("cameras")
    found["segments_per_second"] = NotApplicable("No episode is long enough for a clip.")
    if exam.clips:
        found["segments_per_second"] = segments_per_second(
            source, exam.clips, exam.instruction, rng=rng
        )
    curves = episode_curves(paced_source, exam, along)
    tell("speed")
    missing = NotApplicable("These episodes have no clip of an expert that nears success.")
    ordered = {name: found.get(name, missing) for name in METRICS}
    return Diagnosis(ordered, priors, wordings, cameras, curves)


def _of_episodes(
    paced_source: PacedSource, along: Mapping[Trajectory, np.ndarray], bootstrap: Bootstrap
) -> dict[str, MetricValue]:
    scores = {t: episode_score(paced_source, t, row) for t, row in along.items()}
    experts = [t for t in scores if t.level == "expert"]
    random = [t for t in scores if t.level == "random"]
    succeeded = [t for t in scores if t.first_success is not None]
    failed = [t for t in scores if t.first_success is None]
    orders = [
        rank_correlation(row[before].astype(np.float64), steps[before].astype(np.float64))
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


def _mean_where_defined(values: list[float], weights: Int64[np.ndarray, "B N"]) -> Estimate:
    """An expert that succeeds at once has no order of scores."""
    given = np.array(values, dtype=np.float64)
    defined = ~np.isnan(given)
    return estimate_mean(given[defined], weights[:, defined])


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


def _of_pairs(
    scorer: CachedSegmentScorer,
    pairing: str,
    exam: DiagnosisInputs,
    bootstrap: Bootstrap,
    rng: np.random.Generator,
    priors: dict[str, float],
) -> dict[str, MetricValue]:
    """Figures of one pairing; those of returns also add its prior."""
    needs, pairs = scorer.needs, exam.posed[pairing]
    names = {"reversed": "reversed_clips", "instruction": "right_instruction"}
    name = names.get(pairing, f"{pairing}_pairs")
    if name not in METRICS:  # pairs of experts alone: few, and no verdict rests on them
        return {}
    if pairing == "reversed" and not needs.frames:
        return {name: NotApplicable("It reads no pictures.")}
    if pairing == "reversed" and needs.granularity == "step":
        why = "It scores single pictures, whose sum is the same in either order."
        return {name: NotApplicable(why)}
    if pairing == "instruction" and not needs.instruction:
        return {name: NotApplicable("It reads no instruction.")}
    judged = score_pairs(pairs, {"source": scorer})
    first = [clip.segment.trajectory for clip in pairs.first]
    second = [clip.segment.trajectory for clip in pairs.second]
    if pairing == "instruction":
        sides = zip(pairs.first, pairs.second, strict=True)
        wrong = [next(c.instruction for c in s if c.instruction != exam.instruction) for s in sides]
        texts = Bootstrap(dict.fromkeys(wrong, ""), rng=rng)
        weights = bootstrap.weights(first) * texts.weights(wrong)
    else:
        weights = bootstrap.pair_weights(first, second)[:, judged.ordered]
    found: dict[str, MetricValue] = {name: estimate_mean(judged.right("source"), weights)}
    if judged.returns is not None:
        priors[pairing] = float(judged.right("prior").mean()) if judged.ordered.any() else np.nan
    if pairing == "random":
        found["return_correlation"] = _with_returns(judged, bootstrap.weights([*first, *second]))
    return found


def _with_returns(judged: PairScores, weights: Int64[np.ndarray, "B M"]) -> Estimate:
    if judged.returns is None:
        raise NeedsError("Random pairs have no returns; pose them with rank_by_return.")
    scores, returns = judged.scores["source"].T.ravel(), judged.returns.T.ravel()
    return estimate_statistic(lambda k: rank_correlation(scores[k], returns[k]), weights)
