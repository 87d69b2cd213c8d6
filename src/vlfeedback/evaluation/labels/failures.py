"""The pairs a source labelled wrongly, surest first, to be looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vlfeedback.data.pairings import RankedPairs, ShownSegment
from vlfeedback.evaluation.labels.pairings import PairScores

__all__ = ["Mistake", "surest_mistakes"]


@dataclass(frozen=True, slots=True)
class Mistake:
    """One wrongly labelled pair: `better` should have been preferred."""

    pairing: str
    better: ShownSegment
    worse: ShownSegment
    score_better: float  # in the source's unit
    score_worse: float
    return_better: float | None  # None where returns do not decide
    return_worse: float | None


def surest_mistakes(
    posed: Mapping[str, RankedPairs], judged: Mapping[str, PairScores], source: str, *, at_most: int
) -> list[Mistake]:
    """Wrong labels of a source, pairing by pairing in the given order, largest score gap first.

    Ties are no mistakes. Each pairing fills what the ones before it left of `at_most`.
    """
    mistakes: list[Mistake] = []
    for pairing, pairs in posed.items():
        answers = judged[pairing]
        wanted = 2 * pairs.prefer_second - 1  # -1 first, 1 second, 0 no order
        lead = answers.gap(source) * wanted
        for row in np.argsort(lead, kind="stable"):
            if len(mistakes) == at_most or lead[row] >= 0:
                break
            mistakes.append(_mistake(pairing, pairs, answers, source, int(row)))
    return mistakes


def _mistake(
    pairing: str, pairs: RankedPairs, answers: PairScores, source: str, row: int
) -> Mistake:
    clips = (pairs.first[row], pairs.second[row])
    better = int(pairs.prefer_second[row] == 1)
    scores = answers.scores[source][row]
    returns = None if answers.returns is None else answers.returns[row]
    return Mistake(
        pairing=pairing,
        better=clips[better],
        worse=clips[1 - better],
        score_better=float(scores[better]),
        score_worse=float(scores[1 - better]),
        return_better=None if returns is None else float(returns[better]),
        return_worse=None if returns is None else float(returns[1 - better]),
    )
