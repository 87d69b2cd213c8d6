"""What is done in one call of `VLM.run`: it ends early after the first error, and loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

__all__ = ["Run", "RunEndedError"]

T = TypeVar("T")


class RunEndedError(Exception):
    """Another coroutine of the same run has raised; `VLM.run` raises what it did."""


class Run:
    """Work that ends together: after an error no more is asked, but what is in flight ends.

    Attributes:
        error: that ended it early; None so far.
    """

    def __init__(self) -> None:
        self.error: Exception | None = None
        self._waiting: set[asyncio.Timeout] = set()

    @classmethod
    def current(cls) -> Run:
        """The run that this coroutine is part of; one of its own, where it is part of none."""
        return _CURRENT.get(None) or cls()

    @classmethod
    async def alone(cls, work: Coroutine[Any, Any, T]) -> T:
        """Do the work as a run of its own, whatever run asks for it in another event loop."""
        _CURRENT.set(cls())
        return await work

    def check(self) -> None:
        """Refuse to go on with a run that has ended.

        Raises:
            RunEndedError: it has.
        """
        if self.error is not None:
            raise RunEndedError

    def stop(self, error: Exception) -> None:
        """End the run early; whoever waits for a turn waits no longer."""
        if self.error is None:
            self.error = error
            for patience in self._waiting:
                patience.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """Around whatever a question waits for before it is sent: it ends with the run.

        Raises:
            RunEndedError: the run has ended.
        """
        self.check()
        try:
            async with asyncio.timeout(None) as patience:
                self._waiting.add(patience)
                try:
                    yield
                finally:
                    self._waiting.discard(patience)
        except TimeoutError:
            if self.error is None:
                raise
            raise RunEndedError from None

    async def do(self, work: Sequence[Coroutine[Any, Any, T]], at_a_time: int) -> list[T]:
        """Do all of the work, so many coroutines at a time, in their order.

        Raises:
            Exception: what the first coroutine raised that did; those that were not begun are
                closed.
        """
        _CURRENT.set(self)
        results: dict[int, T] = {}
        numbered = iter(enumerate(work))
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(at_a_time, len(work))):
                    group.create_task(self._do_some(numbered, results))
        finally:
            for _, left in numbered:
                left.close()
        if self.error is not None:
            raise self.error
        return [results[number] for number in range(len(work))]

    async def _do_some(
        self, numbered: Iterator[tuple[int, Coroutine[Any, Any, T]]], results: dict[int, T]
    ) -> None:
        while self.error is None:
            number, coroutine = next(numbered, (-1, None))
            if coroutine is None:
                return
            try:
                results[number] = await coroutine
            except RunEndedError:
                return
            except Exception as error:
                self.stop(error)


_CURRENT: ContextVar[Run] = ContextVar("run")
