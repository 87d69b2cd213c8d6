"""The graded judge against a local server: what it asks, and how letters become labels."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from tests.preferences.asked_models import GOAL, Message, messages_of, pairs

from vlfeedback import make_preference_source
from vlfeedback.errors import InvalidValueError
from vlfeedback.preferences.verifier import CRITERIA, Verifier, VerifierConfig
from vlfeedback.testing import PreferenceSourceContract
from vlfeedback.testing.chat_server import ChatDialect, ChatServer, Reply
from vlfeedback.testing.simulated_judge import SimulatedJudge
from vlfeedback.types import ForeseesCost, Outcome

ONE = {"criteria": ("Is it closed?",), "reason": False}  # the fewest questions


def labeller(server: ChatServer, **settings: Any) -> Verifier:
    return Verifier(VerifierConfig(model="judge", base_url=server.url, store="none", **settings))


class TestContract(PreferenceSourceContract):
    @pytest.fixture
    def source(self) -> Iterator[Verifier]:
        with ChatServer(otherwise=SimulatedJudge(position_bias=0.002)) as server:
            yield labeller(server, criteria=("Is it closed?",))


class TestContractOfSoftLabels(PreferenceSourceContract):
    @pytest.fixture
    def source(self) -> Iterator[Verifier]:
        with ChatServer(otherwise=SimulatedJudge()) as server:
            yield labeller(server, **ONE, soft=True)


def completion(said: str, logprobs: Any = None) -> Reply:
    """A reply that took 100 tokens, with these log-probabilities or with none."""
    message = {"role": "assistant", "content": said}
    choice = {"index": 0, "finish_reason": "stop", "message": message, "logprobs": logprobs}
    usage = {"prompt_tokens": 90, "completion_tokens": 10, "total_tokens": 100}
    about = {"id": "1", "object": "chat.completion", "created": 0, "model": "scripted"}
    return Reply(body={**about, "choices": [choice], "usage": usage})


def letter(chances: dict[str, float]) -> Reply:
    """A reply of one letter, the likeliest, with the log-probabilities of all."""
    said = max(chances, key=chances.__getitem__)
    scores = [{"token": token, "logprob": math.log(p)} for token, p in chances.items()]
    return completion(said, {"content": [{**scores[0], "token": said, "top_logprobs": scores}]})


def by_clip(of_a: Reply, of_b: Reply) -> Callable[[Any], Reply]:
    """Scores of what is shown as A and as B, whatever it is."""

    def reply(request: Any) -> Reply:
        asked = messages_of(request)[-1].words
        return of_a if "score of Clip A?" in asked else of_b

    return reply


def judged(otherwise: Callable[[Any], Reply], **settings: Any) -> tuple[Any, ChatServer]:
    """Labels of a pair where the first is worth 0.2 and the second 0.7."""
    with ChatServer(otherwise=otherwise) as server:
        labels = labeller(server, **{**ONE, "both_orders": False, **settings}).label(
            pairs([0.2], [0.7], n_pictures=8)
        )
    return labels, server


def test_both_clips_are_shown_at_once_and_the_criterion_comes_last() -> None:
    _, server = judged(by_clip(letter({"B": 0.9}), letter({"A": 0.9})))
    assert len(server.requests) == 2
    asked: list[Message] = [messages_of(request)[0] for request in server.requests]
    for message in asked:
        assert (message.role, message.kinds) == ("user", "tptptt")
        lead, _, label, _, scale, ending = message.parts
        assert isinstance(lead, str) and isinstance(scale, str) and isinstance(ending, str)
        assert lead.endswith("Clip A:") and f"Task: {GOAL}\n" in lead
        assert label == "Clip B:"
        assert "from A to T" in scale and scale.endswith("Is it closed?")
        assert ending.endswith("Reply with the letter alone.")
    assert [m.words.split()[-7:-5] for m in asked] == [["Clip", "A?"], ["Clip", "B?"]]
    assert asked[0].parts[:1] == asked[1].parts[:1]  # what a server can reuse


def test_log_probabilities_of_twenty_letters_are_asked_for_at_temperature_zero() -> None:
    _, server = judged(by_clip(letter({"B": 0.9}), letter({"A": 0.9})))
    for request in server.requests:
        assert (request["logprobs"], request["top_logprobs"]) == (True, 20)
        assert request["temperature"] == 0


def test_the_mean_over_letters_decides_and_not_the_likeliest_one() -> None:
    # On five letters A is 1 and E is 0. Both say "C"; 0.55 is more than 0.45.
    of_a = letter({"B": 0.4, "C": 0.41, "D": 0.19})
    of_b = letter({"B": 0.19, "C": 0.41, "D": 0.4})
    labels, _ = judged(by_clip(of_a, of_b), granularity=5)
    assert labels.prefer_second.tolist() == [0.0]
    labels, _ = judged(by_clip(of_b, of_a), granularity=5)
    assert labels.prefer_second.tolist() == [1.0]


def test_soft_labels_are_the_sigmoid_of_the_gap_of_scores() -> None:
    of_a, of_b = letter({"C": 1.0}), letter({"A": 0.5, "C": 0.5})  # 0.5 and 0.75
    labels, _ = judged(by_clip(of_a, of_b), granularity=5, soft=True)
    assert labels.prefer_second[0] == pytest.approx(1 / (1 + math.exp(-0.25)))
    labels, _ = judged(by_clip(of_a, of_b), granularity=5, soft=True, scale=8.0)
    assert labels.prefer_second[0] == pytest.approx(1 / (1 + math.exp(-2)))


@pytest.mark.parametrize(("tie_margin", "prefer_second"), [(0.0, 1.0), (0.24, 1.0), (0.25, 0.5)])
def test_a_gap_within_the_margin_is_a_tie(tie_margin: float, prefer_second: float) -> None:
    of_a, of_b = letter({"C": 1.0}), letter({"A": 0.5, "C": 0.5})
    labels, _ = judged(by_clip(of_a, of_b), granularity=5, tie_margin=tie_margin)
    assert labels.outcome.tolist() == [Outcome.ANSWERED]
    assert labels.prefer_second.tolist() == [prefer_second]


def test_in_both_orders_a_bias_for_the_first_cancels() -> None:
    given = pairs([0.4, 0.6], [0.5, 0.4], n_pictures=8)
    with ChatServer(otherwise=SimulatedJudge(position_bias=0.3)) as server:
        biased = labeller(server, **ONE, both_orders=False)
        assert biased.label(given).prefer_second.tolist() == [0.0, 0.0]
        before = len(server.requests)
        both = labeller(server, **ONE)
        assert both.label(given).prefer_second.tolist() == [1.0, 0.0]
        assert len(server.requests) - before == 2 * 2 * 2
        np.testing.assert_allclose(both.scores(given), [[0.55, 0.65], [0.75, 0.55]], atol=0.02)
        agreeing = labeller(server, **ONE, orders_must_agree=True)
        labels = agreeing.label(given)
        assert labels.answered.all()
        assert labels.prefer_second.tolist() == [0.5, 0.5]


def test_criteria_and_repeats_are_averaged() -> None:
    def reply(request: Any) -> Reply:
        words = messages_of(request)[-1].words
        if "score of Clip" not in words:
            return Reply("They differ.")
        first = "Near?" in messages_of(request)[0].words
        of_a = letter({"A": 1.0} if first else {"E": 1.0})
        return of_a if "Clip A?" in words else letter({"D": 1.0})

    settings = {"criteria": ("Near?", "Closed?"), "repeats": 2, "reason": True, "granularity": 5}
    with ChatServer(otherwise=reply) as server:
        source = labeller(server, **settings, both_orders=False)
        found = source.scores(pairs([0.2], [0.7], n_pictures=8))
    np.testing.assert_allclose(found, [[0.5, 0.25]])  # (1 + 0) / 2 and D
    reasons = [r for r in server.requests if "score of Clip" not in messages_of(r)[-1].words]
    assert len(reasons) == 2 * 2
    assert [request["temperature"] for request in reasons] == [1.0] * 4
    assert len(server.requests) == 2 * 2 * (1 + 2)


def test_reasons_are_asked_for_first_and_stand_before_the_letters() -> None:
    def reply(request: Any) -> Reply:
        if "score of Clip" in messages_of(request)[-1].words:
            return letter({"B": 1.0})
        return Reply("Clip B is  {nearer}.")

    _, server = judged(reply, reason=True)
    first, *letters = map(messages_of, server.requests)
    assert len(first) == 1 and first[0].kinds == "tptptt"
    assert server.requests[0]["temperature"] == 0  # one alone is the likeliest
    for conversation in letters:
        assert [message.role for message in conversation] == ["user", "assistant", "user"]
        assert conversation[0].words == first[0].words
        assert conversation[1].words == "Clip B is  {nearer}."
        assert "score of Clip" in conversation[2].words


def test_what_is_not_answered_by_one_criterion_is_left_out() -> None:
    def reply(request: Any) -> Reply:
        words = messages_of(request)[-1].words
        if "Near?" in words and "Clip B?" in words:
            return letter({"I'd rather not say.": 1.0})
        return letter({"A": 1.0}) if "Clip A?" in words else letter({"D": 1.0})

    settings = {"criteria": ("Near?", "Closed?"), "granularity": 5}
    labels, _ = judged(reply, **settings)
    assert labels.prefer_second.tolist() == [0.0]
    labels, _ = judged(reply, granularity=5, criteria=("Near?",))
    assert labels.outcome.tolist() == [Outcome.UNPARSABLE]
    assert labels.tokens.tolist() == [200]  # both answers are paid for


def test_without_log_probabilities_letters_are_drawn_and_that_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    judge = SimulatedJudge(spread=0.05)
    silent = ChatDialect("silent", logprobs="left out")
    given = pairs([0.2, 0.6], [0.7, 0.1], n_pictures=8)
    server = ChatServer(otherwise=judge, dialect=silent)
    with server, caplog.at_level(logging.WARNING):
        source = labeller(server, **ONE, samples=4, both_orders=False, in_flight=1)
        found = source.scores(given)
        drawn = [request for request in server.requests if request["temperature"] == 1.0]
        before = len(server.requests)
        labels = source.label(given)
    assert len(drawn) == 2 * 2 * 4
    assert all("logprobs" not in request for request in drawn)
    assert len(server.requests) - before == 2 * 2 * 4  # it does not try again
    assert labels.prefer_second.tolist() == [1.0, 0.0]
    np.testing.assert_allclose(found, [[0.2, 0.7], [0.6, 0.1]], atol=0.1)
    said = [r for r in caplog.records if r.name == "vlfeedback.preferences.verifier"]
    assert len(said) == 1
    assert "mean of 4 letters drawn at temperature 1" in said[0].getMessage()


def test_of_drawn_letters_those_count_that_can_be_read() -> None:
    drawn = {"A": iter(["B", "no idea", "D", "hm"]), "B": iter(["D", "D", "C", "D"])}

    def reply(request: Any) -> Reply:
        clip = "A" if "Clip A?" in messages_of(request)[-1].words else "B"
        return completion(next(drawn[clip]) if request["temperature"] else "C")

    with ChatServer(otherwise=reply) as server:
        source = labeller(server, **ONE, both_orders=False, granularity=5, samples=4)
        found = source.scores(pairs([0.2], [0.7], n_pictures=8))
    np.testing.assert_allclose(found, [[(0.75 + 0.25) / 2, (3 * 0.25 + 0.5) / 4]])


def test_segments_that_look_the_same_are_skipped_and_never_sent() -> None:
    with ChatServer() as server:
        source = labeller(server)
        given = pairs([0.5], [0.5], n_pictures=8)
        assert source.label(given).outcome.tolist() == [Outcome.SKIPPED]
        assert np.isnan(source.scores(given)).all()
    assert server.requests == []


@pytest.mark.parametrize(
    ("settings", "n", "stages"),
    [
        ({}, 2 * 3, {"reason"}),
        ({"repeats": 2}, 2 * 3 * 2, {"reason"}),
        ({"both_orders": False}, 3, {"reason"}),
        ({"reason": False}, 2 * 3 * 2, {"score-a", "score-b"}),
    ],
)
def test_the_questions_are_foreseen_without_asking(
    settings: dict[str, Any], n: int, stages: set[str]
) -> None:
    source = Verifier(VerifierConfig(model="judge", **settings))
    assert isinstance(source, ForeseesCost)
    foreseen = source.questions(pairs([0.2, 0.3], [0.7, 0.3], n_pictures=8))
    assert len(foreseen) == n
    assert {question.stage for question in foreseen} == stages
    assert {question.prompt for question in foreseen} == {source.prompt}


def test_there_are_three_criteria_unless_others_are_given() -> None:
    assert len(CRITERIA) == 3
    source = make_preference_source("verifier", model="judge", criteria=["Is it closed?"])
    assert isinstance(source, Verifier)
    assert source.config.criteria == ["Is it closed?"]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"granularity": 21}, "granularity=21; expected 2 to 20"),
        ({"criteria": []}, r"criteria=\[\]; expected a list of at least one question"),
        ({"criteria": ["Near?", " "]}, r"criteria=\['Near\?', ' '\]; expected"),
        ({"criteria": "Near?"}, r"criteria='Near\?'; expected a list"),
        ({"repeats": 2, "reason": False}, "asks the same question again"),
        ({"orders_must_agree": True, "both_orders": False}, "set both_orders=True"),
        ({"key_frames": 0}, "key_frames=0; expected at least 1"),
        ({"samples": 0}, "samples=0; expected at least 1"),
        ({"tie_margin": -0.1}, r"tie_margin=-0\.1; expected at least 0"),
    ],
)
def test_settings_are_checked_when_it_is_made(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidValueError, match=complaint):
        make_preference_source("verifier", **settings)
