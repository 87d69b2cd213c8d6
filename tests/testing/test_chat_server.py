"""The server that plays others', asked without our client: what it takes, refuses and sends."""

import http.client
import json
import threading
from collections import Counter
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from vlfeedback.testing.chat_server import (
    CHAT_DIALECTS,
    ChatServer,
    Fault,
    Faults,
    Reply,
    question_in,
)

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}

ELSEWHERE = {"type": "image_url", "image_url": {"url": "http://x/y.png"}}


def request(words: str = "well?", *pictures: Any, **more: Any) -> dict[str, Any]:
    content: Any = [{"type": "text", "text": words}, *pictures] if pictures else words
    return {"model": "m", "messages": [{"role": "user", "content": content}], **more}


def post(server: ChatServer, body: Any) -> tuple[int, Any, Any]:
    """Status, headers and JSON."""
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        headers = {"authorization": "Bearer some-key", "content-type": "application/json"}
        connection.request("POST", f"{parts.path}/chat/completions", json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, response.headers, json.loads(response.read())
    finally:
        connection.close()


def answer(body: Any, dialect: str, reply: Reply) -> Any:
    with ChatServer([reply], dialect=dialect) as server:
        return post(server, body)[2]


def status(body: Any, dialect: str) -> int:
    with ChatServer([Reply("1")], dialect=dialect) as server:
        return post(server, body)[0]


def test_replies_come_in_order_and_then_what_is_made_of_the_request() -> None:
    with ChatServer([Reply("a")], lambda sent: Reply(sent["model"])) as server:
        said = [post(server, request())[2]["choices"][0]["message"]["content"] for _ in range(2)]
    assert said == ["a", "m"]
    assert server.requests == [request(), request()]
    assert server.keys == ["some-key", "some-key"]


def test_an_answer_is_a_chat_completion_with_its_usage() -> None:
    said = answer(request("is it well?"), "plain", Reply("it is", finish="length"))
    assert said["object"] == "chat.completion"
    assert said["choices"] == [
        {
            "index": 0,
            "finish_reason": "length",
            "message": {"role": "assistant", "content": "it is"},
        }
    ]
    assert said["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    said = answer(request(), "plain", Reply("1", tokens=(300, 7)))
    assert said["usage"]["total_tokens"] == 307


@pytest.mark.parametrize(
    ("dialect", "body", "expected"),
    [
        ("openai", request(max_tokens=9), 400),
        ("openai", request(max_completion_tokens=9), 200),
        ("gemini", request(logprobs=True, top_logprobs=5), 400),
        ("gemini", request("well?", PICTURE), 200),
        ("vllm", request(max_tokens=9, logprobs=True, top_logprobs=20), 200),
        ("vllm", request(logprobs=True, top_logprobs=21), 400),
        ("ollama", request(max_completion_tokens=9, max_tokens=9), 200),
        ("ollama", request("?", ELSEWHERE), 400),
        ("lmstudio", request(response_format={"type": "json_object"}), 400),
        ("lmstudio", request(response_format={"type": "json_schema"}), 200),
        ("plain", request(response_format={"type": "json_object"}, temperature=0.0), 200),
    ],
)  # fmt: skip
def test_each_server_refuses_what_it_does_not_know(dialect: str, body: Any, expected: int) -> None:
    assert status(body, dialect) == expected


@pytest.mark.parametrize(
    ("dialect", "error"),
    [
        ("plain", {"error": {"message": "no", "type": "c", "param": None, "code": "c"}}),
        ("gemini", [{"error": {"code": 500, "message": "no", "status": "c"}}]),
        ("sglang", {"object": "error", "message": "no", "type": "c", "param": None, "code": "c"}),
        ("lmstudio", {"error": "no"}),
    ],
)
def test_each_server_s_errors_have_its_shape(dialect: str, error: Any) -> None:
    assert answer(request(), dialect, Reply("no", 500, code="c")) == error


@pytest.mark.parametrize(
    ("dialect", "field"),
    [("vllm", "reasoning"), ("sglang", "reasoning_content"), ("lmstudio", "reasoning_content")],
)
def test_thoughts_are_in_the_field_that_the_server_has_for_them(dialect: str, field: str) -> None:
    message = answer(request(), dialect, Reply(reasoning="hm"))["choices"][0]["message"]
    assert message == {"role": "assistant", "content": None, field: "hm"}


def test_log_probabilities_are_sent_to_those_who_ask() -> None:
    scores = Reply("A", logprobs=({"B": -2.0, "A": -0.1, "C": -9.0},))
    asked = request(logprobs=True, top_logprobs=2)
    (token,) = answer(asked, "vllm", scores)["choices"][0]["logprobs"]["content"]
    assert (token["token"], token["logprob"]) == ("A", -0.1)
    assert [(top["token"], top["logprob"]) for top in token["top_logprobs"]] == [
        ("A", -0.1),
        ("B", -2.0),
    ]
    made_up = answer(asked, "vllm", Reply("it is"))["choices"][0]["logprobs"]["content"]
    assert [token["token"] for token in made_up] == ["it", "is"]
    for body, dialect in ((request(), "vllm"), (asked, "lmstudio")):
        assert "logprobs" not in answer(body, dialect, scores)["choices"][0]


def test_a_word_that_the_schema_lists_is_put_into_its_json() -> None:
    schema = {"properties": {"answer": {"enum": ["0", "1"]}}}
    kind = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    body = request(response_format=kind)
    texts = [
        answer(body, "plain", Reply(text))["choices"][0]["message"]["content"]
        for text in ("1", "neither")
    ]
    assert texts == ['{"answer": "1"}', "neither"]


def test_a_model_may_see_no_pictures_or_few() -> None:
    blind = replace(CHAT_DIALECTS["plain"], pictures=())
    one = replace(CHAT_DIALECTS["plain"], most_pictures=1)
    for dialect, message in ((blind, "does not support images"), (one, "At most 1 image")):
        with ChatServer([Reply("1")], dialect=dialect) as server:
            code, _, said = post(server, request("well?", PICTURE, PICTURE))
        assert code == 400
        assert message in said["error"]["message"]


def test_a_question_is_known_by_its_words_and_pictures() -> None:
    asked = [request("a"), request("b"), request("a", PICTURE), request("a", ELSEWHERE)]
    names = {question_in(sent) for sent in asked}
    assert len(names) == 4


def test_who_was_asked_what_how_often_is_noted() -> None:
    replies = [Reply("1"), Reply("no", 500), Reply("2")]
    with ChatServer(replies, dialect="openai") as server:
        for words in ("a", "b", "b"):
            post(server, request(words))
        post(server, request("c", max_tokens=9))
    assert server.asked == Counter({"b": 2, "a": 1})
    assert server.answered == Counter({"a": 1, "b": 1})
    assert len(server.requests) == 4


def test_faults_are_those_of_the_seed_and_in_their_shares() -> None:
    faults = Faults({Fault.BUSY: 0.2, Fault.DROPPED: 0.1, Fault.REFUSAL: 0.3}, seed=1)
    questions = [f"question {number}" for number in range(2000)]
    for time in range(3):
        drawn = Counter(faults.passing(question, time) for question in questions)
        assert drawn[Fault.BUSY] == pytest.approx(400, abs=60)
        assert drawn[Fault.DROPPED] == pytest.approx(200, abs=45)
        assert drawn[Fault.REFUSAL] == 0
    assert {faults.passing(question, 3) for question in questions} == {None}
    lasting = [faults.lasting(question) for question in questions]
    assert Counter(lasting)[Fault.REFUSAL] == pytest.approx(600, abs=70)
    assert lasting == [faults.lasting(question) for question in questions]
    assert lasting != [replace(faults, seed=2).lasting(question) for question in questions]


@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.BUSY_UNTIL, Fault.BUSY_SILENT])
def test_a_busy_server_says_when_to_come_back_in_seconds_by_date_or_not(fault: Fault) -> None:
    faults = Faults({fault: 1.0}, most=1, wait_s=3.0)
    with ChatServer(otherwise=lambda sent: Reply("1"), faults=faults) as server:
        code, headers, said = post(server, request())
        assert post(server, request())[0] == 200
    assert (code, said["error"]["code"]) == (429, "rate_limit_exceeded")
    after = headers["retry-after"]
    if fault is Fault.BUSY:
        assert after == "3"
    elif fault is Fault.BUSY_UNTIL:
        assert parsedate_to_datetime(after).tzinfo is not None
    else:
        assert after is None


