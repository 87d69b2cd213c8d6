"""The queue as labellers use it, and what is left of it where a process is killed."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vlfeedback.data.annotators import Annotators
from vlfeedback.data.label_queue import ClipPair, LabelQueue
from vlfeedback.data.queued_clips import draw_sheet, write_clip
from vlfeedback.data.served_queues import is_served, serving
from vlfeedback.errors import FileFormatError, UnknownNameError, WriteError

GOAL = "push it"


def clip(value: int, *, pictures: int = 3) -> np.ndarray:
    return np.full((pictures, 8, 12, 3), value, np.uint8)


def pair(first: int, second: int, goal: str = GOAL) -> ClipPair:
    return ClipPair(clip(first), clip(second), goal)


def say(queue: LabelQueue, choice: str, person: str = "a-person") -> None:
    """Answer the next pair: "first" and "second" as the queue has them, whichever side that is."""
    people = Annotators(queue)
    shown = people.next_pair(person)
    assert shown is not None
    query = "SELECT first FROM pairs WHERE number = ?"
    first = queue.file.database.execute(query, (shown.number,)).fetchone()[0]
    sides = {"first": "left", "second": "right"}
    if shown.left.digest != first:
        sides = {"first": "right", "second": "left"}
    assert people.answer(person, shown.number, sides.get(choice, choice), 2.5)


def choices(queue: LabelQueue, tickets: list[str], **settings: Any) -> list[list[str]]:
    answers = queue.read_answers(tickets, **settings)
    return [[one.choice for one in said] for said in answers]


def test_the_same_pair_is_asked_about_once_by_whoever_posts_it(tmp_path: Path) -> None:
    one, other = LabelQueue(tmp_path), LabelQueue(tmp_path)
    assert one.post([pair(1, 2), pair(1, 2)]) == other.post([pair(1, 2)]) * 2
    assert other.n_pairs == 1


def test_the_same_pair_the_other_way_round_has_the_mirrored_answer(tmp_path: Path) -> None:
    queue = LabelQueue(tmp_path)
    tickets = queue.post([pair(1, 2), pair(2, 1)])
    assert queue.n_pairs == 1
    say(queue, "first")
    ((one,), (other,)) = choices(queue, tickets)
    assert {one, other} == {"first", "second"}


@pytest.mark.parametrize("choice", ["equal", "unsure"])
def test_what_has_no_side_is_the_same_either_way(tmp_path: Path, choice: str) -> None:
    queue = LabelQueue(tmp_path)
    tickets = queue.post([pair(1, 2), pair(2, 1)])
    say(queue, choice)
    assert choices(queue, tickets) == [[choice], [choice]]


def test_another_picture_or_another_instruction_is_another_pair(tmp_path: Path) -> None:
    queue = LabelQueue(tmp_path)
    tickets = queue.post([pair(1, 2), pair(1, 3), pair(1, 2, "pull it")])
    assert len(set(tickets)) == queue.n_pairs == 3


def test_an_answer_says_who_gave_it_how_long_it_took_and_what_stood_on_the_left(
    tmp_path: Path,
) -> None:
    queue = LabelQueue(tmp_path)
    Annotators(queue).rename("a-person", "Ada")
    tickets = queue.post([pair(1, 2)])
    shown = Annotators(queue).next_pair("a-person")
    assert shown is not None
    Annotators(queue).answer("a-person", shown.number, "left", 2.5)
    ((answer,),) = queue.read_answers(tickets)
    assert (answer.person, answer.seconds) == ("Ada", 2.5)
    assert answer.choice == answer.shown_left  # the left one was preferred


def test_answers_count_once_there_are_as_many_as_are_wanted(tmp_path: Path) -> None:
    queue = LabelQueue(tmp_path)
    tickets = queue.post([pair(1, 2)], wanted=2)
    say(queue, "first", "person-a")
    assert choices(queue, tickets, wanted=2) == [[]]
    say(queue, "equal", "person-b")
    assert len(choices(queue, tickets, wanted=2)[0]) == 2


def test_who_wants_more_answers_than_there_are_has_the_pair_asked_about_again(
    tmp_path: Path,
) -> None:
    queue = LabelQueue(tmp_path)
    tickets = queue.post([pair(1, 2)])
    say(queue, "equal", "person-a")
    assert Annotators(queue).next_pair("person-b") is None
    queue.post([pair(1, 2)], wanted=2)
    say(queue, "unsure", "person-b")
    assert choices(queue, tickets, wanted=2) == [["equal", "unsure"]]
    assert choices(queue, tickets) == [["equal"]]  # whoever wanted one has what it had


def test_answers_that_may_still_be_taken_back_do_not_count_yet(tmp_path: Path) -> None:
    now = [100.0]
    queue = LabelQueue(tmp_path, clock=lambda: now[0])
    tickets = queue.post([pair(1, 2)])
    say(queue, "equal")
    assert choices(queue, tickets, settled_s=5.0) == [[]]
    now[0] += 5.0
    assert choices(queue, tickets, settled_s=5.0) == [["equal"]]
    now[0] -= 3.0
    assert choices(queue, tickets, settled_s=5.0) == [["equal"]]  # what was read stays


def test_a_ticket_of_another_queue_is_refused(tmp_path: Path) -> None:
    (ticket,) = LabelQueue(tmp_path / "one").post([pair(1, 2)])
    with pytest.raises(UnknownNameError, match=rf"no pair with the ticket '{ticket}'; post the"):
        LabelQueue(tmp_path / "other").read_answers([ticket])


def test_a_clip_is_one_lossless_file_of_its_pictures_in_rows(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    frames = draw.integers(0, 256, (5, 8, 12, 3), dtype=np.uint8)
    written = write_clip(tmp_path, frames)
    assert (written.pictures, written.columns, written.width, written.height) == (5, 3, 12, 8)
    sheet = np.asarray(Image.open(tmp_path / f"{written.digest}.png"))
    np.testing.assert_array_equal(sheet, draw_sheet(frames))
    np.testing.assert_array_equal(sheet[8:16, 12:24], frames[4])
    assert not sheet[8:, 24:].any()
    assert write_clip(tmp_path, frames) == written


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "queue").touch()
    with pytest.raises(WriteError, match="a file is where its folder is to be"):
        LabelQueue(tmp_path / "queue")


def test_a_damaged_queue_says_what_to_do(tmp_path: Path) -> None:
    LabelQueue(tmp_path).post([pair(1, 2)])
    (tmp_path / "queue.sqlite").write_bytes(b"nothing of a database" * 100)
    with pytest.raises(FileFormatError, match="Move the folder away, or name another one"):
        LabelQueue(tmp_path)


def test_an_instruction_may_be_any_text(tmp_path: Path) -> None:
    queue = LabelQueue(tmp_path)
    queue.post([pair(1, 2, "<b>'\"; DROP TABLE pairs \udc80")])
    shown = Annotators(queue).next_pair("a-person")
    assert shown is not None
    assert shown.instruction == "<b>'\"; DROP TABLE pairs ?"


def test_threads_that_post_and_answer_at_once_lose_nothing(tmp_path: Path) -> None:
    said: list[int] = []

    def post(start: int) -> None:
        queue = LabelQueue(tmp_path)
        for value in range(start, start + 10):
            queue.post([pair(value, value + 100)])

    def answer(person: str) -> None:
        people = Annotators(LabelQueue(tmp_path))
        while len(said) < 20:
            shown = people.next_pair(person)
            if shown is not None and people.answer(person, shown.number, "equal"):
                said.append(shown.number)

    threads = [threading.Thread(target=post, args=(start,)) for start in (0, 50)]
    threads += [threading.Thread(target=answer, args=(f"person-{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == list(range(1, 21))  # each pair once


_POSTS = """
import sys, numpy as np
from vlfeedback.data.annotators import Annotators
from vlfeedback.data.label_queue import ClipPair, LabelQueue
queue = LabelQueue(sys.argv[1])
people = Annotators(queue)
for value in range(200):
    first, second = (np.full((3, 8, 12, 3), v, np.uint8) for v in (value, value + 1))
    queue.post([ClipPair(first, second, "push it")])
    print("posted", value, flush=True)
    people.answer("a-person", people.next_pair("a-person").number, "equal")
    print("answered", value, flush=True)
"""


def test_whoever_is_killed_has_lost_nothing_that_was_posted_or_answered(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _POSTS, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(13)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
    counts = [sum(word in line for line in lines) for word in ("posted", "answered")]
    assert counts[1] >= 6
    queue = LabelQueue(tmp_path)
    assert counts[0] <= queue.n_pairs <= counts[0] + 1
    tickets = queue.post([pair(value, value + 1) for value in range(counts[1])])
    assert choices(queue, tickets) == [["equal"]] * counts[1]
    for name in queue.file.database.execute("SELECT digest FROM clips"):
        assert re.fullmatch("[0-9a-f]{32}", *name)
        with Image.open(queue.clip_path(*name)) as sheet:
            sheet.load()


def test_a_queue_is_served_for_as_long_as_somebody_serves_it(tmp_path: Path) -> None:
    assert not is_served(tmp_path / "queue")
    with serving(tmp_path / "queue"):
        with serving(tmp_path / "queue"):
            assert is_served(tmp_path / "queue")
        assert is_served(tmp_path / "queue")
    assert not is_served(tmp_path / "queue")
