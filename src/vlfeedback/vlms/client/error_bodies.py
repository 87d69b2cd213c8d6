"""What a server's error says; the shapes of six of them, and none at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["ErrorBody"]

_LONGEST = 500  # characters of a message that are shown


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """An error as a server words it.

    Attributes:
        message: for people, cut to 500 characters; the whole body where there is no such field.
        codes: what it calls the kind of error, lower-case: its ``code``, ``type``, ``status``.
        param: the field of the request that it complains of; "" where it names none.
        whole: the body as it came.
    """

    message: str
    codes: frozenset[str] = frozenset()
    param: str = ""
    whole: str = ""

    @classmethod
    def read(cls, body: str) -> ErrorBody:
        """Read the body of an answer with a status of 400 or above, JSON or not.

        >>> ErrorBody.read('{"error": "Model does not support images."}').message
        'Model does not support images'
        >>> ErrorBody.read('[{"error": {"status": "RESOURCE_EXHAUSTED"}}]').codes
        frozenset({'resource_exhausted'})
        """
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            return cls(_short(body), whole=body)
        if isinstance(value, list) and value:  # Gemini's
            value = value[0]
        error = value.get("error", value) if isinstance(value, Mapping) else value
        if not isinstance(error, Mapping):  # LM Studio's
            return cls(_short(error if isinstance(error, str) else body), whole=body)
        message = error.get("message") or error.get("detail")  # the second is FastAPI's
        codes = (error.get(name) for name in ("code", "type", "status"))
        return cls(
            message=_short(message if isinstance(message, str) else body),
            codes=frozenset(str(code).lower() for code in codes if code),
            param=_text(error.get("param")),
            whole=body,
        )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _short(text: str) -> str:
    return " ".join(text.split())[:_LONGEST].rstrip(". ") or "nothing"
