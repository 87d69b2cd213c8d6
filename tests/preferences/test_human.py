"""People as labellers: what they are asked, and what their answers become."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.preferences.asked_models import pairs, segments

from vlfeedback import label_pairs, make_preference_source
from vlfeedback.data.annotators import Annotators
from vlfeedback.data.label_queue import LabelQueue
from vlfeedback.data.served_queues import serving
from vlfeedback.errors import InvalidValueError, NeedsError, VLFeedbackWarning
from vlfeedback.preferences.cascade import Cascade, CascadeConfig, Stage
from vlfeedback.preferences.human import HumanConfig, HumanLabeller, majority
from vlfeedback.scoring.foresight import foresee
from vlfeedback.testing import PreferenceSourceContract
from vlfeedback.testing.segments import random_segment_pairs
from vlfeedback.types import Outcome, SegmentPairs, class_and_settings

SAID = {"left": 0.0, "right": 1.0, "equal": 0.5, "unsure": None}


def labeller(queue: Path, **settings: Any) -> HumanLabeller:
    return HumanLabeller(
        HumanConfig(queue=str(queue), **{"undo_s": 0.0, "poll_s": 0.01} | settings)
    )


class Person:
    """Prefers the clip of the larger digest, wherever it stands; or says one thing always."""

    def __init__(self, queue: Path, says: str = "", name: str = "a-person") -> None:
        self.people = Annotators(LabelQueue(queue))
        self.says = says
        self.name = name
        self.asked = 0

    def __call__(self, tickets: Sequence[str] = ()) -> None:
        while (shown := self.people.next_pair(self.name)) is not None:
            larger = "left" if shown.left.digest > shown.right.digest else "right"
            self.people.answer(self.name, shown.number, self.says or larger, seconds=2.0)
            self.asked += 1


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Path]:
    """A queue that is served, so that nothing is warned of."""
    with serving(tmp_path / "queue"):
        yield tmp_path / "queue"


class TestContract(PreferenceSourceContract):
    picture_size = 16

    @pytest.fixture
    def source(self, queue: Path) -> HumanLabeller:
        config = HumanConfig(queue=str(queue), undo_s=0.0, poll_s=0.01)
        return HumanLabeller(config, while_waiting=Person(queue))


def test_somebody_who_answers_meanwhile_ends_the_waiting(queue: Path) -> None:
    person = threading.Thread(target=Person(queue, "equal"))
    source = HumanLabeller(
        labeller(queue).config,
        while_waiting=lambda tickets: None if person.ident else person.start(),
    )
    labels = source.label(pairs([0.2, 0.3], [0.7, 0.8]))
    person.join()
    assert labels.prefer_second.tolist() == [0.5, 0.5]
    assert labels.outcome.tolist() == [Outcome.ANSWERED] * 2
    assert labels.seconds.tolist() == [2.0, 2.0]


@pytest.mark.parametrize("says", SAID)
def test_what_is_said_of_a_side_is_the_label_of_the_segment_that_stood_there(
    queue: Path, says: str
) -> None:
    source = labeller(queue)
    given = pairs(np.linspace(0, 0.4, 12).tolist(), np.linspace(0.5, 1, 12).tolist())
    tickets = source.post(given)
    Person(queue, says)()
    labels = source.answers(tickets)
    expected = SAID[says]
    if expected is None:
        assert labels.outcome.tolist() == [Outcome.UNSURE] * 12
        return
    assert labels.outcome.tolist() == [Outcome.ANSWERED] * 12
    if says == "equal":
        assert labels.prefer_second.tolist() == [0.5] * 12
        return
    answers = LabelQueue(queue).read_answers(tickets)
    lefts = [said.shown_left for (said,) in answers]
    assert set(lefts) == {"first", "second"}  # sides were mixed
    by_side = [expected if left == "first" else 1 - expected for left in lefts]
    assert labels.prefer_second.tolist() == by_side


def test_posting_waits_for_nobody_and_answers_come_as_they_come(queue: Path) -> None:
    source = labeller(queue)
    tickets = source.post(pairs([0.2, 0.3], [0.7, 0.8]))
    assert source.answers(tickets).outcome.tolist() == [Outcome.SKIPPED] * 2
    people = Annotators(LabelQueue(queue))
    people.answer("a-person", 2, "equal")
    assert source.answers(tickets).outcome.tolist() == [Outcome.SKIPPED, Outcome.ANSWERED]
    Person(queue)()
    assert source.answers(tickets).answered.all()


def test_what_nobody_answers_in_time_is_skipped_and_its_later_answer_is_found(queue: Path) -> None:
    given = pairs([0.2, 0.3], [0.7, 0.8])
    source = labeller(queue, timeout_s=0.0)
    assert source.label(given).outcome.tolist() == [Outcome.SKIPPED] * 2
    Person(queue, "equal")()
    assert source.label(given).prefer_second.tolist() == [0.5, 0.5]


def test_another_labeller_finds_the_answers_and_nobody_is_asked_twice(queue: Path) -> None:
    given = pairs([0.2, 0.3], [0.7, 0.8])
    person = Person(queue)
    first = HumanLabeller(labeller(queue).config, while_waiting=person).label(given)
    again = labeller(queue).label(given)  # would wait for ever
    np.testing.assert_array_equal(first.prefer_second, again.prefer_second)
    assert person.asked == 2


_ASKS = """
import sys
sys.path.insert(0, sys.argv[2])
from tests.preferences.asked_models import pairs
from vlfeedback.preferences.human import HumanConfig, HumanLabeller
say = lambda tickets: print("waits", len(tickets), flush=True)
labeller = HumanLabeller(HumanConfig(queue=sys.argv[1], undo_s=0.0), while_waiting=say)
labeller.label(pairs([0.2, 0.3, 0.4], [0.7, 0.8, 0.9]))
"""


def test_a_labeller_that_was_killed_asks_again_and_gets_the_old_answers(queue: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", _ASKS, str(queue), str(root)]
    person = Person(queue, "equal")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waits 3\n"
        person.people.answer("a-person", 1, "equal")
        process.kill()
    person()  # nobody waits for these, and they are kept
    labels = labeller(queue).label(pairs([0.2, 0.3, 0.4], [0.7, 0.8, 0.9]))
    assert labels.prefer_second.tolist() == [0.5] * 3
    assert LabelQueue(queue).n_pairs == 3


def test_without_a_page_a_warning_says_once_how_to_serve_it(tmp_path: Path) -> None:
    folder = tmp_path / "my queue"
    person = Person(folder, "equal")
    looks: list[int] = []

    def wait_a_little(tickets: Sequence[str]) -> None:
        looks.append(len(tickets))
        if len(looks) == 3:
            person()

    source = HumanLabeller(labeller(folder).config, while_waiting=wait_a_little)
    with pytest.warns(VLFeedbackWarning) as warned:
        source.label(pairs([0.2], [0.7]))
    assert [str(warning.message) for warning in warned] == [
        "1 pair waits for people, and no page is served yet. In another terminal, run: "
        f"vlfeedback serve '{folder}'"
    ]


def test_of_several_answers_the_most_frequent_one_is_the_label(queue: Path) -> None:
    source = labeller(queue, answers_per_pair=3)
    tickets = source.post(pairs([0.2], [0.7]))
    for name in ("person-a", "person-b"):
        Person(queue, name=name)()
    assert source.answers(tickets).outcome.tolist() == [Outcome.SKIPPED]
    Person(queue, "unsure", name="person-c")()
    labels = source.answers(tickets)
    assert labels.outcome.tolist() == [Outcome.ANSWERED]
    assert labels.prefer_second.tolist() in ([0.0], [1.0])
    assert labels.seconds.tolist() == [6.0]


def test_people_who_disagree_evenly_have_no_label() -> None:
    assert majority(["first", "second", "equal", "first"]) == "first"
    assert majority(["first", "second"]) == "unsure"
    assert majority(["equal", "unsure", "unsure"]) == "unsure"
    with pytest.raises(InvalidValueError, match="0 choices"):
        majority([])


def test_clips_that_look_the_same_and_goals_that_differ_are_skipped_and_never_shown(
    queue: Path,
) -> None:
    source = labeller(queue)
    other_goal = SegmentPairs(segments([0.1]), segments([0.9], goal="open it"))
    for given in (pairs([0.5], [0.5]), other_goal):
        assert source.label(given).outcome.tolist() == [Outcome.SKIPPED]
    assert LabelQueue(queue).n_pairs == 0


def test_of_a_long_segment_pictures_are_shown_from_the_first_to_the_last(queue: Path) -> None:
    given = pairs([0.2], [0.7], n_pictures=20)
    labeller(queue, n_frames=5).post(given)
    shown = Annotators(LabelQueue(queue)).next_pair("a-person")
    assert shown is not None
    assert shown.left.pictures == shown.right.pictures == 5


def test_padding_after_the_end_of_a_segment_is_not_shown(queue: Path) -> None:
    given = pairs([0.2], [0.7], n_pictures=8)
    mask = np.arange(given.first.n_steps)[None] < 20
    given = SegmentPairs(replace(given.first, mask=mask), given.second)
    labeller(queue).post(given)
    shown = Annotators(LabelQueue(queue)).next_pair("a-person")
    assert shown is not None
    assert {shown.left.pictures, shown.right.pictures} == {3, 8}


def test_labels_of_people_go_into_a_file_that_knows_no_folder(queue: Path, tmp_path: Path) -> None:
    source = HumanLabeller(labeller(queue).config, while_waiting=Person(queue))
    asked = random_segment_pairs(
        source.needs, np.random.default_rng(0), picture_size=16, observation_size=3, action_size=2
    )
    path = tmp_path / "labels.parquet"
    labelled = label_pairs(asked, source, instruction="push it", save_to=path)
    assert labelled.labels.answered.all()
    assert class_and_settings(source)[1] == {
        "answers_per_pair": 1,
        "frame_stride": 7,
        "n_frames": 64,
    }
    moved = make_preference_source("human", queue=str(tmp_path / "moved"))
    again = label_pairs(asked, moved, instruction="push it", save_to=path)
    assert again.digest() == labelled.digest()
    assert not (tmp_path / "moved").exists()  # nothing was asked


def test_people_may_stand_last_in_a_cascade(queue: Path) -> None:
    person = Person(queue)
    people = HumanLabeller(labeller(queue).config, while_waiting=person)
    cascade = Cascade(
        CascadeConfig(stages=(Stage("picture-energy", sure_from=1.0), Stage("human"))),
        labellers=[make_preference_source("picture-energy", tie_margin=1e9), people],
    )
    labels = cascade.label(pairs([0.2, 0.3], [0.7, 0.8], n_pictures=8))
    assert person.asked == 2  # the first stage calls everything a tie
    assert set(labels.prefer_second.tolist()) <= {0.0, 1.0}
    assert labels.labeller.tolist() == [1, 1]


def test_what_it_takes_is_foreseen_in_answers(queue: Path) -> None:
    forecast = foresee(labeller(queue, answers_per_pair=3), pairs([0.2, 0.3], [0.7, 0.8]))
    assert forecast is not None
    assert (forecast.questions, forecast.cost_usd) == (6.0, 0.0)
    assert not queue.joinpath("queue.sqlite").exists()


def test_settings_are_checked_when_it_is_made(tmp_path: Path) -> None:
    with pytest.raises(NeedsError, match=r"queue is ''; pass queue=FOLDER, and run: vlfeedback"):
        make_preference_source("human")
    wrong: list[tuple[str, Any, str]] = [
        *((name, 0, "=0; expected at least 1") for name in ("answers_per_pair", "n_frames")),
        ("frame_stride", 0, "=0; expected at least 1"),
        ("poll_s", 0.0, "=0.0; expected more than 0 seconds"),
        *((name, -1.0, "=-1.0; expected at least 0 sec") for name in ("timeout_s", "undo_s")),
    ]
    for name, value, problem in wrong:
        with pytest.raises(InvalidValueError, match=name + problem):
            make_preference_source("human", queue=str(tmp_path), **{name: value})
    source = make_preference_source("human", queue=str(tmp_path), frame_stride=3)
    assert source.needs.frame_stride == 3
