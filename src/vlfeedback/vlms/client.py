"""A thin client of any server that speaks OpenAI's chat completions.

OpenAI's own, Gemini's compatible endpoint, vLLM, SGLang, Ollama and so on. This is the one place
that reads the API key; it is neither stored in a file nor part of any message.
"""

from __future__ import annotations

import base64
import io
import logging
import os
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

from vlfeedback.errors import NeedsError, UnknownNameError
from vlfeedback.optional import require

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam

__all__ = ["API_KEY_VARIABLE", "ChatClient", "picture_part"]

API_KEY_VARIABLE = "OPENAI_API_KEY"
"""Environment variable with the API key, whichever server it is for."""

_OPENAI_URL = "https://api.openai.com/v1"
_LONGEST_WAIT_S = 60.0

_log = logging.getLogger(__name__)


class _BusyError(ConnectionError):
    """The server may answer if it is asked again, after `wait_s` seconds if it named a time."""

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class ChatClient:
    """One model of one server; a context manager that closes its connections.

    Attributes:
        model: its name, as the server knows it.
    """

    def __init__(
        self, model: str, *, base_url: str | None = None, timeout_s: float = 120.0, tries: int = 6
    ) -> None:
        """Prepare to ask; nothing is sent yet.

        Args:
            model: name of the model, such as ``"gpt-4o"``.
            base_url: root of the API, such as ``"http://localhost:8000/v1"``; None is OpenAI's.
            timeout_s: longest silence of the server that is no failure, in seconds.
            tries: how often one question is asked when the server is busy, fails or cannot be
                reached. Waits between them double from a second to a minute, or are as long as
                the server asks for, at most a minute.

        Raises:
            MissingExtraError: the extra ``vlm`` is not installed.
            NeedsError: the server is OpenAI's, and there is no API key in the environment; or
                `base_url` is no address.
        """
        needed_by = f"asking the model {model!r}"
        self._openai: Any = require("openai", extra="vlm", needed_by=needed_by)
        self._stamina: Any = require("stamina", extra="vlm", needed_by=needed_by)
        self.model = model
        self._tries = tries
        self._url = base_url or _OPENAI_URL
        self._key = os.environ.get(API_KEY_VARIABLE, "").strip()
        if not self._url.startswith(("http://", "https://")):
            raise NeedsError(
                f"base_url is {self._url!r}; expected the root of an API, such as "
                "http://localhost:8000/v1"
            )
        if not self._key and base_url is None:
            raise NeedsError(
                f"OpenAI's server needs an API key; put it into the environment variable "
                f"{API_KEY_VARIABLE}, or name another server with base_url (--base-url)."
            )
        # Servers on one's own machine want no key, but the library does.
        self._server = self._openai.OpenAI(
            api_key=self._key or "none", base_url=self._url, timeout=timeout_s, max_retries=0
        )

    def answer(self, messages: Sequence[ChatCompletionMessageParam]) -> str:
        """The model's answer to a conversation; empty if it gave none.

        Asks again only if the server is busy (429), fails (5xx) or cannot be reached.

        Args:
            messages: the conversation, as OpenAI's API takes it; see `picture_part` for pictures.

        Raises:
            PermissionError: the server does not accept the API key.
            UnknownNameError: the server has no such model, or no such address.
            ConnectionError: the server refused the question, answered with something else than
                a chat completion, or gave no answer in any of the tries.
        """
        patiently = self._stamina.RetryingCaller(
            attempts=self._tries, timeout=None, wait_initial=1.0, wait_max=_LONGEST_WAIT_S
        )
        try:
            answer: str = patiently(_wait, lambda: self._ask(messages))
        except _BusyError as error:
            raise ConnectionError(
                f"{error} Given up after {self._tries} tries; try again later."
            ) from None
        return answer

    def close(self) -> None:
        """Close the connections; the client cannot ask afterwards."""
        self._server.close()

    def __enter__(self) -> ChatClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, messages: Sequence[ChatCompletionMessageParam]) -> str:
        try:
            completion = self._server.chat.completions.create(
                model=self.model, messages=list(messages)
            )
            return completion.choices[0].message.content or ""
        # Not chained: what the server says may repeat the key, and a trace would show it.
        except self._openai.APIStatusError as error:
            raise self._error_of(error) from None
        except self._openai.APIConnectionError as error:
            reason = self._hide_key(str(error.__cause__ or error))
            raise self._busy(f"{self._url} cannot be reached ({reason}).") from None
        except (self._openai.OpenAIError, AttributeError, LookupError, TypeError) as error:
            raise ConnectionError(
                f"{self._url} answered with no chat completion ({self._hide_key(str(error))}). "
                "Check that base_url is the root of an OpenAI-compatible API; it often ends in /v1."
            ) from None

    def _error_of(self, error: Any) -> OSError | LookupError:
        code = error.status_code
        message = error.body.get("message") if isinstance(error.body, dict) else None
        text = self._hide_key(str(message or error.message))[:500].rstrip(".")
        answer = f"{self._url} answered {code}: {text}."
        if code in (401, 403):
            complaint = "does not accept the API key in" if self._key else "wants an API key in"
            return PermissionError(f"The server {complaint} {API_KEY_VARIABLE}. {answer}")
        if code == 404:
            return UnknownNameError(
                f"The server knows no model {self.model!r}, or no such address; check both. "
                f"{answer}"
            )
        if code >= 500 or (code == 429 and error.code != "insufficient_quota"):
            return self._busy(answer, _seconds(error.response.headers.get("retry-after")))
        return ConnectionError(f"The server refused the question to {self.model!r}. {answer}")

    def _busy(self, message: str, wait_s: float | None = None) -> _BusyError:
        _log.warning("%s", message)
        return _BusyError(message, wait_s)

    def _hide_key(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


def picture_part(picture: UInt8[np.ndarray, "H W 3"]) -> dict[str, Any]:
    """A picture as part of a message's content: a PNG in a data URI.

    Args:
        picture: ``(H, W, 3)`` uint8, RGB.
    """
    require("PIL", extra="vlm", needed_by="sending a picture to a model")
    from PIL import Image

    png = io.BytesIO()
    Image.fromarray(picture).save(png, format="PNG")
    data = base64.b64encode(png.getvalue()).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}


def _wait(error: Exception) -> bool | float:
    if not isinstance(error, _BusyError):
        return False
    return True if error.wait_s is None else error.wait_s


def _seconds(header: str | None) -> float | None:
    """The header ``retry-after`` in seconds; None where it is absent or a date."""
    try:
        return min(max(float(header or ""), 0.0), _LONGEST_WAIT_S)
    except ValueError:
        return None
