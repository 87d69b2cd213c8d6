"""What each labeller of a dataset answered, and what it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vlfeedback.types import LabelRecord, Outcome, PreferenceLabels

__all__ = ["LabellerTotals", "totals_by_labeller"]


@dataclass(frozen=True, slots=True)
class LabellerTotals:
    """Sums over the pairs of one labeller.

    Attributes:
        labeller: who.
        pairs: how many have its outcome.
        outcomes: how many of them came out how; what never occurred is left out.
        cost_usd: US dollars.
        tokens: of a language model, read and written.
        seconds: time that it took.
    """

    labeller: LabelRecord
    pairs: int
    outcomes: Mapping[Outcome, int]
    cost_usd: float
    tokens: int
    seconds: float

    def __str__(self) -> str:
        model = f" ({self.labeller.model})" if self.labeller.model else ""
        outcomes = ", ".join(f"{n} {outcome.word}" for outcome, n in self.outcomes.items())
        return (
            f"{self.labeller.source}{model}: {self.pairs} pairs ({outcomes}), "
            f"${self.cost_usd:.2f}, {self.tokens:,} tokens, {self.seconds:,.0f} s"
        )


def totals_by_labeller(
    labels: PreferenceLabels, labelled_by: Sequence[LabelRecord]
) -> tuple[LabellerTotals, ...]:
    """Totals of each labeller that has a pair, in the order of `labelled_by`."""
    totals = []
    for n, record in enumerate(labelled_by):
        own = labels.take(np.flatnonzero(labels.labeller == n))
        if len(own):
            totals.append(
                LabellerTotals(
                    labeller=record,
                    pairs=len(own),
                    outcomes=own.counts(),
                    cost_usd=float(own.cost_usd.sum()),
                    tokens=int(own.tokens.sum()),
                    seconds=float(own.seconds.sum()),
                )
            )
    return tuple(totals)
