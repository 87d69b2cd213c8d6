"""Ask a vision-language model many questions at once."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from vlfeedback.optional import require
from vlfeedback.types import Outcome
from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.questions import Question
from vlfeedback.vlms.settings import VLMSettings

__all__ = ["VLM"]

T = TypeVar("T")


class VLM:
    """One model of one server.

    >>> # vlm = VLM(VLMSettings(model="gpt-5-mini"))
    >>> # answers = vlm.ask([question, ...])
    """

    def __init__(self, settings: VLMSettings) -> None:
        self.settings = settings
        self._openai: Any = require("openai", extra="vlm", needed_by="asking a model")

    async def answer(self, question: Question) -> Answer:
        """Ask one question; for the coroutines that `run` is given."""
        messages = [
            {
                "role": turn.role,
                "content": [
                    {"type": "text", "text": part}
                    if isinstance(part, str)
                    else {
                        "type": "image_url",
                        "image_url": {
                            "url": "data:image/png;base64," + base64.b64encode(part.data).decode()
                        },
                    }
                    for part in turn.parts
                ],
            }
            for turn in question.turns
        ]
        more: dict[str, Any] = {}
        if question.top_logprobs:
            more = {"logprobs": True, "top_logprobs": question.top_logprobs}
        async with self._turns:
            completion = await self._server.chat.completions.create(
                model=self.settings.model,
                messages=messages,
                max_tokens=question.max_tokens,
                temperature=question.temperature,
                **more,
            )
        choice = completion.choices[0]
        logprobs: tuple[dict[str, float], ...] = ()
        if choice.logprobs is not None and choice.logprobs.content:
            logprobs = tuple(
                {top.token: top.logprob for top in token.top_logprobs}
                for token in choice.logprobs.content
            )
        text = choice.message.content or ""
        outcome = Outcome.ANSWERED if text else Outcome.UNPARSABLE
        tokens = {}
        if completion.usage is not None:
            tokens["tokens_in"] = completion.usage.prompt_tokens
            tokens["tokens_out"] = completion.usage.completion_tokens
        return Answer(text, outcome, logprobs, **tokens)

    def run(self, work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
        """Do all of this, as much of it at a time as the settings allow."""

        async def everything() -> list[T]:
            async with self._openai.AsyncOpenAI(
                api_key="none", base_url=self.settings.base_url, max_retries=0
            ) as self._server:
                self._turns = asyncio.Semaphore(self.settings.in_flight)
                return list(await asyncio.gather(*work))

        return asyncio.run(everything())

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Answers to all questions, in their order."""
        return self.run([self.answer(question) for question in questions])
