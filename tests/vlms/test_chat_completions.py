"""What servers answer with, read as an `Answer`."""

from typing import Any

import pytest
from tests.vlms.words import question

from vlfeedback.types import Outcome
from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.client.chat_completions import answer_of


def completion(message: Any, finish: str | None = "stop", **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "finish_reason": finish, "message": message}], **more}


def read(body: Any, **changes: Any) -> Answer:
    answer = answer_of(body, question(**changes), seconds=2.0)
    assert answer is not None
    return answer


def test_an_answer_has_all_that_the_server_says_of_it() -> None:
    body = completion(
        {"content": " 1\n"},
        model="gpt-5-mini-2026",
        usage={"prompt_tokens": 300, "completion_tokens": 7, "total_tokens": 307},
    )
    assert read(body) == Answer(
        " 1\n", tokens_in=300, tokens_out=7, seconds=2.0, model="gpt-5-mini-2026"
    )


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": "1"}, "1"),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab"),
        ({"content": ["a", {"type": "image_url"}]}, "a"),
        ({"content": "1", "reasoning": "hm"}, "1"),
        ({"content": None, "reasoning": "hm: 1"}, "hm: 1"),
        ({"content": "", "reasoning_content": '{"answer": "1"}'}, '{"answer": "1"}'),
        ({"content": " ", "reasoning": "a", "reasoning_content": "b"}, "a"),
        ({"content": "<think>\nis it 0?\n</think>\n\n1"}, "\n\n1"),
    ],
)
def test_content_is_read_then_reasoning_then_reasoning_content(message: Any, text: str) -> None:
    answer = read(completion(message))
    assert (answer.text, answer.outcome) == (text, Outcome.ANSWERED)


@pytest.mark.parametrize(
    ("message", "finish", "outcome", "problem"),
    [
        ({"refusal": "I cannot."}, "stop", Outcome.REFUSED, "The model refuses."),
        ({"content": None}, "content_filter", Outcome.REFUSED, "content_filter"),
        ({"content": "Well, the"}, "content_filter", Outcome.REFUSED, "content_filter"),
        ({"content": ""}, "SAFETY", Outcome.REFUSED, "safety"),
        (None, "content_filter: PROHIBITED_CONTENT", Outcome.REFUSED, "prohibited_content"),
        ({"content": None}, "length", Outcome.UNPARSABLE, "had said nothing after max_tokens=1024"),
        ({"reasoning": "hm"}, "length", Outcome.UNPARSABLE, "still thinking after max_tokens=1024"),
        ({"content": "<think>hm"}, "length", Outcome.UNPARSABLE, "after max_tokens=1024"),
        ({"content": None}, "stop", Outcome.UNPARSABLE, "said nothing (it stopped with stop)"),
        ({}, None, Outcome.UNPARSABLE, "said nothing (it stopped with no reason)"),
    ],
)
def test_what_is_no_answer_says_why(
    message: Any, finish: str | None, outcome: Outcome, problem: str
) -> None:
    answer = read(completion(message, finish))
    assert answer.outcome is outcome
    assert problem in answer.problem


def test_the_words_of_a_refusal_are_kept() -> None:
    assert read(completion({"content": None, "refusal": "I cannot."})).text == "I cannot."


def test_an_answer_that_began_before_it_was_cut_off_is_left_to_its_reader() -> None:
    answer = read(completion({"content": "A"}, "length"), max_tokens=1)
    assert (answer.text, answer.outcome, answer.finish) == ("A", Outcome.ANSWERED, "length")


def test_gemini_s_blocked_question_is_refused() -> None:
    answer = read({"choices": [], "prompt_feedback": {"block_reason": "SAFETY"}})
    assert answer.outcome is Outcome.REFUSED
    assert answer.problem == "A filter of the server stopped the question (SAFETY)."


@pytest.mark.parametrize(
    "body",
    [
        {"choices": None},
        {"choices": []},
        {"choices": ["1"]},
        {"error": "no"},
        ["hello"],
        "hello",
        1,
    ],
)
def test_something_else_is_no_answer(body: Any) -> None:
    assert answer_of(body, question(), seconds=0.0) is None


def test_log_probabilities_are_those_of_each_token_s_alternatives() -> None:
    tokens = [
        {
            "token": "A",
            "logprob": -0.1,
            "top_logprobs": [
                {"token": "A", "logprob": -0.1},
                {"token": "B", "logprob": -2.5},
                {"token": "B", "logprob": -9.0},
            ],
        },
        {"token": ".", "logprob": 0.0, "top_logprobs": []},
    ]
    body = completion({"content": "A."})
    body["choices"][0]["logprobs"] = {"content": tokens}
    assert read(body).logprobs == ({"A": -0.1, "B": -2.5}, {".": 0.0})


@pytest.mark.parametrize("logprobs", [None, {}, {"content": None}, {"content": []}, "no"])
def test_without_log_probabilities_there_are_none(logprobs: Any) -> None:
    body = completion({"content": "A"})
    body["choices"][0]["logprobs"] = logprobs
    assert read(body).logprobs == ()


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ('{"answer": "1"}', "1"),
        ("1", "1"),
        ('{"answer": 1}', '{"answer": 1}'),
        ('{"answer": "1", "why": "so"}', '{"answer": "1", "why": "so"}'),
    ],
)
def test_a_choice_is_taken_out_of_its_json(text: str, read_as: str) -> None:
    assert read(completion({"content": text}), choices=("0", "1")).text == read_as
    assert read(completion({"content": text})).text == text
