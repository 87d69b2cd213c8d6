"""The pairs a source labelled wrongly, surest first, to be looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vlfeedback.data.pairings import RankedPairs, ShownSegment
from vlfeedback.evaluation.labels.answers import PairAnswers

__all__ = ["Mistake", "surest_mistakes"]


@dataclass(frozen=True, slots=True)
class Mistake:
    """One wrongly labelled pair: `better` should have been preferred."""

    pairing: str
    better: ShownSegment
    worse: ShownSegment
    score_better: float | None  # in the source's unit; None of a source without scores
    score_worse: float | None
    return_better: float | None  # None where returns do not decide
    return_worse: float | None


def surest_mistakes(
    pairs: Mapping[str, RankedPairs],
    answers: Mapping[str, PairAnswers],
    source: str,
    *,
    at_most: int,
) -> list[Mistake]:
    """Wrong labels of a source, pairing by pairing in the order of `pairs`, the surest first.

    Surest is the largest gap of scores or, of a source without scores, the label furthest from
    0.5. Ties and pairs without an answer are no mistakes; pairings that the source was not asked
    about have none. Each pairing fills what the ones before it left of `at_most`.
    """
    mistakes: list[Mistake] = []
    for pairing, ranked in pairs.items():
        if source not in answers[pairing].labels:
            continue
        sign = 2 * ranked.prefer_second - 1  # -1 first, 1 second, 0 no order
        lead = answers[pairing].gap(source) * sign
        for row in np.argsort(lead, kind="stable"):
            if len(mistakes) == at_most or lead[row] >= 0:
                break
            mistakes.append(_mistake(pairing, ranked, answers[pairing], source, int(row)))
    return mistakes


def _mistake(
    pairing: str, pairs: RankedPairs, answers: PairAnswers, source: str, row: int
) -> Mistake:
    segments = (pairs.first[row], pairs.second[row])
    better = int(pairs.prefer_second[row] == 1)
    scores, returns = (
        (None, None) if both is None else (float(both[row][better]), float(both[row][1 - better]))
        for both in (answers.scores.get(source), answers.returns)
    )
    return Mistake(pairing, segments[better], segments[1 - better], *scores, *returns)
