"""The clips that a source places best and worst among others of their task: to be looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vlfeedback.evaluation.bench.exam import Exam
from vlfeedback.evaluation.bench.metrics import pair_credits

__all__ = ["PlacedClip", "best_and_worst"]


@dataclass(frozen=True, slots=True)
class PlacedClip:
    """A clip, and how it fared.

    Attributes:
        place: in `Exam.clips`.
        right: pairs of it in which the better clip was preferred, a tie counting half.
        n_pairs: pairs that it is in.
    """

    place: int
    right: float
    n_pairs: int


def best_and_worst(
    exam: Exam, leads: Mapping[int, float], *, at_most: int
) -> tuple[list[PlacedClip], list[PlacedClip]]:
    """Clips by the share of their pairs that came out right, then by how clearly.

    Args:
        exam: with the pairs.
        leads: of `Marking.leads`.
        at_most: clips of each kind; no clip is of both.

    Returns:
        The best, and the worst that are in some pair which came out wrong.
    """
    of_clip: dict[int, list[float]] = {}
    for place, lead in leads.items():
        for clip in (exam.pairs[place].better, exam.pairs[place].worse):
            of_clip.setdefault(clip, []).append(lead)
    rows = []
    for place, of_pairs in of_clip.items():
        right = float(pair_credits(np.array(of_pairs, dtype=np.float64), 0.5).sum())
        rows.append((right / len(of_pairs), sum(of_pairs), PlacedClip(place, right, len(of_pairs))))
    rows.sort(key=lambda row: row[:2])
    worst = [placed for share, _, placed in rows[:at_most] if share < 1]
    best = [placed for share, _, placed in reversed(rows) if placed not in worst and share > 0]
    return best[:at_most], worst
