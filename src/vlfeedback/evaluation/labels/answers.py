"""Answers of sources to pairs with a known order: labels, and scores where they give rewards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Float64

from vlfeedback.data.calibration import preference_probability
from vlfeedback.data.correlation import pearson, spearman
from vlfeedback.data.pairings import RankedPairs, ShownSegment
from vlfeedback.errors import NeedsError
from vlfeedback.evaluation.labels.pairings import picture_stride
from vlfeedback.preferences.accuracy import agreement, sides
from vlfeedback.scoring.labelling import ask_labeller
from vlfeedback.scoring.paced import pace_of
from vlfeedback.types import (
    DecidesTogether,
    MeasuresPairs,
    Outcome,
    PreferenceLabels,
    PreferenceSource,
    SegmentBatch,
    SegmentPairs,
    SourceNeeds,
)

__all__ = [
    "UNANSWERED",
    "PairAnswers",
    "Scorer",
    "ask_sources",
    "describe_pairing",
    "label_pairs_shown",
]

UNANSWERED = tuple(outcome for outcome in Outcome if outcome != Outcome.ANSWERED)
"""What becomes of a pair that is not answered."""

_BATCH = 32  # pairs that a labeller is asked about at once, as many as `label_pairs` asks about


@runtime_checkable
class Scorer(Protocol):
    """What scores segments, such as `vlfeedback.scoring.segments.SegmentScorer`."""

    def scores(self, segments: Sequence[ShownSegment], /) -> Float64[np.ndarray, " N"]:
        """One number a segment; the larger is preferred."""


@dataclass(frozen=True, slots=True, eq=False)
class PairAnswers:
    """The answers of several sources to the same N pairs, and the true order.

    Every source has labels. One that gives rewards also has scores, of which its labels are the
    signs: the segment with the larger score is preferred, equal scores tie.
    """

    prefer_second: Float32[np.ndarray, " N"]  # the truth: 0 first, 1 second, 0.5 no order
    returns: Float64[np.ndarray, "N 2"] | None  # None: they do not decide this pairing
    labels: Mapping[str, PreferenceLabels]  # by source
    scores: Mapping[str, Float64[np.ndarray, "N 2"]]  # by source: first, second

    @classmethod
    def from_scores(
        cls,
        prefer_second: Float32[np.ndarray, " N"],
        returns: Float64[np.ndarray, "N 2"] | None,
        scores: Mapping[str, Float64[np.ndarray, "N 2"]],
    ) -> PairAnswers:
        """Of sources that all give scores."""
        labels = {name: _labels_of(both) for name, both in scores.items()}
        return cls(prefer_second, returns, labels, dict(scores))

    @property
    def ordered(self) -> np.ndarray:
        """Which pairs have a true order: bool (N,)."""
        return np.asarray(self.prefer_second != 0.5)

    @property
    def return_gap(self) -> Float64[np.ndarray, " n"]:
        """|return of the second - return of the first| of each pair with a true order.

        Raises:
            NeedsError: returns do not decide this pairing.
        """
        if self.returns is None:
            raise NeedsError("This pairing is not ordered by returns, so it has no gaps of them.")
        return np.asarray(np.abs(self.returns[self.ordered, 1] - self.returns[self.ordered, 0]))

    def gap(self, source: str) -> Float64[np.ndarray, " N"]:
        """Score of the second minus score of the first; above 0 where the second is preferred.

        Of a source without scores P[second preferred] - 0.5, and 0 where it gave no answer.
        """
        if source in self.scores:
            both = self.scores[source]
            return np.asarray(both[:, 1] - both[:, 0])
        labels = self.labels[source]
        chance = labels.prefer_second.astype(np.float64)
        return np.where(labels.answered, chance - 0.5, 0.0)

    def right(self, source: str) -> Float64[np.ndarray, " n"]:
        """For each pair with a true order: 1 right, 0 wrong, 0.5 a tie, as guessing would be.

        No answer counts as a tie. The source ``"prior"`` always prefers the same side: the one
        that is right more often.
        """
        truth = self.prefer_second[self.ordered].astype(np.float64)
        if source == "prior":
            side = float(truth.mean() >= 0.5) if len(truth) else 1.0
            return np.asarray(truth == side, dtype=np.float64)
        all_answered = np.ones(len(self.prefer_second), dtype=np.bool_)
        return agreement(self.labels[source], PreferenceLabels(self.prefer_second, all_answered))

    def probabilities(
        self, source: str, log_odds_scale: float | None
    ) -> Float64[np.ndarray, " N"] | None:
        """P[second preferred] of each pair; None where the source says nothing of it.

        Args:
            source: one of `labels`.
            log_odds_scale: what a gap of its scores is multiplied by to be log-odds; of no
                meaning for a source without scores, whose labels are probabilities where some
                are neither 0, 0.5 nor 1. Pairs it did not answer are NaN then.
        """
        if source in self.scores:
            if log_odds_scale is None:
                return None
            return preference_probability(self.gap(source), log_odds_scale)
        labels = self.labels[source]
        if np.isin(labels.prefer_second[labels.answered], (0.0, 0.5, 1.0)).all():
            return None
        return np.where(labels.answered, labels.prefer_second.astype(np.float64), np.nan)


def ask_sources(
    pairs: RankedPairs, sources: Mapping[str, Scorer | PreferenceSource]
) -> PairAnswers:
    """Let every source compare every pair.

    Args:
        pairs: of equally long segments.
        sources: by name; what scores segments is asked for both scores of each pair, a preference
            source for its label.

    Raises:
        NeedsError: a trajectory lacks what a source reads.
    """
    labels, scores = {}, {}
    for name, source in sources.items():
        if isinstance(source, PreferenceSource):
            labels[name] = label_pairs_shown(pairs, source)
        else:
            both = source.scores([*pairs.first, *pairs.second])
            scores[name] = both.reshape(2, len(pairs)).T
            labels[name] = _labels_of(scores[name])
    return PairAnswers(pairs.prefer_second, pairs.returns, labels, scores)


def label_pairs_shown(pairs: RankedPairs, labeller: PreferenceSource) -> PreferenceLabels:
    """The labels of a preference source, which sees each segment as it is shown.

    Each side comes under its own instruction, its pictures forwards or backwards, at the
    labeller's pace or about every seventh; see `ready_to_compare`.

    Args:
        pairs: of equally long segments.
        labeller: any; what it may say of itself is `MeasuresPairs` and `DecidesTogether`, see
            `vlfeedback.types`.

    Raises:
        NeedsError: a trajectory lacks what the labeller reads.
        SourceAnswerError: the labeller answered with something that is no label of these pairs.
    """
    rows = list(zip(pairs.first, pairs.second, strict=True))
    if isinstance(labeller, MeasuresPairs):
        labeller = labeller.measured_on([(a.segment, b.segment) for a, b in rows])
    stride = picture_stride([pairs.first[0].segment.trajectory])
    needs = replace(labeller.needs, frame_stride=pace_of(labeller.needs, stride))
    questions = _Shown(rows, needs)
    if isinstance(labeller, DecidesTogether):
        labeller = labeller.decided_on(questions)
    return PreferenceLabels.concatenate([ask_labeller(labeller, shown) for shown in questions])


@dataclass(frozen=True, slots=True)
class _Shown:
    """Pairs with what a labeller reads of them, a batch at a time, each time anew."""

    rows: Sequence[tuple[ShownSegment, ShownSegment]]
    needs: SourceNeeds

    def __iter__(self) -> Iterator[SegmentPairs]:
        for start in range(0, len(self.rows), _BATCH):
            first, second = zip(*self.rows[start : start + _BATCH], strict=True)
            yield SegmentPairs(_batch(first, self.needs), _batch(second, self.needs))


def describe_pairing(answers: PairAnswers) -> dict[str, Any]:
    """All figures of one pairing of one task, by source; NaN where one is not defined.

    Returns:
        ``pairs``; ``scripted_ties``, the share of pairs without a true order, which count
        nowhere else; and by source ``accuracy`` (with the prior), ``ties`` (share of the
        source's labels that are 0.5), ``label_pearson`` and ``label_spearman`` (labels with true
        labels, pairs as they stand; Table 5's VLP column), ``label_pearson_both_orders`` (each
        pair also turned round, so that it is defined where one side is always right), of sources
        with scores ``score_pearson`` and ``score_spearman`` (scores of segments with their
        returns; Table 5's other columns do so for single steps), and of sources without scores
        the shares of pairs that came out as each `Outcome` but answered.

    Source: VLP paper, Tables 5 and 15. Table 5 names no kind of coefficient.
    """
    truth = answers.prefer_second[answers.ordered].astype(np.float64)
    names = [*answers.labels]
    figures: dict[str, Any] = {
        "pairs": len(answers.prefer_second),
        "scripted_ties": 1.0 - float(answers.ordered.mean()),
        "accuracy": {name: _mean(answers.right(name)) for name in [*names, "prior"]},
    }
    for name in names:
        labels = answers.labels[name]
        sided = (0.5 + 0.5 * sides(labels))[answers.ordered]
        row = {
            "ties": float(np.mean(labels.answered & (labels.prefer_second == 0.5))),
            "label_pearson": pearson(sided, truth, if_constant=np.nan),
            "label_spearman": spearman(sided, truth, if_constant=np.nan),
            "label_pearson_both_orders": pearson(
                np.r_[sided, 1 - sided], np.r_[truth, 1 - truth], if_constant=np.nan
            ),
        }
        if name not in answers.scores:
            row |= {o.word: float(np.mean(labels.outcome == o)) for o in UNANSWERED}
        elif answers.returns is not None:
            scores, returns = answers.scores[name].ravel(), answers.returns.ravel()
            row["score_pearson"] = pearson(scores, returns, if_constant=np.nan)
            row["score_spearman"] = spearman(scores, returns, if_constant=np.nan)
        for figure, value in row.items():
            figures.setdefault(figure, {})[name] = value
    return figures


def _labels_of(scores: Float64[np.ndarray, "N 2"]) -> PreferenceLabels:
    """The larger score is preferred, equal ones tie."""
    prefer_second = 0.5 + 0.5 * np.sign(scores[:, 1] - scores[:, 0])
    return PreferenceLabels(prefer_second.astype(np.float32), np.ones(len(scores), dtype=np.bool_))


def _batch(segments: Sequence[ShownSegment], needs: SourceNeeds) -> SegmentBatch:
    """What a labeller reads of these segments, as they are shown."""
    batch = SegmentBatch.from_segments(
        [s.segment for s in segments], [s.instruction for s in segments], needs=needs
    )
    if batch.frames is None:
        return batch
    frames = np.stack(
        [row[::-1] if s.reversed else row for s, row in zip(segments, batch.frames, strict=True)]
    )
    if batch.first_frames is None:
        return replace(batch, frames=frames)
    with_reset = np.array([s.with_reset for s in segments])
    first = np.where(with_reset[:, None, None, None], batch.first_frames, frames[:, 0])
    return replace(batch, frames=frames, first_frames=first, shows_reset=with_reset)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
