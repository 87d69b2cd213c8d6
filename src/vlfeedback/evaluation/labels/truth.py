"""What the environment's own rewards say of pairs, where they are recorded."""

from __future__ import annotations

from vlfeedback.data.sampling import SegmentPairList, gather_pairs
from vlfeedback.errors import NeedsError
from vlfeedback.preferences import make_preference_source
from vlfeedback.types import PreferenceLabels

__all__ = ["true_labels"]


def true_labels(pairs: SegmentPairList) -> PreferenceLabels | None:
    """Labels of a teacher without mistakes; None where the data has no rewards of its own."""
    teacher = make_preference_source("teacher")
    try:
        return teacher.label(gather_pairs(pairs, None, needs=teacher.needs))
    except NeedsError:
        return None
