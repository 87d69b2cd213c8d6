"""A question to a vision-language model: what it is shown, and what is asked for in return."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt8

from vlfeedback.errors import InvalidValueError
from vlfeedback.optional import require

__all__ = ["EncodedPicture", "Part", "Question", "Turn", "encode_picture", "key_of"]


@dataclass(frozen=True)
class EncodedPicture:
    """A picture as the bytes that are sent.

    Attributes:
        data: a PNG file.
        width: pixels.
        height: pixels.
    """

    data: bytes
    width: int
    height: int

    @cached_property
    def digest(self) -> str:
        """SHA-256 of `data`."""
        return hashlib.sha256(self.data).hexdigest()


Part = str | EncodedPicture
"""A text or a picture, in the order that the model reads them."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side of a conversation says."""

    role: Literal["system", "user", "assistant"]
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """One question; equal questions have equal answers, and are asked once.

    Attributes:
        turns: the conversation, the last turn the user's.
        prompt: id and version of the words, such as ``"rl-vlm-f/1"``.
        stage: which of the prompt's questions this is, such as ``"describe"``.
        choices: the words of which the answer is one, enforced where the server can.
        schema: JSON schema of the answer, enforced where the server can; not with `choices`.
        top_logprobs: alternatives of each token of the answer whose log-probabilities are asked
            for; 0 asks for none.
        max_tokens: of the answer, reasoning included.
        temperature: 0 the likeliest answer.
        sample: number of this repeat: the same question asked once more is another question.

    Raises:
        InvalidValueError: no turn, the last is not the user's, a number is out of its range, or the
            schema is no JSON object.
    """

    turns: tuple[Turn, ...]
    prompt: str
    stage: str = ""
    choices: tuple[str, ...] = ()
    schema: str = ""  # JSON text, so that a question can be hashed
    top_logprobs: int = 0
    max_tokens: int = 1024
    temperature: float = 0.0
    sample: int = 0

    def __post_init__(self) -> None:
        if not self.turns or self.turns[-1].role != "user":
            raise InvalidValueError("A question ends with what the user says; add a user's turn.")
        if self.choices and self.schema:
            raise InvalidValueError("Give choices or a schema of the answer, not both.")
        if self.schema and not _is_object(self.schema):
            raise InvalidValueError(
                f"schema={self.schema!r}; expected a JSON schema as text, such as "
                '{"type": "object", ...}.'
            )
        if not (0 <= self.top_logprobs <= 20 and self.max_tokens >= 1 and self.temperature >= 0):
            raise InvalidValueError(
                f"top_logprobs={self.top_logprobs}, max_tokens={self.max_tokens}, "
                f"temperature={self.temperature}; expected 0 to 20, at least 1 and at least 0."
            )

    @property
    def n_pictures(self) -> int:
        """How many pictures it shows."""
        return sum(isinstance(part, EncodedPicture) for turn in self.turns for part in turn.parts)

    def follow_up(self, answer: str, *parts: Part, **changes: Any) -> Question:
        """The next question of the conversation, after this one was answered."""
        said = Turn("assistant", (answer,))
        return replace(self, turns=(*self.turns, said, Turn("user", parts)), **changes)

    def asked(self, model: str) -> dict[str, Any]:
        """All that decides the answer, as JSON values; of a picture, its digest."""
        turns = [
            [
                turn.role,
                [part if isinstance(part, str) else {"sha256": part.digest} for part in turn.parts],
            ]
            for turn in self.turns
        ]
        settings = {field.name: getattr(self, field.name) for field in fields(self)}
        return settings | {
            "model": model,
            "turns": turns,
            "choices": list(self.choices),
            "temperature": float(self.temperature),  # 0 and 0.0 are one
        }

    def key(self, model: str) -> str:
        """SHA-256 of all that decides the answer: pictures, words, parameters and the model."""
        return key_of(self.asked(model))


def key_of(asked: Mapping[str, Any]) -> str:
    """The key of a question that `Question.asked` describes."""
    text = json.dumps(asked, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def encode_picture(picture: UInt8[np.ndarray, "H W 3"]) -> EncodedPicture:
    """A picture, (H, W, 3) uint8, RGB, as a PNG: the one kind that every server takes."""
    require("PIL", extra="vlm", needed_by="sending a picture to a model")
    from PIL import Image

    png = io.BytesIO()
    Image.fromarray(picture).save(png, format="PNG")
    return EncodedPicture(png.getvalue(), picture.shape[1], picture.shape[0])


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
