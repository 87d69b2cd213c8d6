"""A look at some pairs of a job before it is paid for: what a labeller says, in both orders.

What is looked at is what users of such labellers found out last, after the money was spent: how
many answers are none, how often they are right, whether they go with the place a segment is shown
at, and what the rest will cost. Thresholds are our choice: with 20 pairs an interval of 95 % is
about 40 points wide, so that only what is plainly wrong can be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from vlfeedback.arguments import preference_source
from vlfeedback.data.sampling import SegmentPairList, gather_pairs
from vlfeedback.errors import InvalidValueError
from vlfeedback.evaluation.labels.truth import true_labels
from vlfeedback.evaluation.statistics import Estimate, wilson_interval
from vlfeedback.preferences.accuracy import agreement, sides
from vlfeedback.scoring.foresight import foresee_job, spread
from vlfeedback.scoring.labelling import ask_labeller, records_of
from vlfeedback.types import (
    CostForecast,
    DecidesTogether,
    ExplainsLabels,
    LabelRecord,
    MeasuresPairs,
    Outcome,
    PreferenceLabels,
    PreferenceSource,
    SegmentPairs,
)

__all__ = ["Advice", "Exchanges", "LabelPreview", "preview_labels"]

Exchanges = Sequence[Sequence[tuple[str, str]]]
"""Of each pair all questions and raw answers: see `ExplainsLabels`."""

_PAIRS = 20  # each asked about twice
_TOO_MANY = 0.2  # share of answers that are none, from where on something is wrong
_POOR = 0.6  # share that is right, or alike in both orders, up to where it is near chance
_CHANCE = 0.5
_BROKEN = (Outcome.UNPARSABLE, Outcome.FAILED, Outcome.REFUSED)


@dataclass(frozen=True, slots=True)
class Advice:
    """What speaks against a job.

    Attributes:
        urgency: "stop": do not ask about the rest like this; "look": see for yourself first.
        text: why, and what to do.
    """

    urgency: Literal["stop", "look"]
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class LabelPreview:
    """What a labeller says of n pairs of a job of N.

    Attributes:
        pairs: the n pairs.
        rows: their positions in the job.
        n_job: N.
        question: what the labeller was shown of them, instructions included.
        labels: n answers.
        turned: n answers where the two segments changed places, as labels of the pairs as they
            are: where both orders agree, these are those of `labels`.
        truth: by the environment's own rewards; None where the data has none.
        said: raw answers of the pairs, and of the turned ones; None of a labeller without.
        forecast: what the labeller expects the whole job to take; None where it cannot tell.
        labelled_by: who answered, see `PreferenceDataset`; ``labels.labeller`` counts these.
    """

    pairs: SegmentPairList
    rows: Sequence[int]
    n_job: int
    question: SegmentPairs
    labels: PreferenceLabels
    turned: PreferenceLabels
    truth: PreferenceLabels | None
    said: tuple[Exchanges, Exchanges] | None
    forecast: CostForecast | None
    labelled_by: tuple[LabelRecord, ...]

    @property
    def both(self) -> PreferenceLabels:
        """All 2 n answers."""
        return PreferenceLabels.concatenate([self.labels, self.turned])

    @property
    def answered(self) -> Estimate:
        """Share of the 2 n answers that are some, a tie included."""
        return wilson_interval(float(self.both.answered.mean()), len(self.both))

    @property
    def right(self) -> Estimate:
        """Share of the pairs with a true order that are labelled so; a tie or none is half right.

        NaN where nothing is known of the truth.
        """
        if self.truth is None:
            return wilson_interval(float("nan"), 0)
        right = agreement(self.labels, self.truth)
        return wilson_interval(float(right.mean()) if len(right) else float("nan"), len(right))

    @property
    def alike(self) -> Estimate:
        """Share of the pairs answered in both orders whose answers agree; two ties do."""
        both = self.labels.answered & self.turned.answered
        alike = (sides(self.labels) == sides(self.turned))[both]
        return wilson_interval(float(alike.mean()) if len(alike) else float("nan"), len(alike))

    @property
    def first_shown(self) -> Estimate:
        """Share of all answers that prefer a side which prefer the one shown first; 0.5 is fair."""
        first = np.concatenate([-sides(self.labels), sides(self.turned)])
        first = first[first != 0] > 0
        return wilson_interval(float(first.mean()) if len(first) else float("nan"), len(first))

    @property
    def spent(self) -> CostForecast:
        """What these 2 n answers took."""
        both = self.both
        return CostForecast(float(len(both)), float(both.tokens.sum()), float(both.cost_usd.sum()))

    @property
    def job(self) -> CostForecast:
        """What the whole job will take: as the labeller foresees, else as these answers did."""
        measured = self.spent.times(self.n_job / len(self.both))
        if self.forecast is None:
            return measured
        known = self.forecast.cost_usd is not None
        return self.forecast if known else replace(self.forecast, cost_usd=measured.cost_usd)

    @property
    def job_seconds(self) -> float:
        """Time of the whole job, at the pace of these answers."""
        return float(self.both.seconds.mean()) * self.n_job

    def advice(self) -> list[Advice]:
        """What speaks against asking about the rest, the worst first."""
        found = [*self._of_outcomes(), *self._of_truth(), *self._of_order()]
        return sorted(found, key=lambda advice: advice.urgency == "look")

    def _of_outcomes(self) -> list[Advice]:
        both, counts = self.both, self.both.counts()
        found = []
        broken = {outcome: counts.get(outcome, 0) for outcome in _BROKEN}
        if sum(broken.values()) > _TOO_MANY * len(both):
            words = ", ".join(f"{n} {outcome.word}" for outcome, n in broken.items() if n)
            found.append(
                Advice(
                    "stop",
                    f"{words} of {len(both)} answers: the raw answers below say why. Change the "
                    "prompt or the model, or raise its limit of tokens.",
                )
            )
        n_unsure = counts.get(Outcome.UNSURE, 0) + counts.get(Outcome.SKIPPED, 0)
        if n_unsure > _TOO_MANY * len(both):
            found.append(
                Advice(
                    "look",
                    f"{n_unsure} of {len(both)} answers are unsure: those pairs are paid for and "
                    "not trained on. Can you tell the two apart? Else compare segments that differ "
                    "more, or take larger pictures.",
                )
            )
        answers = both.prefer_second[both.answered]
        if len(answers) and (answers == 0.5).all():
            found.append(
                Advice("stop", "All answers are ties, and nothing can be learnt from those.")
            )
        return found

    def _of_truth(self) -> list[Advice]:
        right = self.right
        if right.n == 0:
            return [
                Advice(
                    "look",
                    "Nothing is known of the truth here, as the data has no rewards of its own: "
                    "compare the labels with the pictures yourself.",
                )
            ]
        share = f"{right.mean * right.n:g} of {right.n} labels are right by the task's own reward"
        if right.high < _CHANCE:
            text = f"{share}: the wrong way round. Is it told the task that the pictures show?"
            return [Advice("stop", text)]
        if right.mean <= _POOR:
            text = f"{share}, which is near guessing. Can you tell the two apart on the pictures?"
            return [Advice("stop", text)]
        if right.low <= _CHANCE:
            text = (
                f"{share}, and as many may be by guessing: measure it on more pairs with "
                "`vlfeedback eval labels` if that is cheap."
            )
            return [Advice("look", text)]
        return []

    def _of_order(self) -> list[Advice]:
        alike, first = self.alike, self.first_shown
        if alike.n == 0 or alike.low > _CHANCE:
            return []
        shown = (
            f" It prefers what is shown first in {100 * first.mean:.0f} % of its answers, and "
            "should in half."
            if first.n
            else ""
        )
        text = (
            f"{alike.mean * alike.n:.0f} of {alike.n} pairs get the same answer when the two "
            f"change places.{shown} Another prompt or model may mind the order less."
        )
        return [Advice("stop" if alike.mean <= _POOR else "look", text)]


def preview_labels(
    pairs: SegmentPairList,
    labeller: PreferenceSource | str,
    *,
    instructions: Sequence[str] | None = None,
    n_pairs: int = _PAIRS,
) -> LabelPreview:
    """Ask a labeller about some pairs of a job, spread over it, in both orders.

    A labeller that measures all pairs does so here too. One that `DecidesTogether` is shown these
    alone.

    Args:
        pairs: all of the job.
        labeller: any preference source, or the id of one.
        instructions: what it is told of each pair of the job, or nothing.
        n_pairs: how many to look at.

    Raises:
        InvalidValueError: there are no pairs, or none is to be looked at.
        SourceAnswerError: the labeller answered with something that is no label of these pairs.

    What the labeller raises is raised.
    """
    if not pairs or n_pairs < 1:
        raise InvalidValueError(
            f"{n_pairs} of {len(pairs)} pairs to look at; expected at least one."
        )
    labeller = preference_source(labeller)
    if isinstance(labeller, MeasuresPairs):
        labeller = labeller.measured_on(pairs)
    forecast = foresee_job(labeller, pairs, instructions=instructions)
    rows = spread(len(pairs), n_pairs)
    chosen = [pairs[row] for row in rows]
    words = None if instructions is None else [instructions[row] for row in rows]
    question = gather_pairs(chosen, words, needs=labeller.needs)
    turned_question = SegmentPairs(question.second, question.first)
    if isinstance(labeller, DecidesTogether):
        labeller = labeller.decided_on([question, turned_question])
    labels, turned = (ask_labeller(labeller, asked) for asked in (question, turned_question))
    said = None
    if isinstance(labeller, ExplainsLabels):
        said = (labeller.explain(question), labeller.explain(turned_question))
    return LabelPreview(
        pairs=chosen,
        rows=rows,
        n_job=len(pairs),
        question=question,
        labels=labels,
        turned=replace(turned, prefer_second=1 - turned.prefer_second),
        truth=true_labels(chosen),
        said=said,
        forecast=forecast,
        labelled_by=records_of(labeller),
    )
