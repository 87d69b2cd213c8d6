"""RL-VLM-F's baseline of graded pictures, against a local server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.preferences.asked_models import GOAL, messages_of, pairs

from vlfeedback.preferences.rl_vlm_f import RLVLMF, RLVLMFConfig
from vlfeedback.testing import PreferenceSourceContract
from vlfeedback.testing.chat_server import ChatServer, Reply
from vlfeedback.testing.simulated_judge import SimulatedJudge
from vlfeedback.types import Outcome, PreferenceLabels


def labeller(server: ChatServer, **settings: Any) -> RLVLMF:
    settings |= {"variant": "score", "store": "none"}
    return RLVLMF(RLVLMFConfig(model="judge", base_url=server.url, **settings))


class TestContract(PreferenceSourceContract):
    @pytest.fixture
    def source(self) -> Iterator[RLVLMF]:
        with ChatServer(otherwise=SimulatedJudge()) as server:
            yield labeller(server)


def graded(*scores: str, **settings: Any) -> tuple[PreferenceLabels, list[Any]]:
    """Labels of one pair whose pictures get these scores, and what was asked."""

    def extract(request: Any) -> Reply:
        words = messages_of(request)[-1].words
        seen = next((score for score in scores if f"I say {score}!" in words), None)
        return Reply(seen if seen is not None else f"I say {next(left)}!")

    left = iter(scores)
    with ChatServer(otherwise=extract) as server:
        labels = labeller(server, in_flight=1, **settings).label(pairs([0.2], [0.7]))
    return labels, server.requests


def test_a_picture_is_shown_alone_and_its_score_is_extracted_in_words() -> None:
    _, requests = graded("0.25", "0.5")
    asked = [messages_of(request) for request in requests]
    assert all(len(messages) == 1 for messages in asked)
    shown = [message for (message,) in asked if message.pictures]
    told = [message for (message,) in asked if not message.pictures]
    assert [message.kinds for message in shown] == ["tpt", "tpt"]
    assert len(told) == 2
    assert all(GOAL in message.words for message in [*shown, *told])
    assert {score for score in ("0.25", "0.5") for m in told if f"I say {score}!" in m.words} == {
        "0.25",
        "0.5",
    }


@pytest.mark.parametrize(
    ("scores", "prefer_second"), [(("0.25", "0.5"), {0.0, 1.0}), (("0.5", "0.50"), {0.5})]
)
def test_the_better_score_is_preferred_and_equal_ones_tie(
    scores: tuple[str, str], prefer_second: set[float]
) -> None:
    labels, _ = graded(*scores)
    assert labels.outcome.tolist() == [Outcome.ANSWERED]
    assert set(labels.prefer_second.tolist()) <= prefer_second


@pytest.mark.parametrize(
    ("scores", "outcome"),
    [
        (("-1", "0.5"), Outcome.UNSURE),
        (("0.5", "-1"), Outcome.UNSURE),
        (("-1", "-1.0"), Outcome.UNSURE),
        (("7 of 10", "0.5"), Outcome.UNPARSABLE),
        (("-1", "1.5"), Outcome.UNPARSABLE),
    ],
)
def test_minus_one_is_unsure_and_what_is_no_score_unparsable(
    scores: tuple[str, str], outcome: Outcome
) -> None:
    labels, _ = graded(*scores)
    assert labels.outcome.tolist() == [outcome]


def test_unsure_may_be_a_tie() -> None:
    labels, _ = graded("-1", "0.5", tie_policy="half")
    assert labels.outcome.tolist() == [Outcome.ANSWERED]
    assert labels.prefer_second.tolist() == [0.5]


def test_each_picture_is_graded_once_whatever_pairs_and_calls_it_is_in() -> None:
    with ChatServer(otherwise=SimulatedJudge()) as server:
        source = labeller(server)
        given = pairs([0.2, 0.7, 0.9], [0.7, 0.9, 0.2])  # three pictures
        assert len(source.questions(given)) == 3
        labels = source.label(given)
        assert labels.prefer_second.tolist() == [1.0, 1.0, 0.0]
        assert len(server.requests) == 3 * 2
        again = source.label(pairs([0.9, 0.4], [0.2, 0.9]))
        assert again.prefer_second.tolist() == [0.0, 1.0]
        assert len(server.requests) == 3 * 2 + 2  # one new picture
        assert source.questions(given) == []
        other_goal = pairs([0.2], [0.7], goal="open the window")
        assert len(source.questions(other_goal)) == 2


def test_the_first_pair_of_a_picture_bears_its_cost() -> None:
    with ChatServer(otherwise=SimulatedJudge()) as server:
        source = labeller(server)
        labels = source.label(pairs([0.2, 0.7, 0.2], [0.7, 0.9, 0.9]))
        paid = source.label(pairs([0.2], [0.9]))
    assert labels.tokens[0] == 2 * labels.tokens[1] > 0
    assert labels.tokens[2] == 0
    assert paid.tokens.tolist() == [0]
