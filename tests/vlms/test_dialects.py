"""How a server's dialect is told, and what is expected of it."""

from typing import Any

import pytest

from vlfeedback.errors import UnknownNameError
from vlfeedback.vlms.client.abilities import Abilities, Feature
from vlfeedback.vlms.client.dialects import DIALECTS, dialect_at, dialect_named


@pytest.mark.parametrize(
    ("base_url", "owner", "name"),
    [
        ("https://api.openai.com/v1", "", "openai"),
        ("https://eu.api.openai.com/v1", "", "openai"),
        ("https://generativelanguage.googleapis.com/v1beta/openai/", "", "gemini"),
        ("http://localhost:11434/v1", "", "ollama"),
        ("http://10.0.0.7:1234/v1", "", "lmstudio"),
        ("http://localhost:8000/v1", "vllm", "vllm"),
        ("http://localhost:30000/v1", "sglang", "sglang"),
        ("http://localhost:8000/v1", "", None),
        ("http://localhost:8000/v1", "openai", None),
        ("https://api.openai.com.example.org/v1", "", None),
        ("https://notapi.openai.com/v1", "", None),
    ],
)
def test_a_server_is_told_by_its_address_or_by_its_list_of_models(
    base_url: str, owner: str, name: str | None
) -> None:
    found = dialect_at(base_url, owner)
    assert (found.name if found else None) == name


def test_a_misspelt_dialect_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"No dialect 'vlm'\. Did you mean 'vllm'"):
        dialect_named("vlm")


def test_every_server_takes_the_pictures_that_are_sent() -> None:
    assert {name for name, dialect in DIALECTS.items() if "data" in dialect.picture_urls} == set(
        DIALECTS
    )


def test_what_is_refused_is_replaced_by_the_next_best() -> None:
    openai, lmstudio = DIALECTS["openai"], DIALECTS["lmstudio"]
    can = Abilities.expected(openai)
    assert can.token_field == "max_completion_tokens"
    steps: dict[Feature, list[Any]] = {
        "token_field": ["max_tokens", ""],
        "response_format": ["json_object", "none"],
        "top_logprobs": [5, 0],
        "temperature": [False],
        "no_thinking": [False],
        "pictures": [],
    }
    for feature, values in steps.items():
        lesser: Abilities | None = can
        for value in values:
            assert lesser is not None
            lesser = lesser.without(feature, openai)
            assert getattr(lesser, feature) == value
        assert lesser is not None
        assert lesser.without(feature, openai) is None
    without_schema = Abilities.expected(lmstudio).without("response_format", lmstudio)
    assert without_schema is not None
    assert without_schema.response_format == "none"


def test_what_is_known_goes_through_json_and_nothing_else() -> None:
    vllm = DIALECTS["vllm"]
    can = Abilities("vllm", top_logprobs=5, pictures=False, known=frozenset(["top_logprobs"]))
    assert can.to_json() == {"dialect": "vllm", "top_logprobs": 5}
    again = Abilities.from_json(can.to_json(), vllm)
    assert (again.top_logprobs, again.pictures) == (5, True)
    assert again.known == {"top_logprobs", "temperature"}


@pytest.mark.parametrize(
    "value",
    [
        {"dialect": "vllm", "token_field": "api_key"},
        {"dialect": "vllm", "response_format": "xml"},
        {"dialect": "vllm", "top_logprobs": -3},
        {"dialect": "vllm", "temperature": None},
        {"dialect": "ollama", "top_logprobs": 0},
        ["vllm"],
        None,
    ],
)
def test_what_nobody_can_have_found_out_is_read_over(value: object) -> None:
    assert Abilities.from_json(value, DIALECTS["vllm"]) == Abilities.expected(DIALECTS["vllm"])
