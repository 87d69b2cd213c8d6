"""Labellers whose answers, failures and costs are known by hand.

For tests of whatever asks labellers, keeps their answers, or adds up what they cost.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

import numpy as np
from jaxtyping import Float64

from vlfeedback.errors import NeedsError
from vlfeedback.types import (
    LabelRecord,
    Outcome,
    PreferenceLabels,
    SegmentBatch,
    SegmentPairs,
    SourceNeeds,
    class_and_settings,
)

__all__ = ["KnownCascade", "KnownCascadeConfig", "KnownLabeller", "KnownLabellerConfig"]


@dataclass(frozen=True, slots=True)
class KnownLabellerConfig:
    """Cost, tokens and seconds of each pair that a `KnownLabeller` labels.

    Attributes:
        cost_usd: US dollars.
        tokens: of each pair, as it reports.
        seconds: of each pair, as it reports.
    """

    cost_usd: float = 0.25
    tokens: int = 100
    seconds: float = 2.0


class KnownLabeller:
    """Prefers the segment whose actions sum to more, unless the instruction says otherwise.

    Equal sums tie. An instruction with the word "unsure", "refused", "unparsable", "failed" or
    "skipped" has that outcome, and the label 0.5. A skipped pair takes nothing, every other takes
    what the config says.

    >>> pairs = SegmentPairs(
    ...     SegmentBatch(actions=np.float32([[[1]], [[1]]]), instructions=["go", "go: refused"]),
    ...     SegmentBatch(actions=np.float32([[[2]], [[2]]]), instructions=["go", "go: refused"]),
    ... )
    >>> labels = KnownLabeller().label(pairs)
    >>> labels
    PreferenceLabels(N=2, answered=1, ties=0, refused=1)
    >>> labels.cost_usd
    array([0.25, 0.25])
    """

    model = "known"
    prompt = "known/1"
    needs = SourceNeeds(actions=True, instruction=True)

    def __init__(self, config: KnownLabellerConfig | None = None) -> None:
        self.config = config or KnownLabellerConfig()
        self.batch_sizes: list[int] = []  # N of every call of `label` so far

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        """Compare each pair.

        Raises:
            NeedsError: actions or instructions are missing.
        """
        self.batch_sizes.append(len(pairs))
        if pairs.first.instructions is None:
            raise NeedsError("'known' reads an instruction for each pair: instructions=[...].")
        outcome = np.array([_outcome(text) for text in pairs.first.instructions], np.uint8)
        gap = _sums(pairs.second) - _sums(pairs.first)
        answer = np.where(outcome == Outcome.ANSWERED, 0.5 + 0.5 * np.sign(gap), 0.5)
        charge = outcome != Outcome.SKIPPED
        return PreferenceLabels(
            answer.astype(np.float32),
            outcome,
            cost_usd=charge * self.config.cost_usd,
            tokens=charge * self.config.tokens,
            seconds=charge * self.config.seconds,
        )


@dataclass(frozen=True, slots=True)
class KnownCascadeConfig:
    """Cost and seconds of each pair that the person of a `KnownCascade` labels.

    Attributes:
        cost_usd: US dollars.
        seconds: of each pair, as they report.
    """

    cost_usd: float = 1.0
    seconds: float = 8.0


class KnownCascade:
    """A `KnownLabeller`, and for what it leaves open a person, who always has an answer.

    The person prefers the larger sum as well. What was skipped stays so. Costs of the two add up.
    """

    needs = KnownLabeller.needs

    def __init__(self, config: KnownCascadeConfig | None = None) -> None:
        self.config = config or KnownCascadeConfig()
        self.first = KnownLabeller()
        source, settings = class_and_settings(self.first)
        self.records = (
            LabelRecord(source, json.dumps(settings), self.first.model, self.first.prompt),
            LabelRecord("a person", json.dumps(asdict(self.config))),
        )

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        """Compare each pair; raises what the first raises."""
        labels = self.first.label(pairs)
        is_open = ~labels.answered & (labels.outcome != Outcome.SKIPPED)
        answer = 0.5 + 0.5 * np.sign(_sums(pairs.second) - _sums(pairs.first))
        return replace(
            labels,
            prefer_second=np.where(is_open, answer, labels.prefer_second).astype(np.float32),
            outcome=np.where(is_open, Outcome.ANSWERED, labels.outcome).astype(np.uint8),
            cost_usd=labels.cost_usd + is_open * self.config.cost_usd,
            seconds=labels.seconds + is_open * self.config.seconds,
            labeller=is_open.astype(np.int64),
        )


def _outcome(instruction: str) -> Outcome:
    words = instruction.split()
    return next((o for o in Outcome if o.word in words), Outcome.ANSWERED)


def _sums(batch: SegmentBatch) -> Float64[np.ndarray, " N"]:
    if batch.actions is None:
        raise NeedsError("'known' reads actions: give actions (N, T, A).")
    real = np.arange(batch.n_steps) <= batch.last_steps[:, None]
    return np.asarray((batch.actions.sum(axis=2, dtype=np.float64) * real).sum(axis=1))
