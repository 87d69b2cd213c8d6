"""What becomes of a question when the server is busy, fails, refuses, or is not there."""

import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from tests.vlms.words import MODEL, picture, question, settings

from vlfeedback.errors import (
    AccessError,
    InvalidValueError,
    QuotaSpentError,
    ServerError,
    UnknownNameError,
)
from vlfeedback.testing.chat_server import ChatServer, Faults, Reply
from vlfeedback.types import Outcome
from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.ledger.store import AnswerStore
from vlfeedback.vlms.vlm import VLM

KEY = "sk-never-to-be-shown"


def ask(*replies: Reply, **changes: Any) -> tuple[Answer, ChatServer]:
    with ChatServer(replies) as server, VLM(settings(server, **changes)) as vlm:
        return vlm.ask([question()])[0], server


@pytest.mark.parametrize(
    "reply",
    [
        Reply("busy", 429, {"retry-after": "0.01"}),
        Reply("busy", 429, {"retry-after-ms": "10"}),
        Reply("busy", 429, {"retry-after": format_datetime(datetime.now(UTC), usegmt=True)}),
        Reply("busy", 429),
        Reply("late", 408),
        Reply("conflict", 409),
        Reply("broken", 500),
        Reply("busy", 503, {"retry-after": "0"}),
        Reply(broken="dropped"),
        Reply("well.", broken="truncated"),
        Reply(body="hello"),
        Reply(body={"choices": None}),
    ],
)
def test_what_may_pass_is_asked_again(reply: Reply) -> None:
    answer, server = ask(reply, Reply("well."))
    assert (answer.text, answer.outcome) == ("well.", Outcome.ANSWERED)
    assert len(server.requests) == 2


def test_the_time_that_the_server_names_is_waited_for() -> None:
    answer, _ = ask(Reply("busy", 429, {"retry-after": "0.3"}), Reply("well."))
    assert answer.seconds >= 0.3


def test_the_date_that_the_server_names_is_waited_for() -> None:
    later = datetime.now(UTC) + timedelta(seconds=1)
    date = format_datetime(later.replace(microsecond=0), usegmt=True)
    answer, _ = ask(Reply("busy", 429, {"retry-after": date}), Reply("well."))
    assert answer.text == "well."
    assert datetime.now(UTC) >= later.replace(microsecond=0)


def test_all_questions_wait_for_a_server_that_is_busy() -> None:
    busy = Reply("busy", 429, {"retry-after": "0.3"})
    with (
        ChatServer([busy], otherwise=lambda request: Reply("well.")) as server,
        VLM(settings(server)) as vlm,
    ):
        answers = vlm.ask([question(f"{number}") for number in range(20)])
    assert [answer.text for answer in answers] == ["well."] * 20
    assert len(server.requests) == 21


def test_who_is_told_when_to_come_back_is_not_given_up_for_coming() -> None:
    busy = [Reply("busy", 429, {"retry-after": "0"})] * 9
    answer, server = ask(*busy, Reply("well."), tries=2)
    assert answer.text == "well."
    assert len(server.requests) == 10


def test_a_server_that_stays_busy_is_given_up_with_what_it_said() -> None:
    answer, server = ask(*[Reply("too many questions", 429)] * 3, tries=3)
    assert answer.outcome is Outcome.FAILED
    assert answer.problem == (
        f"{server.url} answered 429: too many questions. Given up after 3 tries."
    )
    assert len(server.requests) == 3


def test_a_server_that_is_too_slow_is_asked_again() -> None:
    answer, server = ask(Reply("late", delay_s=0.5), Reply("well."), timeout_s=0.2)
    assert answer.text == "well."
    assert len(server.requests) == 2
    answer, _ = ask(*[Reply("late", delay_s=0.5)] * 2, timeout_s=0.2, tries=2)
    assert answer.outcome is Outcome.FAILED
    assert "no answer in 0.2 s" in answer.problem


def test_one_bad_question_stops_no_other() -> None:
    def refuse_seven(request: Any) -> Reply:
        words = request["messages"][-1]["content"]
        return Reply("I do not like it", 400) if words == "7" else Reply("well.")

    with ChatServer(otherwise=refuse_seven) as server, VLM(settings(server)) as vlm:
        answers = vlm.ask([question(f"{number}") for number in range(20)])
    failed = [n for n, answer in enumerate(answers) if answer.outcome is Outcome.FAILED]
    assert failed == [7]
    assert "answered 400: I do not like it" in answers[7].problem
    assert server.asked["7"] == 1


def test_a_filter_and_a_refusal_are_answers_of_a_kind() -> None:
    filtered, server = ask(Reply("filtered", 400, code="content_filter"))
    assert (filtered.outcome, len(server.requests)) == (Outcome.REFUSED, 1)
    refused, _ = ask(Reply(refusal="I cannot help with that."))
    assert (refused.outcome, refused.text) == (Outcome.REFUSED, "I cannot help with that.")


