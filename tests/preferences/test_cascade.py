"""Cascades of labellers: who is asked about which pair, at what cost, and what comes out."""

from __future__ import annotations

import numpy as np
import pytest
from tests.preferences.cascades import (
    Said,
    Speaks,
    cascade,
    labelled,
)

from vlfeedback import make_preference_source
from vlfeedback.preferences.cascade import Cascade
from vlfeedback.testing import PreferenceSourceContract
from vlfeedback.types import (
    Outcome,
    PreferenceSource,
)

# --- the contract of labellers


class TestContract(PreferenceSourceContract):
    mirrored = False

    @pytest.fixture
    def source(self) -> Cascade:
        return cascade(Speaks(0), Speaks(1))


class TestContractOfOneMadeFromIds(PreferenceSourceContract):
    @pytest.fixture
    def source(self) -> PreferenceSource:
        stages = [{"labeller": "random", "settings": {"tie_margin": 1.0}}, "teacher"]
        return make_preference_source("cascade", stages=stages)


# --- what is sure stays, what is not goes on


def test_answers_that_are_sure_enough_stay_and_the_next_labeller_is_asked_about_the_others() -> (
    None
):
    model, person = Speaks(0), Speaks(1)
    made = labelled(
        [[0.95, 0.6, 0.05, 0.4], [0, 0, 1, 1]], {"sure_from": 0.9}, {}, labellers=[model, person]
    )
    np.testing.assert_allclose(made.labels.prefer_second, [0.95, 0, 0.05, 1])
    assert made.labels.labeller.tolist() == [0, 1, 0, 1]
    assert (model.asked, person.asked) == ([0, 1, 2, 3], [1, 3])


def test_an_answer_as_sure_as_the_threshold_stays_and_by_default_that_is_nine_tenths() -> None:
    made = labelled([[0.75, 0.25, 0.74], [0, 0, 0]], {"sure_from": 0.75}, {})
    assert made.labels.labeller.tolist() == [0, 0, 1]
    assert labelled([[0.91, 0.89], [0, 0]], {}, {}).labels.labeller.tolist() == [0, 1]


def test_one_who_answers_without_probabilities_is_sure_and_of_a_tie_as_it_is_said() -> None:
    said: list[Said] = [[1, 0, 0.5], [0, 1, 1]]
    assert labelled(said, {}, {}).labels.labeller.tolist() == [0, 0, 1]
    assert labelled(said, {"ties": "sure"}, {}).labels.labeller.tolist() == [0, 0, 0]


def test_whatever_is_no_answer_goes_on_but_what_was_skipped() -> None:
    made = labelled([[10 + outcome for outcome in Outcome], [1] * 6], {}, {})
    # 10 is "answered" without a side, a tie
    assert made.labels.labeller.tolist() == [1, 1, 1, 1, 1, 0]
    assert made.labels.outcome.tolist() == [0, 0, 0, 0, 0, Outcome.SKIPPED]


def test_costs_of_all_who_were_asked_about_a_pair_add_up() -> None:
    labellers = [Speaks(0, cost=0.25), Speaks(1, cost=2.0)]
    made = labelled([[0.99, 0.5], [1, 1]], {}, {}, labellers=labellers)
    assert made.labels.cost_usd.tolist() == [0.25, 2.25]
    assert made.labels.seconds.tolist() == [1, 2]
    first, second = made.summary()
    assert (first.pairs, first.cost_usd, second.pairs, second.cost_usd) == (1, 0.25, 1, 2.25)


def test_a_third_labeller_is_asked_about_what_two_leave_open() -> None:
    made = labelled([[0.6, 0.6, 0.95], [0.05, 0.4, 0.4], [1, 1, 1]], {}, {}, {})
    np.testing.assert_allclose(made.labels.prefer_second, [0.05, 1, 0.95])
    assert made.labels.labeller.tolist() == [1, 2, 0]


def test_the_last_labellers_tie_is_an_answer() -> None:
    made = labelled([[0.6], [0.5]], {}, {}, open_pairs="unsure")
    assert made.labels.prefer_second.tolist() == [0.5] and made.labels.answered.all()


@pytest.mark.parametrize("open_pairs", ["keep", "unsure"])
def test_what_the_last_does_not_answer_keeps_the_latest_answer_or_is_unsure(
    open_pairs: str,
) -> None:
    refused = 10.0 + Outcome.REFUSED
    made = labelled([[0.75, refused], [refused, refused]], {}, {}, open_pairs=open_pairs)
    kept = open_pairs == "keep"
    assert made.labels.outcome.tolist() == [
        Outcome.ANSWERED if kept else Outcome.UNSURE,
        Outcome.REFUSED,  # nobody has answered: as the last one said
    ]
    assert made.labels.labeller.tolist() == [0, 1]
    assert made.labels.prefer_second[0] == 0.75


def test_what_a_later_labeller_skips_is_skipped() -> None:
    made = labelled([[0.75], [10.0 + Outcome.SKIPPED]], {}, {})
    assert made.labels.outcome.tolist() == [Outcome.SKIPPED]
