"""RoboReward against a judge on this machine that scores how bright the last picture is."""

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tests.rewards.judges import clip, levels_seen, rubric_judge, seen

from vlfeedback.errors import InvalidValueError, NeedsError, SourceAnswerError
from vlfeedback.rewards.roboreward import RoboReward, RoboRewardConfig, read_score
from vlfeedback.testing import RewardSourceContract
from vlfeedback.testing.chat_server import ChatServer, Reply


def roboreward(server: ChatServer, **settings: Any) -> RoboReward:
    return RoboReward(RoboRewardConfig(base_url=server.url, store="none", **settings))


class TestContract(RewardSourceContract):
    picture_size = 8

    @pytest.fixture
    def source(self) -> Iterator[RoboReward]:
        with ChatServer(otherwise=rubric_judge) as server:
            yield roboreward(server)


def test_the_rubric_of_the_card_stands_after_the_pictures_and_ends_with_the_task() -> None:
    with ChatServer(otherwise=rubric_judge) as server:
        roboreward(server).rewards(clip(10, 20, 30))
        (request,) = server.requests
    *pictures, rubric = seen(request)
    assert pictures == [10, 20, 30]
    assert rubric.startswith("Given the task, assign a discrete progress score reward (1,2,3,4,5) ")
    assert "in the format: ANSWER: <score>\n" in rubric
    assert [line[:4] for line in rubric.splitlines()[2:7]] == [f"{n} - " for n in range(1, 6)]
    assert rubric.endswith("\n\nTask: close the drawer")
    assert request["model"] == "teetone/RoboReward-8B"


@pytest.mark.parametrize(
    ("level", "reward"), [(0, 0.0), (64, 0.25), (128, 0.5), (191, 0.75), (255, 1.0)]
)
def test_the_reward_is_the_score_less_one_in_quarters(level: int, reward: float) -> None:
    with ChatServer(otherwise=rubric_judge) as server:
        rewards = roboreward(server).rewards(clip(255, 0, level, stride=2))
    np.testing.assert_array_equal(rewards, [[0, 0, 0, 0, reward]])


def test_a_single_picture_is_shown_twice() -> None:
    with ChatServer(otherwise=rubric_judge) as server:
        roboreward(server).rewards(clip(9))
        assert levels_seen(server.requests[0]) == [9, 9]


def test_an_answer_that_cannot_be_read_is_asked_for_once_more() -> None:
    with ChatServer([Reply("It is nearly closed."), Reply("ANSWER: 4")]) as server:
        rewards = roboreward(server).rewards(clip(1, 2))
        first, second = server.requests
    np.testing.assert_array_equal(rewards, [[0, 0.75]])
    assert second["messages"][0] == first["messages"][0]
    assert seen(second) == [
        "Answer with nothing but ANSWER: <score>, where <score> is one of 1, 2, 3, 4, 5."
    ]


def test_one_that_still_cannot_be_read_is_reported_and_not_scored_1() -> None:
    with (
        ChatServer(otherwise=lambda request: Reply("ANSWER: 7")) as server,
        pytest.raises(
            SourceAnswerError,
            match=r"about segment 0 of 1, 'close the drawer'\. Asked again, it gave no ANSWER: 1 "
            r"to 5\. It said 'ANSWER: 7'\..*with if_unanswered=0\.0",
        ),
    ):
        roboreward(server).rewards(clip(1, 2))
    assert len(server.requests) == 2


def test_or_it_scores_what_the_settings_say_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with (
        ChatServer(otherwise=lambda request: Reply("I would rather not say")) as server,
        caplog.at_level(logging.WARNING),
    ):
        rewards = roboreward(server, if_unanswered=0.5).rewards(clip(1, 2))
    np.testing.assert_array_equal(rewards, [[0, 0.5]])
    assert "It said 'I would rather not say'. It scores if_unanswered=0.5." in caplog.text


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("ANSWER: 3", 3),
        ("answer:5", 5),
        ("**ANSWER:** 2", 2),
        ("ANSWER: <4>", 4),
        ("ANSWER: 4/5", 4),
        ("ANSWER: 4.", 4),
        ("First I thought ANSWER: 2, but no. ANSWER: 4", 4),
        (" 1\n", 1),
        ("ANSWER: 4.5", None),
        ("ANSWER: 0", None),
        ("ANSWER: 6", None),
        ("ANSWER: 12", None),
        ("ANSWER: -3", None),
        ("ANSWER: none of 1 to 5", None),
        ("The robot moved 2 of 3 blocks.", None),
        ("", None),
    ],
)
def test_a_score_is_read_from_its_format_alone(text: str, score: int | None) -> None:
    assert read_score(text) == score


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"model": ""}, NeedsError, "'roboreward' asks a vision-language model"),
        ({"n_frames": 1}, InvalidValueError, "n_frames=1; expected at least 2"),
    ],
)
def test_settings_out_of_range_are_refused(
    settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        RoboReward(RoboRewardConfig(**settings))