@pytest.mark.parametrize(
    ("fault", "text", "reasoning", "finish"),
    [
        (Fault.PROSE, "Both of them look rather good to me.", None, "stop"),
        (Fault.THOUGHT, None, "1", "stop"),
        (Fault.CUT_OFF, None, "Let me think about", "length"),
        (Fault.REFUSAL, None, None, "stop"),
        (Fault.SLOW, "1", None, "stop"),
    ],
)
def test_answers_go_wrong_in_several_ways(
    fault: Fault, text: str | None, reasoning: str | None, finish: str
) -> None:
    faults = Faults({fault: 1.0})
    with ChatServer(otherwise=lambda sent: Reply("1"), faults=faults) as server:
        choice = post(server, request())[2]["choices"][0]
    message = choice["message"]
    assert message["content"] == text
    assert message.get("reasoning_content") == reasoning
    assert choice["finish_reason"] == finish
    assert ("refusal" in message) == (fault is Fault.REFUSAL)


def test_connections_drop_and_json_ends_in_the_middle() -> None:
    replies = [Reply(broken="dropped"), Reply("1", broken="truncated"), Reply("1")]
    with ChatServer(replies) as server:
        with pytest.raises(http.client.RemoteDisconnected):
            post(server, request())
        with pytest.raises(json.JSONDecodeError):
            post(server, request())
        assert post(server, request())[0] == 200
    assert server.answered == {"well?": 1}


def test_a_quota_ends_after_so_many_answers() -> None:
    with ChatServer(otherwise=lambda sent: Reply("1"), faults=Faults(quota=2)) as server:
        codes = [post(server, request())[0] for _ in range(4)]
        said = post(server, request())[2]
    assert codes == [200, 200, 429, 429]
    assert said["error"]["code"] == "insufficient_quota"


def test_the_list_of_models_says_whose_they_are() -> None:
    with ChatServer(dialect="vllm") as server:
        parts = urlsplit(server.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        connection.request("GET", f"{parts.path}/models")
        listed = json.loads(connection.getresponse().read())
        connection.close()
    assert listed["data"][0]["owned_by"] == "vllm"
    assert server.requests == []


def test_threads_are_served_at_a_time_and_counted() -> None:
    together = threading.Barrier(4)

    def reply(sent: Any) -> Reply:
        together.wait(timeout=30)
        return Reply("1")

    with ChatServer(otherwise=reply) as server:
        threads = [threading.Thread(target=post, args=(server, request(f"{n}"))) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert server.most_in_flight == 4
    assert server.n_connections == 4
    assert server.answered.total() == 4
