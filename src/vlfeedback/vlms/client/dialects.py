"""How servers of OpenAI's chat completions differ: one entry a server, and how it is told.

Source: OpenAI's Python library 3.57 and the servers' own code and pages, as read in November 2026.
What a row leaves open, and what a newer release does in another way, is found out by asking: see
`vlfeedback.vlms.client.abilities`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from vlfeedback.errors import UnknownNameError
from vlfeedback.registry import suggest
from vlfeedback.vlms.servers import OPENAI_URL

__all__ = ["DIALECTS", "Dialect", "ResponseFormat", "dialect_at", "dialect_named"]

ResponseFormat = Literal["json_schema", "json_object", "none"]
"""How an answer is held to a form: to a schema, to JSON of any kind, or by words alone."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What is particular about one kind of server.

    Attributes:
        name: of the server, as in `VLMSettings.dialect`.
        token_fields: names of the limit of tokens; one is sent, the first unless it is refused.
        response_formats: kinds of ``response_format`` that are understood, the best first.
        logprobs: whether log-probabilities can be had; True may still not hold for every model.
        no_thinking: fields of a request that switch thinking off; empty where none is known.
        may_refuse_temperature: some of its models take no ``temperature``.
        picture_urls: kinds of address that a picture may have; what is sent is always "data".
        hosts: names, or ends of names, of machines where it is.
        port: where it listens unless it is told otherwise; 0 where that tells nothing.
        owner: what its list of models says in ``owned_by``; "" where that tells nothing.
        key_variable: environment variable with its API key; "" where it needs none.
    """

    name: str
    token_fields: tuple[str, ...] = ("max_tokens", "max_completion_tokens")
    response_formats: tuple[ResponseFormat, ...] = ("json_schema", "json_object")
    logprobs: bool = True
    no_thinking: Mapping[str, Any] = field(default_factory=dict)
    may_refuse_temperature: bool = False
    picture_urls: tuple[str, ...] = ("data", "http")
    hosts: tuple[str, ...] = ()
    port: int = 0
    owner: str = ""
    key_variable: str = ""


_NO_EFFORT = {"reasoning_effort": "none"}
_PLAIN_TEMPLATE = {"chat_template_kwargs": {"enable_thinking": False}}

DIALECTS: Mapping[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        Dialect(
            "openai",
            token_fields=("max_completion_tokens", "max_tokens"),
            no_thinking=_NO_EFFORT,
            may_refuse_temperature=True,
            hosts=("api.openai.com",),
            key_variable="OPENAI_API_KEY",
        ),
        Dialect(
            "gemini",
            logprobs=False,  # Vertex AI has them, Google's public API has not
            no_thinking=_NO_EFFORT,
            picture_urls=("data",),
            hosts=("generativelanguage.googleapis.com",),
            key_variable="GEMINI_API_KEY",
        ),
        Dialect("vllm", no_thinking=_PLAIN_TEMPLATE, owner="vllm"),
        Dialect("sglang", no_thinking=_PLAIN_TEMPLATE, owner="sglang"),
        Dialect(
            "ollama",
            token_fields=("max_tokens",),  # the other is read over, and nothing is limited then
            no_thinking=_NO_EFFORT,
            picture_urls=("data",),
            port=11434,
        ),
        Dialect(
            "lmstudio",
            response_formats=("json_schema",),
            picture_urls=("data",),
            port=1234,
        ),
        Dialect("plain", may_refuse_temperature=True, picture_urls=("data",)),
    )
}
"""By name; "plain" is whatever else speaks OpenAI's chat completions."""


def dialect_named(name: str) -> Dialect:
    """The dialect of a name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in DIALECTS:
        known = ["auto", *DIALECTS]
        raise UnknownNameError(
            f"No dialect {name!r}. {suggest(name, known)}Expected one of {', '.join(known)}."
        )
    return DIALECTS[name]


def dialect_at(base_url: str, owner: str = "") -> Dialect | None:
    """The dialect of a server, by its address or by what it says of itself; None if neither tells.

    Args:
        base_url: root of its API; "" is OpenAI's.
        owner: ``owned_by`` in its list of models, if it was asked.

    >>> dialect_at("http://localhost:11434/v1").name
    'ollama'
    >>> dialect_at("http://localhost:8000/v1", owner="vllm").name
    'vllm'
    """
    parts = urlsplit(base_url or OPENAI_URL)
    host = parts.hostname or ""
    for dialect in DIALECTS.values():
        if any(host == known or host.endswith(f".{known}") for known in dialect.hosts):
            return dialect
        if dialect.port and dialect.port == parts.port:
            return dialect
        if owner and owner == dialect.owner:
            return dialect
    return None
