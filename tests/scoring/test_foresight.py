"""What labelling will take, before anybody is asked."""

from __future__ import annotations

import numpy as np

from vlfeedback.scoring.foresight import foresee, foresee_job
from vlfeedback.testing import KnownLabeller
from vlfeedback.testing.segments import random_segment_pairs, random_segments
from vlfeedback.types import CostForecast, SegmentPairs

JOB = random_segment_pairs(KnownLabeller.needs, np.random.default_rng(0), n=100)


class Foresees(KnownLabeller):
    """A question and a token for each letter of the instruction."""

    def foresee(self, pairs: SegmentPairs) -> CostForecast:
        letters = sum(len(text) for text in pairs.first.instructions or ())
        return CostForecast(float(len(pairs)), float(letters), 0.5 * len(pairs))


class Priced(KnownLabeller):
    cost_per_pair = 0.25


def question(n: int) -> SegmentPairs:
    side = random_segments(KnownLabeller.needs, np.random.default_rng(0), n=n)
    return SegmentPairs(side, side)


def test_a_labeller_says_it_itself_or_has_a_price_or_cannot_tell() -> None:
    assert foresee(Foresees(), question(2)) == CostForecast(2.0, 31.0, 1.0)
    assert foresee(Priced(), question(4)) == CostForecast(4.0, 0.0, 1.0)
    assert foresee(KnownLabeller(), question(4)) is None


def test_a_job_is_foreseen_by_a_few_pairs_that_are_spread_over_it() -> None:
    words = ["go" if n < 50 else "gogo" for n in range(100)]
    labeller = Foresees()
    assert foresee_job(labeller, JOB, instructions=words) == CostForecast(100.0, 300.0, 50.0)
    assert labeller.batch_sizes == []  # nobody is asked
    assert foresee_job(Priced(), JOB[:3]) == CostForecast(3.0, 0.0, 0.75)
    assert foresee_job(KnownLabeller(), JOB) is None and foresee_job(Priced(), []) is None
