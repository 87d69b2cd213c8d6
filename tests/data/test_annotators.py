"""Whom which pair of a queue is shown to, and what becomes of what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vlfeedback.data.annotators import LEASE_S, Annotators, ShownPair
from vlfeedback.data.label_queue import ClipPair, LabelQueue
from vlfeedback.errors import InvalidValueError

ADA, BEN, EVE = "secret-of-ada", "secret-of-ben", "secret-of-eve"


class Office:
    """A queue of pairs at a time that stands still unless it is moved."""

    def __init__(self, folder: Path) -> None:
        self.now = 1000.0
        self.queue = LabelQueue(folder, clock=lambda: self.now)
        self.people = Annotators(self.queue)

    def post(self, n: int, *, wanted: int = 1) -> list[str]:
        clips = [np.full((2, 8, 8, 3), value, np.uint8) for value in range(n + 1)]
        pairs = [ClipPair(clips[k], clips[k + 1], "push it") for k in range(n)]
        return self.queue.post(pairs, wanted=wanted)

    def shown(self, person: str) -> ShownPair:
        pair = self.people.next_pair(person)
        assert pair is not None
        return pair

    def number(self, person: str) -> int | None:
        pair = self.people.next_pair(person)
        return None if pair is None else pair.number


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_pairs_are_shown_in_the_order_in_which_they_were_posted(office: Office) -> None:
    office.post(3)
    for number in (1, 2, 3):
        assert office.number(ADA) == number
        assert office.people.answer(ADA, number, "equal")
    assert office.number(ADA) is None


def test_two_people_are_not_shown_the_same_pair(office: Office) -> None:
    office.post(3)
    assert [office.number(person) for person in (ADA, BEN, EVE, ADA)] == [1, 2, 3, 1]
    assert office.number("another-person") is None


def test_a_pair_goes_to_somebody_else_once_its_person_is_no_longer_heard_of(
    office: Office,
) -> None:
    office.post(1)
    assert office.number(ADA) == 1
    office.now += LEASE_S - 1
    assert office.number(ADA) == 1  # still there: the time begins anew
    office.now += LEASE_S - 1
    assert office.number(BEN) is None
    office.now += 2
    assert office.number(BEN) == 1
    assert office.number(ADA) is None


def test_who_answers_after_somebody_else_did_is_told_that_it_does_not_count(
    office: Office,
) -> None:
    office.post(1)
    office.shown(ADA)
    office.now += LEASE_S + 1
    office.shown(BEN)
    assert office.people.answer(BEN, 1, "equal")
    assert not office.people.answer(ADA, 1, "left")
    assert office.people.progress(ADA).yours == 0


def test_an_answer_that_is_sent_twice_is_kept_once_as_it_was(office: Office) -> None:
    tickets = office.post(1)
    assert office.people.answer(ADA, 1, "equal")
    assert office.people.answer(ADA, 1, "unsure")
    ((answer,),) = office.queue.read_answers(tickets)
    assert answer.choice == "equal"


def test_where_several_answers_are_wanted_different_people_give_them(office: Office) -> None:
    office.post(1, wanted=2)
    assert [office.number(person) for person in (ADA, BEN, EVE)] == [1, 1, None]
    assert office.people.answer(ADA, 1, "equal")
    assert office.number(ADA) is None  # once each
    assert office.people.answer(BEN, 1, "left")
    assert not office.people.answer(EVE, 1, "left")


def test_the_left_clip_is_the_first_in_about_half_of_the_pairs_and_stays_there(
    office: Office,
) -> None:
    tickets = office.post(200)
    is_first = []
    for ticket in tickets:
        shown = office.shown(ADA)
        assert office.shown(ADA) == shown
        office.people.answer(ADA, shown.number, "left")
        ((answer,),) = office.queue.read_answers([ticket])
        assert answer.choice == answer.shown_left
        is_first.append(answer.shown_left == "first")
    assert 70 < sum(is_first) < 130


def test_people_see_one_pair_in_different_orders(office: Office) -> None:
    office.post(1, wanted=40)
    lefts = {office.shown(f"person-{n:04}").left.digest for n in range(40)}
    assert len(lefts) == 2


def test_undo_takes_the_last_answer_back_and_shows_that_pair_again(office: Office) -> None:
    tickets = office.post(3)
    for number in (1, 2):
        office.shown(ADA)
        office.people.answer(ADA, number, "left")
    assert office.number(ADA) == 3
    undone = office.people.undo(ADA)
    assert undone is not None and undone.number == 2
    assert office.number(ADA) == 2
    assert office.number(BEN) == 3  # was given back
    assert office.queue.read_answers(tickets[1:2]) == [()]
    office.people.answer(ADA, 2, "equal")
    ((answer,),) = office.queue.read_answers(tickets[1:2])
    assert answer.choice == "equal"


def test_undo_goes_back_one_by_one_and_leaves_the_answers_of_others(office: Office) -> None:
    office.post(3)
    for person, number in ((ADA, 1), (BEN, 2), (ADA, 3)):
        office.people.answer(person, number, "equal")
    undone = [office.people.undo(ADA) for _ in range(3)]
    assert [pair and pair.number for pair in undone] == [3, 1, None]
    assert office.people.progress(ADA).done == 1


def test_what_a_labeller_has_read_is_not_taken_back(office: Office) -> None:
    tickets = office.post(1)
    office.people.answer(ADA, 1, "equal")
    office.queue.read_answers(tickets)
    assert office.people.undo(ADA) is None
    assert office.people.progress(ADA).yours == 1


def test_progress_counts_pairs_own_answers_and_how_often_people_agree(office: Office) -> None:
    office.post(3, wanted=2)
    office.post(4)
    for number, ada, ben in ((1, "equal", "equal"), (2, "equal", "unsure")):
        office.people.answer(ADA, number, ada)
        office.people.answer(BEN, number, ben)
    office.people.answer(ADA, 3, "equal")
    office.people.answer(BEN, 4, "equal")
    seen = office.people.progress(ADA)
    assert (seen.pairs, seen.done, seen.yours) == (4, 3, 3)
    assert (seen.shared, seen.agreed) == (2, 1)


def test_people_have_numbers_until_they_say_their_names(office: Office) -> None:
    assert [office.people.name_of(person) for person in (ADA, BEN, ADA)] == [
        *("person 1", "person 2", "person 1")
    ]
    assert office.people.rename(ADA, "  Ada\n ") == "Ada"
    assert office.people.rename(ADA, " \n") == "Ada"
    assert office.people.rename(BEN, "B" * 99) == "B" * 40


def test_what_is_no_answer_is_refused(office: Office) -> None:
    office.post(1)
    with pytest.raises(InvalidValueError, match=r"said='both'; expected one of left, right"):
        office.people.answer(ADA, 1, "both")
    with pytest.raises(InvalidValueError, match="no pair 9; reload the page"):
        office.people.answer(ADA, 9, "left")
