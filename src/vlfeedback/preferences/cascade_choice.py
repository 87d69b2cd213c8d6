"""Which pairs of a cascade go on to the next stage: those that a stage is not sure enough of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
from jaxtyping import Bool, Float64

from vlfeedback.data.recalibration import Recalibration
from vlfeedback.preferences.cascade_stages import Stage
from vlfeedback.types import Outcome, PreferenceLabels

__all__ = ["Decision", "at_random", "choose", "confidence", "corrected", "unsure_of"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What is decided about the pairs that reached a stage, which digests stand for.

    Attributes:
        goes_on: to the next stage.
        left_open: neither has an answer that is sure enough, nor goes on.
        correction: of the stage's probabilities; None leaves them.
    """

    goes_on: frozenset[bytes]
    left_open: frozenset[bytes]
    correction: Recalibration | None = None


def confidence(labels: PreferenceLabels, stage: Stage) -> Float64[np.ndarray, " N"]:
    """How sure a stage is of each pair: in [0.5, 1], and 0 where it has no answer."""
    if stage.ties == "unsure":
        return labels.confidence
    return np.where(labels.answered & (labels.prefer_second == 0.5), 1.0, labels.confidence)


def unsure_of(labels: PreferenceLabels, stage: Stage) -> Bool[np.ndarray, " N"]:
    """The pairs that should go on, by the stage's threshold; what was skipped stays so."""
    may_go = labels.outcome != Outcome.SKIPPED
    return np.asarray(may_go & (confidence(labels, stage) < stage.threshold))


def corrected(labels: PreferenceLabels, correction: Recalibration | None) -> PreferenceLabels:
    """The labels with corrected probabilities."""
    if correction is None:
        return labels
    probability = labels.prefer_second.copy()
    probability[labels.answered] = correction(probability[labels.answered])
    return replace(labels, prefer_second=probability)


def at_random(pairs: Sequence[bytes], seed: int) -> list[bytes]:
    """The pairs in an order that depends on each of them and the seed alone."""
    key = str(seed).encode()
    return sorted(pairs, key=lambda pair: blake2b(pair, key=key, digest_size=8).digest())


def choose(
    labels: Mapping[bytes, PreferenceLabels],
    times: Mapping[bytes, int],
    stage: Stage,
    *,
    at_most: int | None = None,
    first: Sequence[bytes] = (),
    correction: Recalibration | None = None,
    seed: int = 0,
) -> Decision:
    """Decide which pairs go on: the least sure first, and of equally sure ones any.

    Args:
        labels: of the stage, one row for each pair that reached it, corrected.
        times: how often each pair is asked about.
        stage: its settings.
        at_most: how many the next stage may be asked about; None: all.
        first: pairs that go on whatever the stage says of them.
        correction: that is kept with the decision.
        seed: of the order of those that are equally sure.
    """
    if not labels:
        return Decision(frozenset(), frozenset(), correction)
    pairs = at_random(list(labels), seed)
    rows = PreferenceLabels.concatenate([labels[pair] for pair in pairs])
    order = np.argsort(confidence(rows, stage), kind="stable")
    if stage.pass_on is None:
        wanted = unsure_of(rows, stage)[order]
    else:
        share = math.floor(stage.pass_on * sum(times[pair] for pair in pairs) + 0.5)
        wanted = rows.outcome[order] != Outcome.SKIPPED
        counts = np.array([times[pairs[place]] for place in order]) * wanted
        wanted &= np.cumsum(counts) <= share
    least_sure = [pairs[place] for place in order[wanted]]
    queue = list(dict.fromkeys([*first, *least_sure]))
    reached = np.cumsum([times[pair] for pair in queue]) <= (
        math.inf if at_most is None else at_most
    )
    goes_on = frozenset(pair for pair, within in zip(queue, reached, strict=True) if within)
    unanswered = ~rows.answered & (rows.outcome != Outcome.SKIPPED)
    should = {*queue, *(pairs[place] for place in np.flatnonzero(unanswered))}
    return Decision(goes_on, frozenset(should - goes_on), correction)
