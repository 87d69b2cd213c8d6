"""A question as the request that a server of one dialect takes."""

from __future__ import annotations

import base64
import json
from typing import Any

from vlfeedback.vlms.client.abilities import Abilities, Feature
from vlfeedback.vlms.client.dialects import Dialect
from vlfeedback.vlms.questions import EncodedPicture, Part, Question, Turn

__all__ = ["ANSWER", "features_of", "request_of"]

ANSWER = "answer"
"""Name under which a choice stands in an answer that is JSON."""


def features_of(question: Question, *, no_thinking: bool) -> frozenset[Feature]:
    """What a request for this question uses that a server may refuse."""
    uses: dict[Feature, bool] = {
        "token_field": True,
        "temperature": True,
        "response_format": _schema_of(question) is not None,
        "top_logprobs": question.top_logprobs > 0,
        "pictures": any(isinstance(p, EncodedPicture) for t in question.turns for p in t.parts),
        "no_thinking": no_thinking,
    }
    return frozenset(feature for feature, is_used in uses.items() if is_used)


def request_of(
    question: Question,
    model: str,
    dialect: Dialect,
    abilities: Abilities,
    features: frozenset[Feature],
) -> dict[str, Any]:
    """The JSON of a chat completion's request.

    Where the server cannot hold an answer to its form, a sentence asks for it. Choices whose
    log-probabilities are asked for are left to the words of the question: within JSON the first
    token would be a bracket.

    Args:
        question: what is asked.
        model: as the server knows it.
        dialect: of the server.
        abilities: what the request may use.
        features: that it uses; see `features_of`.
    """
    schema = _schema_of(question)
    request: dict[str, Any] = {"model": model, "messages": _messages(question)}
    if schema is not None:
        if abilities.response_format == "json_schema":
            kind = {"name": ANSWER, "strict": True, "schema": schema}
            request["response_format"] = {"type": "json_schema", "json_schema": kind}
        elif abilities.response_format == "json_object":
            request["response_format"] = {"type": "json_object"}
        if abilities.response_format != "json_schema":
            sentence = _sentence(question, in_json=abilities.response_format == "json_object")
            request["messages"] = _messages(question, sentence)
    if abilities.token_field:
        request[abilities.token_field] = question.max_tokens
    if abilities.temperature:
        request["temperature"] = question.temperature
    if question.top_logprobs and abilities.top_logprobs:
        request["logprobs"] = True
        request["top_logprobs"] = min(question.top_logprobs, abilities.top_logprobs)
    if "no_thinking" in features and abilities.no_thinking:
        request.update(dialect.no_thinking)
    return request


def _schema_of(question: Question) -> dict[str, Any] | None:
    if question.schema:
        schema: dict[str, Any] = json.loads(question.schema)
        return schema
    if not question.choices or question.top_logprobs:
        return None
    return {
        "type": "object",
        "properties": {ANSWER: {"type": "string", "enum": list(question.choices)}},
        "required": [ANSWER],
        "additionalProperties": False,
    }


def _sentence(question: Question, *, in_json: bool) -> str:
    if question.schema:
        return f"Answer with JSON alone, by this schema: {question.schema}"
    words = ", ".join(json.dumps(choice, ensure_ascii=False) for choice in question.choices)
    if in_json:  # servers want the word JSON in the question
        return f'Answer with JSON alone: {{"{ANSWER}": ...}}, with one of {words}.'
    return f"Answer with one of these alone, without quotes: {words}."


def _messages(question: Question, sentence: str = "") -> list[dict[str, Any]]:
    *before, last = question.turns
    parts = (*last.parts, sentence) if sentence else last.parts
    return [_message(turn) for turn in (*before, Turn(last.role, parts))]


def _message(turn: Turn) -> dict[str, Any]:
    """A message; words alone are one text, the form that every server and template takes."""
    if all(isinstance(part, str) for part in turn.parts):
        return {"role": turn.role, "content": "\n".join(map(str, turn.parts))}
    return {"role": turn.role, "content": [_part(part) for part in turn.parts]}


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    data = base64.b64encode(part.data).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
