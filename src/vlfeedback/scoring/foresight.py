"""What labelling will take, asked of the labeller before anybody else is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vlfeedback.data.sampling import SegmentPairList, gather_pairs
from vlfeedback.types import (
    CostForecast,
    ForeseesCost,
    PreferenceSource,
    PricedPerPair,
    SegmentPairs,
)

__all__ = ["foresee", "foresee_job", "spread"]

_LOOKED_AT = 8  # pairs of a job; pictures of one job are of one size, and words hardly differ


def foresee(labeller: PreferenceSource, pairs: SegmentPairs) -> CostForecast | None:
    """What asking about these pairs will take; None where the labeller cannot tell.

    Args:
        labeller: any that is `ForeseesCost` or `PricedPerPair`.
        pairs: with what its `needs` ask for.
    """
    if isinstance(labeller, ForeseesCost):
        return labeller.foresee(pairs)
    if isinstance(labeller, PricedPerPair):
        price = float(labeller.cost_per_pair)
        return CostForecast(questions=1.0, cost_usd=price).times(float(len(pairs)))
    return None


def foresee_job(
    labeller: PreferenceSource,
    pairs: SegmentPairList,
    *,
    instructions: Sequence[str] | None = None,
) -> CostForecast | None:
    """The same for a whole job, of which some pairs are read, spread over it.

    Args:
        labeller: any.
        pairs: all of them.
        instructions: one for each, or none.
    """
    if not pairs or not isinstance(labeller, (ForeseesCost, PricedPerPair)):
        return None
    rows = spread(len(pairs), _LOOKED_AT)
    words = None if instructions is None else [instructions[row] for row in rows]
    question = gather_pairs([pairs[row] for row in rows], words, needs=labeller.needs)
    forecast = foresee(labeller, question)
    return None if forecast is None else forecast.times(len(pairs) / len(rows))


def spread(n: int, at_most: int) -> list[int]:
    """Positions among `n`, evenly from the first to the last; all where there are no more.

    >>> spread(100, 4), spread(2, 4)
    ([0, 33, 66, 99], [0, 1])
    """
    places = np.linspace(0, n - 1, min(n, at_most)).round()
    return [int(place) for place in dict.fromkeys(places)]
