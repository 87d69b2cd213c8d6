"""What a `ChatServer` says to one request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Reply"]


@dataclass(frozen=True)
class Reply:
    """One HTTP answer.

    Attributes:
        text: what the model says, or the error's message if `status` is not 200.
        status: HTTP status.
        headers: further headers, such as ``{"retry-after": "1"}``.
        body: JSON to send in place of a chat completion or an error.
        finish: why the model stopped.
        reasoning: what it thought, in the field that the server has for it.
        refusal: why it says nothing.
        logprobs: of the alternatives of each token, by their text, sent where they are asked for;
            () are made up: each word of `text` is certain.
        tokens: read and written; None counts words.
        code: of an error, such as ``"insufficient_quota"``.
        param: the field that an error is about.
        delay_s: time that passes before it is sent, in seconds.
        broken: "dropped", the connection ends without an answer; "truncated", half of the JSON is
            sent.
    """

    text: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    finish: str = "stop"
    reasoning: str = ""
    refusal: str = ""
    logprobs: tuple[Mapping[str, float], ...] = ()
    tokens: tuple[int, int] | None = None
    code: str = ""
    param: str = ""
    delay_s: float = 0.0
    broken: Literal["", "dropped", "truncated"] = ""

    @property
    def is_answer(self) -> bool:
        """Whether a chat completion is sent, whole."""
        return self.status == 200 and self.body is None and not self.broken
