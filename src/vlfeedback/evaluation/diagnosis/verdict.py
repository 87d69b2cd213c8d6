"""The verdict on a source, from its figures: good, weak, useless or inconclusive, and why.

A verdict depends on two questions that any reward must answer: which of two random segments is
better, and did this episode succeed. Each is judged by its 95 % interval, never by the figure
alone. The other figures can only hold a verdict back from "good". Where an interval reaches from
what is not good to what is, more episodes may decide either way, and the verdict says so. Pages
and documents take the rule in words from `describe_rule`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from vlfeedback.evaluation.diagnosis.metrics import (
    METRICS,
    MetricValue,
    show_interval,
    show_value,
)
from vlfeedback.evaluation.statistics import Estimate

__all__ = ["CHANCE", "GOOD_AUC", "GOOD_PAIRS", "THRESHOLDS", "Verdict", "decide", "describe_rule"]

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

Word = Literal["good", "weak", "useless", "inconclusive"]

_SENTENCES: Mapping[Word, str] = {
    "good": "good: worth a training run",
    "weak": "weak: it knows something; train with it only beside a better one",
    "useless": "useless: not worth a training run",
    "inconclusive": "inconclusive: too few episodes to say; measure with more of them",
}
_PAIRS, _SUCCESS, _IN_PLACE_OF_SUCCESS = "random_pairs", "success_auc", "expert_over_random"
# Beside the two questions: figures whose whole interval must lie above chance in a good source.
_MUST_BEAT_CHANCE = {
    "expert_over_random": "pays experts no more than random actions",
    "expert_over_rest": "pays experts no more than doing nothing",
    "expert_over_half": "pays experts no more than half of their work and then nothing",
    "right_instruction": "does not tell the right instruction from a wrong one",
    "reversed_clips": "does not tell forwards from backwards",
}
_MUST_NOT_FALL = {"value_order": "falls as experts progress"}
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
        """The verdict as a sentence."""
        return _SENTENCES[self.word]


def decide(metrics: Mapping[str, MetricValue], *, prior: float) -> Verdict:
    """Judge a source by its figures, by the rule of `describe_rule`.

    A question that this data cannot answer does not count; where that is success, experts against
    random actions stand in for it.

    Args:
        metrics: by the names of `METRICS`; those that are not there do not count.
        prior: share of the random pairs in which always the same side would be right, 0 to 1.
    """
    guess = CHANCE if math.isnan(prior) else max(CHANCE, prior)
    questions = [(_PAIRS, guess, GOOD_PAIRS), (_SUCCESS, CHANCE, GOOD_AUC)]
    if _estimate(metrics, _SUCCESS) is None:
        questions[1] = (_IN_PLACE_OF_SUCCESS, CHANCE, GOOD_AUC)
    answers = [(e, *q) for q in questions if (e := _estimate(metrics, q[0])) is not None]
    above_chance = [e.low > chance for e, _, chance, _ in answers]
    above_good = [e.low > max(chance, good) for e, _, chance, good in answers]
    below_good = [e.high <= max(chance, good) for e, _, chance, good in answers]
    reasons = [_reason(*answer) for answer in answers]
    failings, undecided = _failings(metrics)
    unsteady = [
        f"Beware: {statement}: {_shown(name, e)}."
        for name, statement in _SHOULD_BE_STEADY.items()
        if (e := _estimate(metrics, name)) is not None and e.mean < STEADY
    ]
    word: Word = "inconclusive"
    if any(above_chance) and (any(below_good) or failings):
        word = "weak"
    elif any(above_chance) and all(above_good) and not undecided:
        word = "good"
    elif answers and not any(above_chance) and all(below_good):
        word = "useless"
    return Verdict(word, (*reasons, *failings, *undecided, *unsteady))


def describe_rule(thresholds: Mapping[str, float] = THRESHOLDS) -> dict[str, str]:
    """The rule in words.

    Args:
        thresholds: those that were compared with, of a result's own where it keeps them.

    Returns:
        A sentence for each word, ``"useless"``, ``"good"``, ``"weak"`` and ``"inconclusive"``, and
        for ``"beware"``.
    """
    percent = {name: f"{100 * value:g} %" for name, value in thresholds.items()}
    pairs, success = (f"“{METRICS[name].title}”" for name in (_PAIRS, _SUCCESS))
    failings = [*_MUST_BEAT_CHANCE.values(), *_MUST_NOT_FALL.values()]
    return {
        "useless": (
            f"neither of {pairs} and {success} has its whole interval above {percent['chance']}, "
            "for the former above the prior where always preferring the same side is right more "
            "often; and none reaches what is good."
        ),
        "good": (
            f"the former's interval lies above {percent['good_random_pairs']}, the latter's above "
            f"{percent['good_success_auc']}, and nothing holds the source back: that it "
            f"{', '.join(failings[:-1])}, or {failings[-1]}."
        ),
        "weak": (
            "one of the two is above guessing, and the interval of one lies below what is good, or "
            "something holds the source back."
        ),
        "inconclusive": (
            "everything else: an interval reaches from what is not good to what is, so that more "
            "episodes may decide either way."
        ),
        "beware": (
            "A rank correlation across wordings or cameras below "
            f"{thresholds['steady_correlation']:g} is a warning and holds no verdict back, since a "
            "policy is trained under one."
        ),
    }


def _failings(metrics: Mapping[str, MetricValue]) -> tuple[list[str], list[str]]:
    """What keeps a source from being good, whatever it answers to the two questions; and what may.

    As with the two questions, an interval that reaches from guessing to `GOOD_AUC` decides nothing.
    """
    failings, undecided = [], []
    for name, statement in _MUST_BEAT_CHANCE.items():
        if (e := _estimate(metrics, name)) is None or e.low > CHANCE:
            continue
        if e.high > GOOD_AUC:
            undecided.append(f"Too few episodes to say whether it {statement}: {_shown(name, e)}.")
        else:
            failings.append(f"It {statement}: {_shown(name, e)}.")
    failings += [
        f"It {statement}: {_shown(name, e)}."
        for name, statement in _MUST_NOT_FALL.items()
        if (e := _estimate(metrics, name)) is not None and e.high < 0
    ]
    return failings, undecided


def _estimate(metrics: Mapping[str, MetricValue], name: str) -> Estimate | None:
    """The figure if there is a number with an interval."""
    metric = metrics.get(name)
    return metric if isinstance(metric, Estimate) and not math.isnan(metric.low) else None


def _reason(e: Estimate, name: str, chance: float, good: float) -> str:
    finding = f"“{METRICS[name].title}”: {_shown(name, e)}"
    guessing, good_begins = f"{100 * chance:.0f} %", f"{100 * max(chance, good):.0f} %"
    if e.high < chance:
        return f"Worse than guessing at {finding}; guessing gives {guessing}."
    if e.low > max(chance, good):
        return f"Clearly better than guessing at {finding}."
    could_be_good = e.high > max(chance, good)
    if e.low > chance and could_be_good:
        return (
            f"Better than guessing at {finding}; too few episodes to say whether it is good, above "
            f"{good_begins}."
        )
    if e.low > chance:
        return f"Better than guessing at {finding}; good begins above {good_begins}."
    if could_be_good:
        return (
            f"Too few episodes to say anything of {finding}; guessing gives {guessing}, good "
            f"begins above {good_begins}."
        )
    return f"No better than guessing at {finding}; guessing gives {guessing}."


def _shown(name: str, e: Estimate) -> str:
    unit = METRICS[name].unit
    sign = " %" if unit == "%" else ""
    return f"{show_value(e.mean, unit)}{sign} {show_interval((e.low, e.high), unit)}"
