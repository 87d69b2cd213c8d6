"""Questions as the requests that servers of each dialect take."""

import base64
import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.vlms.words import picture, question

from vlfeedback.errors import InvalidValueError
from vlfeedback.vlms.client.abilities import Abilities
from vlfeedback.vlms.client.chat_requests import features_of, request_of
from vlfeedback.vlms.client.dialects import DIALECTS
from vlfeedback.vlms.questions import EncodedPicture, Question, Turn, encode_picture

SCHEMA = '{"type": "object", "properties": {"score": {"type": "number"}}}'


def sent(asked: Question, dialect: str = "plain", thinking: str = "default", **can: Any) -> Any:
    spoken = DIALECTS[dialect]
    abilities = replace(Abilities.expected(spoken), **can)
    features = features_of(asked, no_thinking=thinking == "off")
    return request_of(asked, "some-model", spoken, abilities, features)


def test_a_question_in_words_is_sent_as_words() -> None:
    assert sent(question("well?")) == {
        "model": "some-model",
        "messages": [{"role": "user", "content": "well?"}],
        "max_tokens": 1024,
        "temperature": 0.0,
    }


def test_words_and_pictures_keep_their_order() -> None:
    asked = Question(
        (
            Turn("system", ("Be brief.",)),
            Turn("user", ("first:", picture(0), "second:", picture(9), "which?")),
        ),
        prompt="test/1",
    )
    system, user = sent(asked)["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    assert [part["type"] for part in user["content"]] == [
        "text",
        "image_url",
        "text",
        "image_url",
        "text",
    ]
    assert [part["text"] for part in user["content"][::2]] == ["first:", "second:", "which?"]


def test_a_picture_is_sent_as_it_is() -> None:
    shown = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    asked: tuple[str, EncodedPicture] = ("well?", encode_picture(shown))
    part = sent(question(*asked))["messages"][0]["content"][1]
    kind, _, data = part["image_url"]["url"].partition(",")
    assert kind == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as opened:
        np.testing.assert_array_equal(np.asarray(opened), shown)


@pytest.mark.parametrize(
    ("dialect", "field"),
    [
        ("openai", "max_completion_tokens"),
        ("gemini", "max_tokens"),
        ("vllm", "max_tokens"),
        ("sglang", "max_tokens"),
        ("ollama", "max_tokens"),
        ("lmstudio", "max_tokens"),
        ("plain", "max_tokens"),
    ],
)
def test_the_limit_of_tokens_has_the_name_that_the_server_knows(dialect: str, field: str) -> None:
    request = sent(question(max_tokens=7), dialect)
    assert {name: value for name, value in request.items() if "tokens" in name} == {field: 7}


def test_choices_are_a_schema() -> None:
    request = sent(question(choices=("0", "1", "-1")))
    assert request["response_format"] == {
        "type": "json_schema",
        "json_schema": {
            "name": "answer",
            "strict": True,
            "schema": {
                "type": "object",
                "properties": {"answer": {"type": "string", "enum": ["0", "1", "-1"]}},
                "required": ["answer"],
                "additionalProperties": False,
            },
        },
    }
    assert request["messages"][0]["content"] == "well?"


def test_a_schema_is_sent_as_it_is() -> None:
    kind = sent(question(schema=SCHEMA))["response_format"]["json_schema"]
    assert kind["schema"] == json.loads(SCHEMA)


@pytest.mark.parametrize(
    ("response_format", "sends", "asks"),
    [
        (
            "json_object",
            {"type": "json_object"},
            'Answer with JSON alone: {"answer": ...}, with one of "0", "1".',
        ),
        ("none", None, 'Answer with one of these alone, without quotes: "0", "1".'),
    ],
)
def test_where_a_server_knows_no_schema_words_ask_for_a_choice(
    response_format: str, sends: Any, asks: str
) -> None:
    request = sent(question(choices=("0", "1")), response_format=response_format)
    assert request.get("response_format") == sends
    assert request["messages"][0]["content"] == f"well?\n{asks}"


@pytest.mark.parametrize("response_format", ["json_object", "none"])
def test_where_a_server_knows_no_schema_it_is_part_of_the_question(response_format: str) -> None:
    request = sent(question("well?", picture(), schema=SCHEMA), response_format=response_format)
    said = request["messages"][0]["content"][-1]["text"]
    assert said == f"Answer with JSON alone, by this schema: {SCHEMA}"


def test_log_probabilities_are_asked_for_as_far_as_they_can_be_had() -> None:
    asked = question(top_logprobs=10)
    expected = {"logprobs": True, "top_logprobs": 10}
    assert {name: sent(asked)[name] for name in expected} == expected
    assert sent(asked, top_logprobs=5)["top_logprobs"] == 5
    assert "logprobs" not in sent(asked, "gemini")
    assert "logprobs" not in sent(question())


def test_a_choice_whose_log_probabilities_are_wanted_is_its_first_token() -> None:
    assert "response_format" not in sent(question(choices=("0", "1"), top_logprobs=5))


def test_what_a_model_takes_no_temperature_for_has_none() -> None:
    assert "temperature" not in sent(question(), temperature=False)


@pytest.mark.parametrize(
    ("dialect", "fields"),
    [
        ("openai", {"reasoning_effort": "none"}),
        ("gemini", {"reasoning_effort": "none"}),
        ("ollama", {"reasoning_effort": "none"}),
        ("vllm", {"chat_template_kwargs": {"enable_thinking": False}}),
        ("sglang", {"chat_template_kwargs": {"enable_thinking": False}}),
        ("lmstudio", {}),
        ("plain", {}),
    ],
)
def test_thinking_is_switched_off_in_the_server_s_way(dialect: str, fields: Any) -> None:
    usual = sent(question(), dialect)
    assert sent(question(), dialect, thinking="off") == {**usual, **fields}
    assert sent(question(), dialect, thinking="off", no_thinking=False) == usual


def test_what_a_request_uses_is_what_may_be_refused() -> None:
    assert features_of(question(), no_thinking=False) == {"token_field", "temperature"}
    everything = question("well?", picture(), schema=SCHEMA, top_logprobs=1)
    assert features_of(everything, no_thinking=True) == {
        "token_field",
        "temperature",
        "response_format",
        "top_logprobs",
        "pictures",
        "no_thinking",
    }


@pytest.mark.parametrize("schema", ["{", "[]", '"text"', "[" * 5000])
def test_a_schema_that_is_none_is_refused_before_it_is_asked(schema: str) -> None:
    with pytest.raises(InvalidValueError, match="expected a JSON schema as text"):
        question(schema=schema)
