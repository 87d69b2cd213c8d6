"""What comes of one reply, of two orders, and of many pairs."""

from typing import Literal

import numpy as np
import pytest

from vlfeedback.types import Outcome
from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.judging.verdicts import SKIPPED, Verdict, agreed, labels_of, verdict_of_reply

FIRST, SECOND = Verdict(prefer_second=0.0), Verdict(prefer_second=1.0)
UNSURE = Verdict(outcome=Outcome.UNSURE)
TIE = Verdict()


def test_zero_is_the_first_one_the_second_and_minus_one_unsure() -> None:
    said = [verdict_of_reply([Answer(text)], tie_policy="drop") for text in ("0", "1", "-1")]
    assert [(one.outcome, one.prefer_second) for one in said[:2]] == [
        (Outcome.ANSWERED, 0.0),
        (Outcome.ANSWERED, 1.0),
    ]
    assert said[2].outcome == Outcome.UNSURE


def test_unsure_may_be_a_tie_that_is_trained_on() -> None:
    said = verdict_of_reply([Answer("-1")], tie_policy="half")
    assert (said.outcome, said.prefer_second) == (Outcome.ANSWERED, 0.5)


@pytest.mark.parametrize("tie_policy", ["drop", "half"])
def test_a_reply_that_is_no_label_is_told_apart_from_unsure(
    tie_policy: Literal["drop", "half"],
) -> None:
    said = verdict_of_reply([Answer("Image 2.")], tie_policy=tie_policy)
    assert said.outcome == Outcome.UNPARSABLE


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.UNPARSABLE, Outcome.FAILED])
def test_what_is_no_answer_stays_what_it_is_whatever_its_words(outcome: Outcome) -> None:
    assert verdict_of_reply([Answer("1", outcome)], tie_policy="drop").outcome == outcome


def test_all_answers_about_a_pair_are_paid_for() -> None:
    answers = [
        Answer("...", tokens_in=100, tokens_out=20, cost_usd=0.01, seconds=2.0),
        Answer("1", tokens_in=30, tokens_out=1, cost_usd=0.002, seconds=0.5),
    ]
    said = verdict_of_reply(answers, tie_policy="drop")
    assert (said.tokens, said.seconds) == (151, 2.5)
    assert said.cost_usd == pytest.approx(0.012)


@pytest.mark.parametrize(
    ("forwards", "backwards", "outcome"),
    [
        (FIRST, SECOND, Outcome.ANSWERED),  # the same segment both times
        (SECOND, FIRST, Outcome.ANSWERED),
        (TIE, TIE, Outcome.ANSWERED),
        (FIRST, FIRST, Outcome.UNSURE),  # whatever comes first
        (FIRST, UNSURE, Outcome.UNSURE),
        (UNSURE, UNSURE, Outcome.UNSURE),
        (TIE, FIRST, Outcome.UNSURE),
        (FIRST, Verdict(outcome=Outcome.REFUSED), Outcome.REFUSED),
        (Verdict(outcome=Outcome.FAILED), UNSURE, Outcome.FAILED),
    ],
)
def test_two_orders_answer_where_they_agree(
    forwards: Verdict, backwards: Verdict, outcome: Outcome
) -> None:
    both = agreed(forwards, backwards, tie_policy="drop")
    assert both.outcome == outcome
    if outcome == Outcome.ANSWERED:
        assert both.prefer_second == forwards.prefer_second


def test_orders_that_differ_may_be_a_tie() -> None:
    both = agreed(FIRST, FIRST, tie_policy="half")
    assert (both.outcome, both.prefer_second) == (Outcome.ANSWERED, 0.5)


def test_both_orders_are_paid_for() -> None:
    one = Verdict(0.0, cost_usd=0.01, tokens=100, seconds=1.0)
    both = agreed(one, one.mirrored(), tie_policy="drop")
    assert (both.cost_usd, both.tokens, both.seconds) == (0.02, 200, 2.0)


def test_labels_have_a_row_for_each_verdict() -> None:
    taken = Verdict(1.0, cost_usd=0.01, tokens=100, seconds=1.5)
    labels = labels_of([taken, SKIPPED, UNSURE])
    assert labels.outcome.tolist() == [Outcome.ANSWERED, Outcome.SKIPPED, Outcome.UNSURE]
    assert labels.prefer_second[0] == 1.0 and labels.prefer_second.dtype == np.float32
    assert labels.tokens.tolist() == [100, 0, 0]
    assert labels.cost_usd.tolist() == [0.01, 0.0, 0.0]
    assert labels.seconds.tolist() == [1.5, 0.0, 0.0]
    assert len(labels_of([])) == 0
