"""The pooling client against a real server on this machine."""

from typing import Any

import pytest

from vlfeedback.errors import SourceAnswerError
from vlfeedback.testing.pooling_server import PoolingServer
from vlfeedback.vlms.client.api_key import API_KEY_VARIABLE
from vlfeedback.vlms.pooling import PoolingClient, PoolingSettings
from vlfeedback.vlms.questions import Turn

KEY = "sk-never-to-be-shown"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(API_KEY_VARIABLE, KEY)


def ask(url: str, *texts: str, **settings: Any) -> list[list[list[float]]]:
    client = PoolingClient(
        PoolingSettings(model="heads", base_url=url, **settings), needed_by="a test"
    )
    return client.token_logits([Turn("user", (text,)) for text in texts])


def length_of_text(request: Any) -> list[list[float]]:
    return [[float(len(request["messages"][0]["content"][0]["text"])), 0.5]]


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
def test_questions_go_to_the_root_and_answers_come_in_their_order(path: str) -> None:
    with PoolingServer(length_of_text) as server:
        rows = ask(server.url + path, "a", "bbb", "cc", in_flight=2)
        assert server.keys == [KEY] * 3
    assert rows == [[[1.0, 0.5]], [[3.0, 0.5]], [[2.0, 0.5]]]


def test_a_busy_server_is_asked_again() -> None:
    replies = [(503, "loading"), (429, "busy"), [[1.0]]]
    with PoolingServer(lambda request: replies.pop(0)) as server:  # type: ignore[arg-type,return-value]
        assert ask(server.url, "a") == [[[1.0]]]


def test_one_that_stays_busy_is_given_up_after_some_tries() -> None:
    with (
        PoolingServer(lambda request: (503, "loading")) as server,
        pytest.raises(ConnectionError, match=r"/pooling answered 503: .*loading.*'heads'"),
    ):
        ask(server.url, "a", tries=2)
    assert len(server.requests) == 2


def test_a_refusal_is_reported_at_once_and_without_the_key() -> None:
    with (
        PoolingServer(lambda request: (400, f"this model does not pool, {KEY}")) as server,
        pytest.raises(ConnectionError, match=r"answered 400: .*does not pool") as caught,
    ):
        ask(server.url, "a")
    assert len(server.requests) == 1
    assert KEY not in str(caught.value)


def test_a_server_that_is_not_there_is_named() -> None:
    with PoolingServer(length_of_text) as server:
        url = server.url
    with pytest.raises(ConnectionError, match=f"{url} cannot be reached"):
        ask(url, "a", tries=1)


@pytest.mark.parametrize("rows", [None, [1.0, 2.0], [["a"]], "AAAA"])
def test_something_else_than_rows_of_numbers_is_refused(rows: Any) -> None:
    with (
        PoolingServer(lambda request: rows) as server,
        pytest.raises(SourceAnswerError, match="answered with no rows of numbers"),
    ):
        ask(server.url, "a")
