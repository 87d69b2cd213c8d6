"""PLARE against a local server: strips, questions, and what becomes of -1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.preferences.asked_models import GOAL, messages_of, pairs

from vlfeedback import make_preference_source
from vlfeedback.errors import InvalidValueError
from vlfeedback.preferences.plare import PLARE, PLAREConfig
from vlfeedback.testing import PreferenceSourceContract
from vlfeedback.testing.chat_server import ChatServer, Reply
from vlfeedback.testing.simulated_judge import SimulatedJudge
from vlfeedback.types import ForeseesCost, Outcome, PreferenceLabels, SegmentPairs
from vlfeedback.vlms.judging.strips import draw_strip


def labeller(server: ChatServer, **settings: Any) -> PLARE:
    return PLARE(PLAREConfig(model="judge", base_url=server.url, store="none", **settings))


class TestContract(PreferenceSourceContract):
    mirrored = False  # a model may prefer what it is shown first

    @pytest.fixture
    def source(self) -> Iterator[PLARE]:
        with ChatServer(otherwise=SimulatedJudge()) as server:
            yield labeller(server)


def answered(
    *replies: str, given: SegmentPairs | None = None, **settings: Any
) -> tuple[PreferenceLabels, list[Any]]:
    """Labels where the server says this, and what it was asked."""
    with ChatServer([Reply(text) for text in replies]) as server:
        source = labeller(server, **settings)
        labels = source.label(given or pairs([0.2], [0.7], n_pictures=8))
    return labels, server.requests


def test_two_strips_of_three_key_frames_are_shown_as_videos() -> None:
    given = pairs([0.2], [0.7], n_pictures=8)
    frames = np.array(given.first.frames)
    frames[0, :, 0, 0, 2] = np.arange(8)  # each picture is another
    given = SegmentPairs(replace(given.first, frames=frames), given.second)
    _, requests = answered("...", "0", given=given)
    (message,) = messages_of(requests[0])
    assert (message.role, message.kinds) == ("user", "tptpt")
    lead, first, label, _, questions = message.parts
    assert isinstance(lead, str) and isinstance(questions, str)
    assert "3 key frames" in lead and lead.endswith("Video 1:")
    assert label == "Video 2:"
    np.testing.assert_array_equal(first, draw_strip(frames[0, [0, 4, 7]], [0, 28, 49]))
    assert [line[:2] for line in questions.splitlines()] == ["1.", "2.", "3."]
    assert f"[{GOAL}]" in questions and "Image" not in message.words


def test_the_label_is_asked_for_in_words_alone() -> None:
    _, requests = answered("Video 1 shows\n  a drawer.", "0")
    (message,) = messages_of(requests[1])
    assert message.pictures == []
    assert "Video 1 shows\n  a drawer." in message.words
    assert "0 if it is Video 1, 1 if it is Video 2, or -1" in message.words
    (first,) = messages_of(requests[0])
    assert isinstance(first.parts[-1], str) and first.parts[-1] in message.words


@pytest.mark.parametrize(
    ("reply", "outcome", "prefer_second"),
    [
        ('"0"', Outcome.ANSWERED, 0.0),
        ('{"answer": "1"}', Outcome.ANSWERED, 1.0),
        ("-1", Outcome.UNSURE, None),
        ("Both are alike.", Outcome.UNPARSABLE, None),
    ],
)
def test_the_reply_is_the_label(reply: str, outcome: Outcome, prefer_second: float | None) -> None:
    labels, _ = answered("...", reply)
    assert labels.outcome.tolist() == [outcome]
    if prefer_second is not None:
        assert labels.prefer_second.tolist() == [prefer_second]


def test_minus_one_may_be_a_tie_which_cpl_can_then_ignore() -> None:
    labels, _ = answered("...", "-1", tie_policy="half")
    assert labels.outcome.tolist() == [Outcome.ANSWERED]
    assert labels.prefer_second.tolist() == [0.5]


def test_segments_that_look_the_same_are_skipped_and_never_sent() -> None:
    labels, requests = answered(given=pairs([0.5], [0.5], n_pictures=8))
    assert labels.outcome.tolist() == [Outcome.SKIPPED]
    assert requests == []


def test_the_number_of_key_frames_is_a_setting() -> None:
    _, requests = answered("...", "0", key_frames=5)
    (message,) = messages_of(requests[0])
    width = 5 * (32 + 2) + 6 * 4
    assert [picture.shape[1] for picture in message.pictures] == [width, width]
    assert "5 key frames" in message.words


def test_in_both_orders_the_strips_change_places() -> None:
    with ChatServer(otherwise=SimulatedJudge()) as server:
        source = labeller(server, both_orders=True)
        labels = source.label(pairs([0.2], [0.7], n_pictures=8))
        shown = [messages_of(request)[0].pictures for request in server.requests]
    assert labels.prefer_second.tolist() == [1.0]
    (one, other), (first, second) = [pictures for pictures in shown if pictures]
    np.testing.assert_array_equal(one, second)
    np.testing.assert_array_equal(other, first)


def test_the_questions_are_foreseen_without_asking() -> None:
    source = PLARE(PLAREConfig(model="judge", both_orders=True))
    assert isinstance(source, ForeseesCost)
    foreseen = source.questions(pairs([0.2, 0.3], [0.7, 0.3], n_pictures=8))
    assert [question.prompt for question in foreseen] == ["plare/1"] * 2


def test_settings_are_checked_when_it_is_made() -> None:
    with pytest.raises(InvalidValueError, match="key_frames=0; expected at least 1"):
        make_preference_source("plare", key_frames=0)
    with pytest.raises(InvalidValueError, match=r"tie_policy='drops'; expected 'drop'.*or 'half'"):
        make_preference_source("plare", tie_policy="drops")
    assert make_preference_source("plare", frame_stride=9).needs.frame_stride == 9
