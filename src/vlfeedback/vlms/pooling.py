"""Scores of tokens from vLLM's pooling endpoint, which serves models with heads of their own."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from vlfeedback.errors import InvalidValueError, NeedsError, SourceAnswerError
from vlfeedback.optional import require
from vlfeedback.vlms.client.api_key import API_KEY_VARIABLE
from vlfeedback.vlms.questions import Turn

__all__ = ["PoolingClient", "PoolingSettings"]


@dataclass(frozen=True, kw_only=True)
class PoolingSettings:
    """Which model is asked for scores of tokens, and where.

    Attributes:
        model: its name, as the server knows it.
        base_url: root of the server, or of its API: ``/v1`` at the end is left off.
        in_flight: most clips asked about at a time.
        timeout_s: longest silence of the server that is no failure.
        tries: how often one clip is asked about when the server is busy or fails.
    """

    model: str = ""
    base_url: str = "http://localhost:8000"
    in_flight: int = field(default=16, metadata={"recorded": False})
    timeout_s: float = field(default=120.0, metadata={"recorded": False})
    tries: int = field(default=6, metadata={"recorded": False})


class PoolingClient:
    """One model of a vLLM server that pools.

    Args:
        settings: which model, and where.
        needed_by: what asks it, for messages.

    Raises:
        MissingExtraError: the extra ``vlm`` is not installed.
        NeedsError: no model is named, or `base_url` is no address.
        InvalidValueError: a number is out of its range.
    """

    def __init__(self, settings: PoolingSettings, *, needed_by: str) -> None:
        self._openai: Any = require("openai", extra="vlm", needed_by=needed_by)
        if not settings.model:
            raise NeedsError(f"{needed_by} needs model='its name', as the server knows it.")
        if not settings.base_url.startswith(("http://", "https://")):
            raise NeedsError(
                f"base_url is {settings.base_url!r}; expected the root of a vLLM server, such as "
                "http://localhost:8000"
            )
        if settings.in_flight < 1 or settings.tries < 1 or not settings.timeout_s > 0:
            raise InvalidValueError(
                f"in_flight={settings.in_flight}, tries={settings.tries}, "
                f"timeout_s={settings.timeout_s}; expected at least 1, 1, and more than 0."
            )
        self._settings = settings
        self._root = settings.base_url.rstrip("/").removesuffix("/v1")
        self._key = os.environ.get(API_KEY_VARIABLE, "").strip()

    def token_logits(
        self, turns: Sequence[Turn], *, template: dict[str, Any] | None = None
    ) -> list[list[list[float]]]:
        """The heads' raw outputs of each turn: a row of numbers for each token that is pooled.

        Args:
            turns: what each question shows, the user's.
            template: arguments of the model's chat template.

        Raises:
            ConnectionError: the server cannot be reached, refuses, or fails in all tries.
            SourceAnswerError: it answers with something else than rows of numbers.
        """
        return asyncio.run(self._ask_all([self._payload(turn, template or {}) for turn in turns]))

    def _payload(self, turn: Turn, template: dict[str, Any]) -> dict[str, Any]:
        content = [
            {"type": "text", "text": part}
            if isinstance(part, str)
            else {"type": "image_url", "image_url": {"url": _data_url(part.data)}}
            for part in turn.parts
        ]
        return {
            "model": self._settings.model,
            "task": "token_classify",
            "use_activation": False,
            "chat_template_kwargs": template,
            "messages": [{"role": turn.role, "content": content}],
        }

    async def _ask_all(self, payloads: list[dict[str, Any]]) -> list[list[list[float]]]:
        some = asyncio.Semaphore(self._settings.in_flight)
        async with self._openai.AsyncOpenAI(
            api_key=self._key or "none",  # the library wants one, servers of one's own do not
            base_url=self._root,
            timeout=self._settings.timeout_s,
            max_retries=self._settings.tries - 1,
        ) as server:

            async def ask(payload: dict[str, Any]) -> list[list[float]]:
                async with some:
                    return await self._ask(server, payload)

            return list(await asyncio.gather(*map(ask, payloads)))

    async def _ask(self, server: Any, payload: dict[str, Any]) -> list[list[float]]:
        try:
            answer = await server.post("/pooling", body=payload, cast_to=object)
        # Not chained: what the server says may repeat the key, and a trace would show it.
        except self._openai.APIStatusError as error:
            raise ConnectionError(
                f"{self._root}/pooling answered {error.status_code}: "
                f"{self._hide_key(error.message)[:500].rstrip('.')}. It is to be a vLLM server of "
                f"the pooling model {self._settings.model!r}."
            ) from None
        except self._openai.APIConnectionError as error:
            reason = self._hide_key(str(error.__cause__ or error))
            raise ConnectionError(f"{self._root} cannot be reached ({reason}).") from None
        return _rows(answer, where=f"{self._root}/pooling")

    def _hide_key(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


def _rows(answer: Any, *, where: str) -> list[list[float]]:
    try:
        return [[float(value) for value in row] for row in answer["data"][0]["data"]]
    except (LookupError, TypeError, ValueError) as error:
        raise SourceAnswerError(
            f"{where} answered with no rows of numbers ({type(error).__name__}: {error}) but "
            f"{str(answer)[:200]!r}; expected those of the task token_classify."
        ) from error


def _data_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
