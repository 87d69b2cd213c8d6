"""GVL against a judge on this machine that sees the true progress in the pictures."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tests.rewards.judges import (
    INSTRUCTION,
    Judge,
    clip,
    frames_of_gvl,
    grey,
    gvl_judge,
    levels_seen,
    percentages,
    seen,
)

from vlfeedback.errors import InvalidValueError, NeedsError, SourceAnswerError
from vlfeedback.rewards.gvl import GVLConfig, GVLReward, read_percentages
from vlfeedback.testing import RewardSourceContract
from vlfeedback.testing.chat_server import ChatServer, Reply
from vlfeedback.types import SegmentBatch

FIVE = (51, 102, 153, 204, 255)  # 20, 40 ... 100 percent


def gvl(server: ChatServer, **settings: Any) -> GVLReward:
    return GVLReward(GVLConfig(model="judge", base_url=server.url, store="none", **settings))


class TestContract(RewardSourceContract):
    picture_size = 8

    @pytest.fixture
    def source(self) -> Iterator[GVLReward]:
        with ChatServer(otherwise=gvl_judge) as server:
            yield gvl(server)


class TestContractOfWindows(RewardSourceContract):
    picture_size = 8

    @pytest.fixture
    def source(self) -> Iterator[GVLReward]:
        with ChatServer(otherwise=gvl_judge) as server:
            yield gvl(server, window=50)


# The question ------------------------------------------------------------------------------------


def test_the_reset_is_shown_as_0_percent_and_the_others_in_random_order() -> None:
    with ChatServer(otherwise=gvl_judge) as server:
        gvl(server).rewards(clip(*FIVE, reset=7))
        (request,) = server.requests
    parts = seen(request)
    assert [type(part) for part in parts] == [str, int, str] + [str, int] * 5 + [str]
    assert INSTRUCTION in parts[0]
    assert parts[0].endswith("Initial scene, at 0 percent:")
    assert parts[1] == 7
    shuffled = levels_seen(request)[1:]
    assert shuffled != list(FIVE)
    assert sorted(shuffled) == list(FIVE)
    assert list(frames_of_gvl(request)) == [1, 2, 3, 4, 5]
    for field in ("frame_number", "frame_description", "task_completion_percentage"):
        assert field in parts[-1]


def test_a_clip_always_gives_the_same_question_and_another_seed_or_task_another_order() -> None:
    levels = tuple(range(10, 240, 20))
    with ChatServer(otherwise=gvl_judge) as server:
        for source in (gvl(server), gvl(server), gvl(server, seed=1)):
            source.rewards(clip(*levels))
        other_task = SegmentBatch(
            frames=grey(*levels)[None], first_frames=grey(0), instructions=["open the window"]
        )
        gvl(server).rewards(other_task)
        first, again, seeded, told_other = (levels_seen(request) for request in server.requests)
    assert first == again
    assert first != seeded
    assert first != told_other
    assert sorted(first) == sorted(seeded) == sorted(told_other)


def test_at_most_fifteen_pictures_are_shown_first_and_last_among_them() -> None:
    levels = tuple(range(5, 245, 6))  # 40 pictures
    with ChatServer(otherwise=gvl_judge) as server:
        gvl(server).rewards(clip(*levels))
        gvl(server, n_frames=4).rewards(clip(*levels))
        many, few = (sorted(levels_seen(request)) for request in server.requests)
    assert len(many) == 15
    assert [many[0], many[1], many[-1]] == [0, 5, 239]
    assert few == [0, 5, 125, 239]  # the reset, the first, the twentieth of 39, the last


def test_a_world_that_has_not_moved_yet_is_shown_once() -> None:
    with ChatServer(otherwise=gvl_judge) as server:
        gvl(server).rewards(clip(9, 9, 9, 9, 100, 255, reset=9))
        assert sorted(levels_seen(server.requests[0])) == [9, 9, 100, 255]


# The answer --------------------------------------------------------------------------------------


def test_the_reward_is_the_progress_by_the_last_picture_at_the_last_step() -> None:
    with ChatServer(otherwise=gvl_judge) as server:
        rewards = gvl(server).rewards(clip(255, 51, 204, 102, stride=2))
    np.testing.assert_allclose(rewards, [[0, 0, 0, 0, 0, 0, 0.4]], atol=1e-6)


def test_the_curve_has_every_picture_in_its_place_whatever_the_order_of_the_question() -> None:
    levels = (255, 51, 204, 102, 153)
    for seed in range(3):
        with ChatServer(otherwise=gvl_judge) as server:
            curve = gvl(server, seed=seed).curve(clip(*levels))
        np.testing.assert_allclose(curve, [[1.0, 0.2, 0.8, 0.4, 0.6]], atol=1e-6)


def test_pictures_that_were_not_shown_lie_on_a_line_between_those_that_were() -> None:
    with ChatServer(otherwise=gvl_judge) as server:
        curve = gvl(server, n_frames=3).curve(clip(*FIVE))  # the reset, the first and the last
    np.testing.assert_allclose(curve, [[0.2, 0.4, 0.6, 0.8, 1.0]], atol=1e-6)


def forgetful(*forgotten: int, again: Judge) -> Judge:
    """Leaves frames out of its first answer."""

    def judge(request: Any) -> Reply:
        if len(request["messages"]) > 1:
            return again(request)
        return Reply(percentages(frames_of_gvl(request), leave_out=forgotten))

    return judge


def test_what_is_missing_is_asked_for_once_more_and_that_alone() -> None:
    def again(request: Any) -> Reply:
        frames = frames_of_gvl(request)
        return Reply(percentages({2: frames[2], 4: frames[4], 1: 0}))

    with ChatServer(otherwise=forgetful(2, 4, again=again)) as server:
        curve = gvl(server).curve(clip(*FIVE))
        first, second = server.requests
    np.testing.assert_allclose(curve, [[0.2, 0.4, 0.6, 0.8, 1.0]], atol=1e-6)
    assert [turn["role"] for turn in second["messages"]] == ["user", "assistant", "user"]
    assert second["messages"][0] == first["messages"][0]
    assert "for these frames: 2, 4. " in seen(second)[0]


@pytest.mark.parametrize(
    "first",
    [
        "I cannot tell.",
        json.dumps([{"frame_number": n, "task_completion_percentage": 40} for n in range(5)]),
        json.dumps([{"frame_number": n, "task_completion_percentage": 110} for n in range(1, 6)]),
        json.dumps([{"frame_number": n % 5 + 1, "task_completion_percentage": n} for n in range(9)])
        + json.dumps([{"frame_number": 5, "task_completion_percentage": 70}]),
    ],
    ids=["no list", "numbered from 0", "out of range", "twice"],
)
def test_an_answer_that_is_none_is_asked_for_once_more(first: str) -> None:
    def judge(request: Any) -> Reply:
        return Reply(first) if len(request["messages"]) == 1 else gvl_judge(request)

    with ChatServer(otherwise=judge) as server:
        curve = gvl(server).curve(clip(*FIVE))
        assert len(server.requests) == 2
    np.testing.assert_allclose(curve, [[0.2, 0.4, 0.6, 0.8, 1.0]], atol=1e-6)


def test_what_is_still_missing_is_an_error_that_names_the_clip() -> None:
    def again(request: Any) -> Reply:
        return Reply(percentages(frames_of_gvl(request), leave_out=(3, 5)))

    batch = clip(*FIVE)
    with (
        ChatServer(otherwise=forgetful(3, 4, 5, again=again)) as server,
        pytest.raises(
            SourceAnswerError,
            match=r"'gvl' got no usable answer of 'judge' about segment 0 of 1, 'close the drawer'"
            r"\. Asked again, it left out the percentages of frames 3, 5\. It said .*frame_number",
        ) as caught,
    ):
        gvl(server).rewards(batch)
    assert len(server.requests) == 2
    assert caught.value.row == 0


def test_or_it_scores_what_the_settings_say(caplog: pytest.LogCaptureFixture) -> None:
    def judge(request: Any) -> Reply:
        if 255 in frames_of_gvl(request).values():
            return Reply("no idea")
        return gvl_judge(request)

    batch = SegmentBatch(
        frames=np.stack([grey(51, 102), grey(51, 255)]),
        first_frames=grey(0, 0),
        instructions=[INSTRUCTION] * 2,
    )
    with ChatServer(otherwise=judge) as server, caplog.at_level(logging.WARNING):
        rewards = gvl(server, if_unanswered=-1.0).rewards(batch)
    np.testing.assert_allclose(rewards, [[0, 0.4], [0, -1.0]], atol=1e-6)
    assert "about segment 1 of 2" in caplog.text
    assert "It scores if_unanswered=-1.0." in caplog.text


ENTRY = '{"frame_number": %s, "frame_description": "a {b} c", "task_completion_percentage": %s}'


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (f"[{ENTRY % (1, 10)}, {ENTRY % (2, 99.5)}]", {1: 10.0, 2: 99.5}),
        (f"```json\n[{ENTRY % (2, 0)}]\n```", {2: 0.0}),
        ('{"frames": [' + ENTRY % (1, 100) + "]}", {1: 100.0}),
        (f"[{ENTRY % (1, 10)}, {(ENTRY % (2, 20))[:-9]}", {1: 10.0}),  # cut off
        (ENTRY % ('"Frame 2"', '"45%"') + "\n" + ENTRY % ('"1"', '"7"'), {2: 45.0, 1: 7.0}),
        (f"[{ENTRY % (1, 10)}, {ENTRY % (1, 10)}]", {1: 10.0}),
        (f"[{ENTRY % (1, 10)}, {ENTRY % (1, 11)}, {ENTRY % (2, 5)}]", {2: 5.0}),
        (f"[{ENTRY % (1, -1)}, {ENTRY % (2, 101)}]", {}),
        (f"[{ENTRY % (1, 'null')}, {ENTRY % (2, 'true')}, {ENTRY % (2, 'NaN')}]", {}),
        (f"[{ENTRY % (0, 10)}, {ENTRY % (1, 20)}]", {}),  # which frame is meant?
        (f"[{ENTRY % (1.5, 10)}, {ENTRY % (1, 20)}]", {}),
        (f"[{ENTRY % (3, 10)}, {ENTRY % (1, 20)}]", {}),
        ("Frame 1: 30%", {}),
        ("", {}),
    ],
)
def test_percentages_are_read_from_whatever_stands_around_them(
    text: str, read: dict[int, float]
) -> None:
    assert read_percentages(text, 2) == read


# Refused -----------------------------------------------------------------------------------------


def test_without_the_picture_of_the_reset_nobody_is_asked() -> None:
    with ChatServer() as server:
        batch = SegmentBatch(frames=grey(1, 2)[None], instructions=[INSTRUCTION])
        with pytest.raises(NeedsError, match="shows the picture of the reset as 0 percent"):
            gvl(server).rewards(batch)
        assert server.requests == []


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"model": ""}, NeedsError, "asks a vision-language model: pass model="),
        ({"n_frames": 1}, InvalidValueError, "n_frames=1; expected at least 2"),
        ({"window": -1}, InvalidValueError, "window=-1, frame_stride=7; expected steps"),
        ({"frame_stride": 0}, InvalidValueError, "window=0, frame_stride=0; expected steps"),
        ({"if_unanswered": float("nan")}, InvalidValueError, "if_unanswered=nan"),
    ],
)
def test_settings_out_of_range_are_refused(
    settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        GVLReward(GVLConfig(**({"model": "judge"} | settings)))
