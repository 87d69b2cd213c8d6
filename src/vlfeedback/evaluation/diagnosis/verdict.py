"""From figures to a word: good, weak, or useless, and why.

A verdict rests on two questions that any reward must answer: which of two random clips is better,
and did this episode succeed. Each is judged by its 95 % interval, never by the figure alone. The
other figures can only hold a verdict back from "good".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from vlfeedback.evaluation.diagnosis.metrics import METRICS, MetricValue
from vlfeedback.evaluation.statistics import Estimate

__all__ = ["THRESHOLDS", "Verdict", "decide"]

# Guessing. Of random pairs the prior takes its place where it is higher: always the same side.
CHANCE = 0.5

# Labels that are right in three of four train as well as perfect ones, labels right in one of two
# train nothing (our CartPole sweep, p-iql, flips of 25 and 50 %): half-way between the two.
GOOD_PAIRS = 0.625

# An episode's success decides what a policy is selected for. Half-way from guessing to perfect.
GOOD_AUC = 0.75

# A ranking that keeps less than this of itself under other words, or from another corner, is not
# about the task alone. Cohen's "large" correlation.
STEADY = 0.5

THRESHOLDS: Mapping[str, float] = MappingProxyType(
    {
        "chance": CHANCE,
        "good_random_pairs": GOOD_PAIRS,
        "good_success_auc": GOOD_AUC,
        "steady_correlation": STEADY,
    }
)
"""What a verdict compares with; all but the last with the lower ends of intervals."""

Word = Literal["good", "weak", "useless"]

_SENTENCES: Mapping[Word, str] = {
    "good": "good: worth a training run",
    "weak": "weak: it knows something; train with it only beside a better one",
    "useless": "useless: not worth a training run",
}
# Beside the two questions: figures whose whole interval must lie above chance in a good source.
_MUST_BEAT_CHANCE = {
    "expert_over_random": "pays experts no more than random actions",
    "right_instruction": "does not tell the right instruction from a wrong one",
    "reversed_clips": "does not tell forwards from backwards",
}
_SHOULD_BE_STEADY = {
    "wording_correlation": "other wordings of the instruction rank clips differently",
    "camera_correlation": "another camera ranks the same states differently",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A word and its reasons."""

    word: Word
    reasons: tuple[str, ...]  # sentences, the weightiest first

    @property
    def sentence(self) -> str:
        """The word in plain words."""
        return _SENTENCES[self.word]


def decide(findings: Mapping[str, MetricValue], *, prior: float) -> Verdict:
    """Judge a source by its figures.

    - useless: neither of random pairs and of success is told better than by chance: both
      intervals begin at or below it. A question that this data cannot ask does not count; if
      success is not to be asked, experts against random actions stand in for it.
    - good: both intervals begin above their thresholds, and nothing else holds it back.
    - weak: everything in between.

    Args:
        findings: by the names of `METRICS`; those that are not there do not count.
        prior: share of the random pairs in which always the same side would be right, 0 to 1.
    """
    guess = CHANCE if math.isnan(prior) else max(CHANCE, prior)
    questions = [("random_pairs", guess, GOOD_PAIRS), ("success_auc", CHANCE, GOOD_AUC)]
    if _estimate(findings, "success_auc") is None:
        questions[1] = ("expert_over_random", CHANCE, GOOD_AUC)
    asked = [(e, *q) for q in questions if (e := _estimate(findings, q[0])) is not None]
    knows = [e.low > chance for e, _, chance, _ in asked]
    excels = [e.low > max(chance, good) for e, _, chance, good in asked]
    reasons = [_reason(*question) for question in asked]
    failings = [
        f"It {what}: {_shown(name, e)}."
        for name, what in _MUST_BEAT_CHANCE.items()
        if (e := _estimate(findings, name)) is not None and not e.low > CHANCE
    ]
    order = _estimate(findings, "value_order")
    if order is not None and order.high < 0:
        failings.append(f"It falls as experts progress: {_shown('value_order', order)}.")
    unsteady = [
        f"Beware: {what}: {_shown(name, e)}."
        for name, what in _SHOULD_BE_STEADY.items()
        if (e := _estimate(findings, name)) is not None and e.mean < STEADY
    ]
    word: Word = "weak"
    if not any(knows):
        word = "useless"
    elif all(excels) and not failings:
        word = "good"
    return Verdict(word, (*reasons, *failings, *unsteady))


def _estimate(findings: Mapping[str, MetricValue], name: str) -> Estimate | None:
    """The figure if there is a number with an interval."""
    found = findings.get(name)
    return found if isinstance(found, Estimate) and not math.isnan(found.low) else None


def _reason(e: Estimate, name: str, chance: float, good: float) -> str:
    title = METRICS[name].title
    shown = f"“{title}”: {_shown(name, e)}"
    if e.high < chance:
        return f"Worse than guessing at {shown}; guessing gives {100 * chance:.0f} %."
    if e.low <= chance:
        return f"No better than guessing at {shown}; guessing gives {100 * chance:.0f} %."
    if e.low <= good:
        return f"Better than guessing at {shown}; good begins above {100 * good:.0f} %."
    return f"Clearly better than guessing at {shown}."


def _shown(name: str, e: Estimate) -> str:
    if METRICS[name].unit == "%":
        return f"{100 * e.mean:.0f} % [{100 * e.low:.0f}, {100 * e.high:.0f}]"
    return f"{e.mean:.2f} [{e.low:.2f}, {e.high:.2f}]"
