"""Whether a source ranks the same segments alike in other words, and seen by another camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from vlfeedback.data.correlation import spearman
from vlfeedback.data.pairings import ShownSegment
from vlfeedback.evaluation.diagnosis.inputs import DiagnosisInputs
from vlfeedback.evaluation.diagnosis.metrics import MetricValue, NotApplicable
from vlfeedback.evaluation.resampling import Bootstrap, estimate_statistic
from vlfeedback.evaluation.statistics import Estimate
from vlfeedback.scoring.curves import CameraScores
from vlfeedback.scoring.segments import CachedSegmentScorer
from vlfeedback.types import SourceNeeds

__all__ = ["across_cameras", "across_wordings"]

_CONSTANT = "It scores all of these clips the same."


def across_wordings(
    scorer: CachedSegmentScorer, needs: SourceNeeds, inputs: DiagnosisInputs, bootstrap: Bootstrap
) -> tuple[MetricValue, dict[str, Estimate]]:
    """Rank correlation of scores under the instruction with those under other wordings of it.

    Returns:
        Their mean, and each wording's own; all intervals over episodes.
    """
    if not needs.instruction:
        return NotApplicable("It reads no instruction."), {}
    if not inputs.wordings:
        return NotApplicable(f"No other wording of task {inputs.task.name!r} is known."), {}
    if not inputs.segments:
        return NotApplicable("No episode is long enough for a clip."), {}
    own = _scores_under(inputs.instruction, scorer, inputs)
    others = [_scores_under(wording, scorer, inputs) for wording in inputs.wordings]
    if all(map(_is_constant, [own, *others])):
        return NotApplicable(_CONSTANT), {}
    weights = bootstrap.weights([segment.trajectory for segment in inputs.segments])

    def correlate(other: np.ndarray) -> Estimate:
        return estimate_statistic(lambda k: spearman(own[k], other[k], if_constant=0.0), weights)

    each = dict(zip(inputs.wordings, map(correlate, others), strict=True))
    mean = estimate_statistic(
        lambda k: float(np.mean([spearman(own[k], other[k], if_constant=0.0) for other in others])),
        weights,
    )
    return mean, each


def across_cameras(
    scorer: CachedSegmentScorer, needs: SourceNeeds, inputs: DiagnosisInputs, bootstrap: Bootstrap
) -> tuple[MetricValue, CameraScores | None]:
    """Rank correlation of scores of the same states seen by two cameras.

    Returns:
        The correlation with its interval over episodes, and the scores behind it.
    """
    if not needs.frames:
        return NotApplicable("It reads no pictures."), None
    segments = [s for s in inputs.segments if s.trajectory in inputs.retaken]
    if not segments:
        why = f" {inputs.why_not_retaken}" if inputs.why_not_retaken else ""
        return NotApplicable(f"There are no pictures of another camera.{why}"), None
    retaken = [replace(s, trajectory=inputs.retaken[s.trajectory]) for s in segments]
    ours, other = (
        scorer.scores([ShownSegment(segment, inputs.instruction) for segment in camera_segments])
        for camera_segments in (segments, retaken)
    )
    scores = CameraScores(ours, other)
    if _is_constant(ours) and _is_constant(other):
        return NotApplicable(_CONSTANT), scores
    weights = bootstrap.weights([segment.trajectory for segment in segments])
    return estimate_statistic(
        lambda k: spearman(ours[k], other[k], if_constant=0.0), weights
    ), scores


def _scores_under(
    text: str, scorer: CachedSegmentScorer, inputs: DiagnosisInputs
) -> Float64[np.ndarray, " N"]:
    return scorer.scores([ShownSegment(segment, text) for segment in inputs.segments])


def _is_constant(scores: Float64[np.ndarray, " N"]) -> bool:
    return bool(np.ptp(scores) == 0)
