"""Whether a source ranks the same clips alike in other words, and seen by another camera."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from vlfeedback.data.pairings import ShownSegment
from vlfeedback.evaluation.diagnosis.inputs import DiagnosisInputs
from vlfeedback.evaluation.diagnosis.metrics import MetricValue, NotApplicable
from vlfeedback.evaluation.resampling import Bootstrap, estimate_statistic, rank_correlation
from vlfeedback.evaluation.statistics import Estimate
from vlfeedback.scoring.segments import CachedSegmentScorer
from vlfeedback.types import SourceNeeds

__all__ = ["CameraScores", "across_cameras", "across_wordings"]

_CONSTANT = "It scores all of these clips the same."


@dataclass(frozen=True, slots=True, eq=False)
class CameraScores:
    """Scores of the same clips seen by two cameras, in the source's unit."""

    ours: Float64[np.ndarray, " N"]
    other: Float64[np.ndarray, " N"]


def across_wordings(
    scorer: CachedSegmentScorer, needs: SourceNeeds, exam: DiagnosisInputs, bootstrap: Bootstrap
) -> tuple[MetricValue, dict[str, Estimate]]:
    """Rank correlation of scores under the instruction with those under other wordings of it.

    Returns:
        Their mean, and each wording's own; all intervals over episodes.
    """
    if not needs.instruction:
        return NotApplicable("It reads no instruction."), {}
    if not exam.wordings:
        return NotApplicable(f"No other wording of task {exam.task!r} is known."), {}
    if not exam.clips:
        return NotApplicable("No episode is long enough for a clip."), {}
    told = _told(scorer, exam, exam.instruction)
    others = [_told(scorer, exam, wording) for wording in exam.wordings]
    if all(map(_is_constant, [told, *others])):
        return NotApplicable(_CONSTANT), {}
    weights = bootstrap.weights([clip.trajectory for clip in exam.clips])

    def correlate(other: np.ndarray) -> Estimate:
        return estimate_statistic(lambda k: rank_correlation(told[k], other[k]), weights)

    each = dict(zip(exam.wordings, map(correlate, others), strict=True))
    mean = estimate_statistic(
        lambda k: float(np.mean([rank_correlation(told[k], other[k]) for other in others])), weights
    )
    return mean, each


def across_cameras(
    scorer: CachedSegmentScorer, needs: SourceNeeds, exam: DiagnosisInputs, bootstrap: Bootstrap
) -> tuple[MetricValue, CameraScores | None]:
    """Rank correlation of scores of the same states seen by two cameras.

    Returns:
        The correlation with its interval over episodes, and the scores behind it.
    """
    if not needs.frames:
        return NotApplicable("It reads no pictures."), None
    clips = [clip for clip in exam.clips if clip.trajectory in exam.retaken]
    if not clips:
        return NotApplicable("There are no pictures of another camera."), None
    again = [replace(clip, trajectory=exam.retaken[clip.trajectory]) for clip in clips]
    ours, other = (
        scorer.scores([ShownSegment(segment, exam.instruction) for segment in segments])
        for segments in (clips, again)
    )
    scores = CameraScores(ours, other)
    if _is_constant(ours) and _is_constant(other):
        return NotApplicable(_CONSTANT), scores
    weights = bootstrap.weights([clip.trajectory for clip in clips])
    return estimate_statistic(lambda k: rank_correlation(ours[k], other[k]), weights), scores


def _told(
    scorer: CachedSegmentScorer, exam: DiagnosisInputs, text: str
) -> Float64[np.ndarray, " N"]:
    return scorer.scores([ShownSegment(segment, text) for segment in exam.clips])


def _is_constant(scores: Float64[np.ndarray, " N"]) -> bool:
    return bool(np.ptp(scores) == 0)