@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [
        (Reply("no such key", 401), AccessError, "OPENAI_API_KEY"),
        (Reply("not for you", 403), AccessError, "OPENAI_API_KEY"),
        (Reply("The model does not exist", 404), UnknownNameError, "no model 'some-model'"),
        (Reply("no money", 429, code="insufficient_quota"), QuotaSpentError, "no money"),
    ],
)
def test_what_no_question_would_get_past_is_raised_at_once(
    reply: Reply, error: type[Exception], message: str
) -> None:
    with (
        ChatServer(otherwise=lambda request: reply) as server,
        VLM(settings(server, in_flight=2)) as vlm,
        pytest.raises(error, match=message),
    ):
        vlm.ask([question(f"{number}") for number in range(50)])
    assert len(server.requests) <= 2


def test_after_the_quota_is_gone_what_is_in_flight_still_ends_and_is_kept() -> None:
    store = AnswerStore(None, model=MODEL)

    def reply(request: Any) -> Reply:
        words = request["messages"][-1]["content"]
        if words == "9":
            return Reply("no money", 429, code="insufficient_quota")
        return Reply("well.", delay_s=0.0 if int(words) < 8 else 0.3)

    with ChatServer(otherwise=reply) as server:
        with (
            VLM(settings(server, in_flight=4), store=store) as vlm,
            pytest.raises(QuotaSpentError),
        ):
            vlm.ask([question(f"{number}") for number in range(100)])
        n_kept = sum(total.answers for total in store.totals())
        assert n_kept == server.answered.total() == len(server.requests) - 1
        assert 8 < n_kept < 20


def test_the_faults_of_a_quota_end_the_run() -> None:
    with (
        ChatServer(otherwise=lambda request: Reply("1"), faults=Faults(quota=30)) as server,
        VLM(settings(server, in_flight=4)) as vlm,
        pytest.raises(QuotaSpentError, match="You exceeded your current quota"),
    ):
        vlm.ask([question(f"{number}") for number in range(100)])
    assert 30 <= server.answered.total() <= 33


def test_a_server_that_is_not_there_is_raised_once_its_tries_are_used_up() -> None:
    with ChatServer() as server:
        pass
    with VLM(settings(server, tries=2)) as vlm:
        with pytest.raises(ServerError, match=f"{server.url} cannot be reached") as raised:
            vlm.ask([question(f"{number}") for number in range(20)])
        assert "Check base_url" in str(raised.value)


def test_a_server_that_goes_away_is_raised_too() -> None:
    with VLM(settings(gone := ChatServer(otherwise=lambda request: Reply("1")), tries=2)) as vlm:
        with gone:
            assert vlm.ask([question()])[0].text == "1"
        with pytest.raises(ServerError, match="cannot be reached"):
            vlm.ask([question("and now?")])


@pytest.mark.parametrize("body", [{"choices": None}, {"choices": []}, ["hello"], "hello"])
def test_an_address_that_answers_with_something_else_is_raised(body: Any) -> None:
    with pytest.raises(ServerError, match=r"no chat completion.*often ends in /v1"):
        ask(*[Reply(body=body)] * 2, tries=2)


def test_something_else_among_answers_is_one_question_s_failure() -> None:
    def reply(request: Any) -> Reply:
        lost = request["messages"][-1]["content"] == "7"
        return Reply(body="hello") if lost else Reply("well.", delay_s=0.02)

    with (
        ChatServer(otherwise=reply) as server,
        VLM(settings(server, tries=3, in_flight=2)) as vlm,
    ):
        answers = vlm.ask([question(f"{number}") for number in range(20)])
    assert [n for n, a in enumerate(answers) if a.outcome is Outcome.FAILED] == [7]


def test_when_nothing_comes_of_the_first_questions_no_more_are_asked() -> None:
    with (
        ChatServer(otherwise=lambda request: Reply("I am unwell", 500)) as server,
        VLM(settings(server, tries=1, in_flight=4)) as vlm,
        pytest.raises(ServerError, match=r"first 16 questions .*I am unwell"),
    ):
        vlm.ask([question(f"{number}") for number in range(500)])
    assert 16 <= len(server.requests) <= 20


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply("Model does not support images.", 400), "name a vision-language model"),
        (Reply("Request Entity Too Large", 413), "make them smaller"),
    ],
)
def test_pictures_that_the_model_cannot_take_are_raised(reply: Reply, message: str) -> None:
    with (
        ChatServer([reply]) as server,
        VLM(settings(server)) as vlm,
        pytest.raises(InvalidValueError, match=message),
    ):
        vlm.ask([question("well?", picture())])


def test_the_key_is_in_no_error_trace_or_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def repeat_the_key(request: Any) -> Reply:
        return Reply(f"What is {KEY}?", {1: 429, 2: 400}.get(len(server.requests), 401))

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    with ChatServer(otherwise=repeat_the_key) as server, VLM(settings(server)) as vlm:
        (answer,) = vlm.ask([question()])
        with pytest.raises(AccessError) as refused:
            vlm.ask([question()])
    assert server.keys == [KEY, KEY, KEY]
    assert caplog.text.count("What is ***?") >= 2
    assert "What is ***?" in answer.problem and "What is ***?" in str(refused.value)
    assert KEY not in answer.problem
    assert KEY not in str(refused.getrepr(style="long", chain=True, showlocals=True))
    assert refused.value.__cause__ is None and refused.value.__context__ is None
    assert KEY not in caplog.text + repr([record.__dict__ for record in caplog.records])
