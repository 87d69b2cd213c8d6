"""The client against a real server on this machine: answers, refusals, trying again, the key."""

import base64
import io
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import stamina
from PIL import Image

from vlfeedback.errors import NeedsError, UnknownNameError
from vlfeedback.testing.chat_server import ChatServer, Reply
from vlfeedback.vlms.client import API_KEY_VARIABLE, ChatClient, picture_part

KEY = "sk-never-to-be-shown"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(API_KEY_VARIABLE, KEY)


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


def ask(*replies: Reply) -> tuple[str, ChatServer]:
    with ChatServer(replies) as server, ChatClient("some-model", base_url=server.url) as client:
        return client.answer([{"role": "user", "content": "well?"}]), server


def test_the_question_goes_to_the_model_and_the_answer_comes_back() -> None:
    answer, server = ask(Reply("well."))
    assert answer == "well."
    assert server.requests == [
        {"model": "some-model", "messages": [{"role": "user", "content": "well?"}]}
    ]
    assert server.keys == [KEY]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_or_failing_server_is_asked_again(status: int) -> None:
    answer, server = ask(Reply("busy", status, {"retry-after": "1"}), Reply("well."))
    assert answer == "well."
    assert len(server.requests) == 2


def test_a_server_that_stays_busy_is_given_up_with_what_it_said() -> None:
    with pytest.raises(ConnectionError, match=r"429: too many questions\. Given up after"):
        ask(*[Reply("too many questions", 429)] * 3)


def test_an_exhausted_budget_is_not_waited_for() -> None:
    body = {"error": {"message": "no money", "type": "error", "code": "insufficient_quota"}}
    with pytest.raises(ConnectionError, match="no money"):
        ask(Reply(status=429, body=body), Reply("never asked"))


def test_a_refused_key_is_an_error_that_names_the_variable_and_not_the_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(PermissionError, match=API_KEY_VARIABLE) as refused:
        ask(Reply(f"Incorrect API key provided: {KEY}", 401), Reply("never asked"))
    assert KEY not in str(refused.getrepr(style="long", chain=True))
    assert KEY not in caplog.text


def test_the_key_is_in_no_message_about_trying_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ask(Reply(f"{KEY} asks too much", 429), Reply("well."))
    assert "*** asks too much" in caplog.text
    assert KEY not in caplog.text + repr([record.__dict__ for record in caplog.records])


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(UnknownNameError, match="no model 'some-model'"):
        ask(Reply("The model does not exist", 404), Reply("never asked"))


def test_a_refused_question_says_why() -> None:
    with pytest.raises(ConnectionError, match="400: this model takes no pictures"):
        ask(Reply("this model takes no pictures", 400), Reply("never asked"))


@pytest.mark.parametrize("body", [{"choices": None}, {"choices": []}, ["hello"], "hello"])
def test_something_else_than_a_chat_completion_is_refused(body: Any) -> None:
    with pytest.raises(ConnectionError, match="no chat completion"):
        ask(Reply(body=body))


def test_an_answer_without_text_is_empty() -> None:
    message = {"role": "assistant", "content": None}
    body = {"choices": [{"index": 0, "finish_reason": "stop", "message": message}]}
    assert ask(Reply(body=body))[0] == ""


def test_a_server_that_is_not_there_is_tried_again_and_then_named() -> None:
    with ChatServer() as server:
        pass
    with (
        ChatClient("some-model", base_url=server.url, tries=2) as client,
        pytest.raises(ConnectionError, match=f"{server.url} cannot be reached"),
    ):
        client.answer([{"role": "user", "content": "well?"}])


def test_openai_s_own_server_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(API_KEY_VARIABLE)
    with pytest.raises(NeedsError, match=API_KEY_VARIABLE):
        ChatClient("some-model")


def test_an_address_without_http_is_refused_at_once() -> None:
    with pytest.raises(NeedsError, match="base_url is 'localhost:8000'"):
        ChatClient("some-model", base_url="localhost:8000")


def test_another_server_may_need_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(API_KEY_VARIABLE)
    answer, server = ask(Reply("well."))
    assert answer == "well."
    assert server.keys == ["none"]


def test_a_picture_is_sent_as_it_is() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    kind, _, data = picture_part(picture)["image_url"]["url"].partition(",")
    assert kind == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as opened:
        np.testing.assert_array_equal(np.asarray(opened), picture)
