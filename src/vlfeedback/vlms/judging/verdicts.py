"""What came of asking about one pair, of asking in both orders, and labels of many pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

import numpy as np

from vlfeedback.errors import InvalidValueError
from vlfeedback.types import Outcome, PreferenceLabels
from vlfeedback.types.labels import TiePolicy
from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.judging.replies import read_choice

__all__ = [
    "SKIPPED",
    "Verdict",
    "agreed",
    "checked_tie_policy",
    "labels_of",
    "outcome_of_unsure",
    "verdict_of_reply",
]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which of two is better, and what it took to find out.

    Attributes:
        prefer_second: in [0, 1], as in `PreferenceLabels`; where `outcome` is not ANSWERED it
            means nothing.
        outcome: what came of asking.
        cost_usd: of all questions about the pair, in US dollars.
        tokens: read and written.
        seconds: of all questions, as if they had been asked one after the other.
    """

    prefer_second: float = 0.5
    outcome: Outcome = Outcome.ANSWERED
    cost_usd: float = 0.0
    tokens: int = 0
    seconds: float = 0.0

    @classmethod
    def after(
        cls,
        answers: Sequence[Answer],
        *,
        prefer_second: float = 0.5,
        outcome: Outcome = Outcome.ANSWERED,
    ) -> Verdict:
        """This verdict, reached by these answers."""
        return cls(
            prefer_second,
            outcome,
            cost_usd=sum((answer.cost_usd for answer in answers), 0.0),
            tokens=sum(answer.tokens for answer in answers),
            seconds=sum((answer.seconds for answer in answers), 0.0),
        )

    def mirrored(self) -> Verdict:
        """The same of the pair in the other order."""
        return replace(self, prefer_second=1 - self.prefer_second)


SKIPPED = Verdict(outcome=Outcome.SKIPPED)
"""Of a pair that nobody was asked about."""


def verdict_of_reply(
    answers: Sequence[Answer], *, tie_policy: TiePolicy, line: Literal["first", "last"] = "first"
) -> Verdict:
    """The verdict that the last answer is, a label of RL-VLM-F's; see `read_choice`.

    Args:
        answers: all that was answered about the pair, at least one.
        tie_policy: what -1 means, unsure or no difference.
        line: which line of the reply was asked for.
    """
    if answers[-1].outcome != Outcome.ANSWERED:
        return Verdict.after(answers, outcome=answers[-1].outcome)
    choice = read_choice(answers[-1].text, line=line)
    if choice is None:
        return Verdict.after(answers, outcome=Outcome.UNPARSABLE)
    if choice == -1:
        return Verdict.after(answers, outcome=outcome_of_unsure(tie_policy))
    return Verdict.after(answers, prefer_second=float(choice))


def checked_tie_policy(word: str) -> TiePolicy:
    """The setting `tie_policy`, where it is one.

    Raises:
        InvalidValueError: it is another word.
    """
    for known in get_args(TiePolicy):
        if word == known:
            return cast("TiePolicy", known)
    raise InvalidValueError(
        f"tie_policy={word!r}; expected 'drop' (what a model cannot order is unsure, and never "
        "trained on) or 'half' (it is a tie)."
    )


def outcome_of_unsure(tie_policy: TiePolicy) -> Outcome:
    """What comes of a pair that a model cannot order: unsure ("drop"), or a tie ("half")."""
    return Outcome.UNSURE if tie_policy == "drop" else Outcome.ANSWERED


def agreed(forwards: Verdict, backwards: Verdict, *, tie_policy: TiePolicy) -> Verdict:
    """What a pair's two orders say together: where they differ, that nobody knows.

    Args:
        forwards: of the pair as it is.
        backwards: of the pair in the other order; see `Verdict.mirrored`.
        tie_policy: whether disagreement is `Outcome.UNSURE` ("drop") or a tie ("half").

    >>> first = Verdict(prefer_second=0.0)
    >>> agreed(first, Verdict(prefer_second=1.0), tie_policy="drop").outcome.word
    'answered'
    >>> agreed(first, Verdict(prefer_second=0.0), tie_policy="drop").outcome.word
    'unsure'
    """
    backwards = backwards.mirrored()
    both = (forwards, backwards)
    taken = Verdict(
        cost_usd=sum(one.cost_usd for one in both),
        tokens=sum(one.tokens for one in both),
        seconds=sum(one.seconds for one in both),
    )
    for one in both:
        if one.outcome not in (Outcome.ANSWERED, Outcome.UNSURE):
            return replace(taken, outcome=one.outcome)
    alike = forwards.prefer_second == backwards.prefer_second
    if alike and all(one.outcome == Outcome.ANSWERED for one in both):
        return replace(taken, prefer_second=forwards.prefer_second)
    return replace(taken, outcome=outcome_of_unsure(tie_policy))


def labels_of(verdicts: Sequence[Verdict]) -> PreferenceLabels:
    """The labels of N pairs."""
    return PreferenceLabels(
        np.array([one.prefer_second for one in verdicts], np.float32),
        np.array([one.outcome for one in verdicts], np.uint8),
        cost_usd=np.array([one.cost_usd for one in verdicts], np.float64),
        tokens=np.array([one.tokens for one in verdicts], np.int64),
        seconds=np.array([one.seconds for one in verdicts], np.float64),
    )
