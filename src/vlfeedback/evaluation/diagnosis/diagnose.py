"""Is this reward any good on this task? Figures of one source, before any training.

Figures:  of `vlfeedback.evaluation.diagnosis.metrics.METRICS`, with 95 % intervals over episodes
Sources:  pairs from the VLP paper (Liu et al. 2025, Table 15) and beyond, see
          `vlfeedback.evaluation.labels.pairings`; value-order correlation from GVL (Ma et al. 2024,
          "Vision language models are in-context value learners", section 4)
Choices:  GVL's demonstrations end with success; ours go on, so an expert's episode is cut there.
          Segments played backwards are not scored by a source of single pictures: the sum over the
          same pictures is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vlfeedback.evaluation.diagnosis.episode_curves import episode_curves
from vlfeedback.evaluation.diagnosis.episode_metrics import episode_metrics
from vlfeedback.evaluation.diagnosis.episode_scores import scores_of_episode
from vlfeedback.evaluation.diagnosis.inputs import DiagnosisInputs
from vlfeedback.evaluation.diagnosis.metrics import METRICS, MetricValue, NotApplicable
from vlfeedback.evaluation.diagnosis.pair_metrics import pair_metrics
from vlfeedback.evaluation.diagnosis.rests import rest_metrics
from vlfeedback.evaluation.diagnosis.sensitivity import across_cameras, across_wordings
from vlfeedback.evaluation.diagnosis.speed import segments_per_second
from vlfeedback.evaluation.resampling import Bootstrap
from vlfeedback.evaluation.statistics import Estimate
from vlfeedback.scoring.curves import CameraScores, ScoreCurve
from vlfeedback.scoring.paced import pace_of, paced
from vlfeedback.scoring.segments import CachedSegmentScorer
from vlfeedback.types import Report, RewardSource

__all__ = ["Diagnosis", "diagnose"]


@dataclass(frozen=True, slots=True, eq=False)
class Diagnosis:
    """All figures of one source."""

    metrics: Mapping[str, MetricValue]  # by the names of `METRICS`
    priors: Mapping[str, float]  # by pairing: always preferring the same side would be right
    wordings: Mapping[str, Estimate]  # rank correlation by wording
    cameras: CameraScores | None
    curves: Mapping[str, ScoreCurve]  # by level: of one episode each


def diagnose(
    source: RewardSource, inputs: DiagnosisInputs, *, report: Report | None = None
) -> Diagnosis:
    """Measure one source.

    Args:
        source: any reward source.
        inputs: of `prepare_diagnosis`.
        report: called with each part that is done.

    Raises:
        NeedsError: the source reads what the episodes lack, or pictures in another rhythm.
        SourceAnswerError: the source returned something that is no finite reward a step.
    """
    paced_source = paced(source, pace_of(source.needs, inputs.stride))
    scorer = CachedSegmentScorer(paced_source)
    rng = np.random.default_rng([inputs.seed, len(inputs.episodes)])
    bootstrap = Bootstrap({t: t.level for t in inputs.episodes}, rng=rng)
    total = len(inputs.episodes) + len(inputs.pairings) + 4
    n_done = 0

    def finish(part: str) -> None:
        nonlocal n_done
        n_done += 1
        if report is not None:
            report(part, n_done, total, float("nan"))

    along = {}
    for trajectory in inputs.episodes:
        along[trajectory] = scores_of_episode(paced_source, trajectory, inputs.instruction)
        finish("episodes")
    metrics: dict[str, MetricValue] = episode_metrics(paced_source, along, bootstrap)
    metrics |= rest_metrics(paced_source, along, inputs.instruction, bootstrap)
    finish("episodes held still")
    priors: dict[str, float] = {}
    for pairing in inputs.pairings:
        of_pairing = pair_metrics(scorer, pairing, inputs, bootstrap, rng)
        metrics |= of_pairing.metrics
        if of_pairing.prior is not None:
            priors[pairing] = of_pairing.prior
        finish(f"{pairing} pairs")
    needs = source.needs
    metrics["wording_correlation"], wordings = across_wordings(scorer, needs, inputs, bootstrap)
    finish("wordings")
    metrics["camera_correlation"], cameras = across_cameras(scorer, needs, inputs, bootstrap)
    finish("cameras")
    metrics["segments_per_second"] = NotApplicable("No episode is long enough for a clip.")
    if inputs.segments:
        metrics["segments_per_second"] = segments_per_second(
            source, inputs.segments, inputs.instruction, rng=rng
        )
    curves = episode_curves(paced_source, inputs, along)
    finish("speed")
    ordered = {name: metrics.get(name, _missing(name)) for name in METRICS}
    return Diagnosis(ordered, priors, wordings, cameras, curves)


def _missing(name: str) -> NotApplicable:
    """Why a figure's pairs could not be drawn."""
    if name == "right_instruction":
        return NotApplicable("No instruction is known that could be meant instead.")
    return NotApplicable("These episodes have no clip of an expert that nears success.")
