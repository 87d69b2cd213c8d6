"""How six servers of chat completions answer, for a `ChatServer` to play.

Source: see `vlfeedback.vlms.client.dialects`, which says the same from the client's side.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from vlfeedback.testing.chat_replies import Reply

__all__ = ["CHAT_DIALECTS", "ChatDialect"]


@dataclass(frozen=True)
class ChatDialect:
    """What one kind of server takes, refuses and sends.

    ``dataclasses.replace`` makes others, such as a model of OpenAI's that takes no temperature.

    Attributes:
        name: of the server.
        refused: fields of a request that are answered with status 400.
        response_formats: kinds of ``response_format`` that are taken; others are refused.
        logprobs: whether they are given where they are asked for, refused, or left out.
        most_logprobs: alternatives of a token that may be asked for.
        pictures: kinds of address that a picture may have; () is a model that sees none.
        most_pictures: in one request.
        reasoning_field: of a message, where the model thinks.
        error: shape of an error: an object in an object, the same in a list, an object alone, or
            a text.
        owner: of its models, in their list.
    """

    name: str
    refused: tuple[str, ...] = ()
    response_formats: tuple[str, ...] = ("json_schema", "json_object")
    logprobs: Literal["given", "refused", "left out"] = "given"
    most_logprobs: int = 20
    pictures: tuple[str, ...] = ("data", "http")
    most_pictures: int = 100
    reasoning_field: str = "reasoning_content"
    error: Literal["nested", "list", "flat", "text"] = "nested"
    owner: str = ""

    def refusal(self, request: Mapping[str, Any]) -> Reply | None:
        """The error that a request is answered with; None where it is taken."""
        for name in self.refused:
            if name in request:
                return _refused(f"Unsupported parameter: '{name}' is not supported.", name)
        kind = request.get("response_format", {}).get("type", "text")
        if kind not in ("text", *self.response_formats):
            return _refused(f"'response_format.type' must not be '{kind}'", "response_format")
        if request.get("logprobs") and self.logprobs == "refused":
            return _refused("Logprobs is not enabled for this model.", "logprobs")
        if request.get("top_logprobs", 0) > self.most_logprobs:
            return _refused(f"top_logprobs must be at most {self.most_logprobs}.", "top_logprobs")
        return self._refused_pictures(request)

    def _refused_pictures(self, request: Mapping[str, Any]) -> Reply | None:
        urls = [
            part["image_url"]["url"]
            for message in request["messages"]
            if isinstance(message["content"], list)
            for part in message["content"]
            if part["type"] == "image_url"
        ]
        if urls and not self.pictures:
            return _refused("Model does not support images. Please use a model that does.", "")
        if len(urls) > self.most_pictures:
            return _refused(f"At most {self.most_pictures} image(s) may be provided.", "")
        if any(url.partition(":")[0] not in self.pictures for url in urls):
            return _refused("Invalid image URL.", "")
        return None

    def to_json(self, reply: Reply, request: Mapping[str, Any]) -> Any:
        """The JSON of a reply to a request."""
        if reply.body is not None:
            return reply.body
        return self._completion(reply, request) if reply.status == 200 else self._error(reply)

    def _completion(self, reply: Reply, request: Mapping[str, Any]) -> dict[str, Any]:
        text = _held_to_schema(reply.text, request)
        message: dict[str, Any] = {"role": "assistant", "content": text or None}
        if reply.refusal:
            message |= {"content": None, "refusal": reply.refusal}
        if reply.reasoning:
            message[self.reasoning_field] = reply.reasoning
        choice = {"index": 0, "finish_reason": reply.finish, "message": message}
        if request.get("logprobs") and self.logprobs == "given":
            choice["logprobs"] = {"content": _logprobs(reply, request.get("top_logprobs", 0))}
        words_in = sum(len(str(message["content"]).split()) for message in request["messages"])
        tokens_in, tokens_out = reply.tokens or (
            words_in,
            len(f"{text} {reply.reasoning}".split()),
        )
        return {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": "scripted",
            "choices": [choice],
            "usage": {
                "prompt_tokens": tokens_in,
                "completion_tokens": tokens_out,
                "total_tokens": tokens_in + tokens_out,
            },
        }

    def _error(self, reply: Reply) -> Any:
        error = {
            "message": reply.text,
            "type": reply.code or "error",
            "param": reply.param or None,
            "code": reply.code or None,
        }
        if self.error == "text":
            return {"error": reply.text}
        if self.error == "flat":
            return {"object": "error", **error}
        if self.error == "list":
            status = reply.code or "INVALID_ARGUMENT"
            return [{"error": {"code": reply.status, "message": reply.text, "status": status}}]
        return {"error": error}


def _refused(message: str, param: str) -> Reply:
    return Reply(message, 400, param=param, code="invalid_request_error")


def _held_to_schema(text: str, request: Mapping[str, Any]) -> str:
    """A word that a schema lists as a choice, as the JSON that the schema wants."""
    schema = request.get("response_format", {}).get("json_schema", {}).get("schema", {})
    for name, value in schema.get("properties", {}).items():
        if text in value.get("enum", ()):
            return json.dumps({name: text})
    return text


def _logprobs(reply: Reply, n_alternatives: int) -> list[dict[str, Any]]:
    tokens = reply.logprobs or tuple({word: 0.0} for word in reply.text.split())
    content = []
    for token in tokens:
        ranked = sorted(token.items(), key=lambda item: -item[1])
        rows = [{"token": text, "logprob": logprob, "bytes": None} for text, logprob in ranked]
        content.append({**rows[0], "top_logprobs": rows[:n_alternatives]})
    return content


CHAT_DIALECTS: Mapping[str, ChatDialect] = {
    dialect.name: dialect
    for dialect in (
        ChatDialect("plain"),
        ChatDialect("openai", refused=("max_tokens",), owner="openai"),
        ChatDialect("gemini", logprobs="refused", pictures=("data",), error="list", owner="google"),
        ChatDialect("vllm", reasoning_field="reasoning", owner="vllm"),
        ChatDialect("sglang", error="flat", owner="sglang"),
        ChatDialect("ollama", pictures=("data",), reasoning_field="reasoning", owner="library"),
        ChatDialect(
            "lmstudio",
            response_formats=("json_schema",),
            logprobs="left out",
            pictures=("data",),
            error="text",
            owner="organization_owner",
        ),
    )
}
"""By name; "plain" takes everything."""
