"""How many questions, and how many tokens, a server is sent at a time and a minute."""

from __future__ import annotations

import asyncio
from typing import Any

from vlfeedback.optional import require
from vlfeedback.vlms.answers import Answer
from vlfeedback.vlms.client.runs import Run
from vlfeedback.vlms.settings import VLMSettings

__all__ = ["Pace"]


class Pace:
    """Lets questions through; belongs to one event loop.

    The limits a minute are kept to in every second, so that no minute sees more by more than that
    second's share.
    """

    def __init__(self, settings: VLMSettings) -> None:
        self._places = asyncio.Semaphore(settings.in_flight)
        self._requests = _limiter(settings.requests_per_minute)
        self._tokens = _limiter(settings.tokens_per_minute)
        self._one_by_one = asyncio.Lock()
        self._not_before = 0.0
        self._owed = 0  # tokens that were used beyond those that were waited for; may be negative

    async def enter(self, tokens: int, run: Run) -> None:
        """Wait for a turn; `leave` ends it.

        Args:
            tokens: that the question and its answer have, estimated.
            run: that the question is part of.
        """
        async with run.waiting():
            await self._places.acquire()
            try:
                if self._requests is not None or self._tokens is not None:
                    async with self._one_by_one:
                        await self._take_share(tokens)
                await self._pause()
            except BaseException:
                self._places.release()
                raise

    def leave(self) -> None:
        """End a turn."""
        self._places.release()

    def settle(self, estimated: int, answer: Answer) -> None:
        """Count what an answer really took: the next question waits for the difference."""
        if self._tokens is not None and answer.tokens:
            self._owed += answer.tokens - estimated

    def pause(self, seconds: float) -> None:
        """Let nobody through for so long."""
        self._not_before = max(self._not_before, asyncio.get_running_loop().time() + seconds)

    async def _pause(self) -> None:
        while (left := self._not_before - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(left)

    async def _take_share(self, tokens: int) -> None:
        if self._requests is not None:
            await self._requests.acquire()
        if self._tokens is None:
            return
        needed = tokens + self._owed
        self._owed = min(needed, 0)
        while needed > 0:
            share = min(needed, self._tokens.max_rate)
            await self._tokens.acquire(share)
            needed -= share


def _limiter(per_minute: int) -> Any:
    """Lets as many through as a second's share of the limit, then one after another; None: all."""
    if not per_minute:
        return None
    limiter = require("aiolimiter", extra="vlm", needed_by="a limit per minute").AsyncLimiter
    return limiter(max(per_minute / 60, 1.0), max(60 / per_minute, 1.0))
