"""An event loop in a thread of its own, for callers that may have one already, as notebooks do."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["LoopThread"]

T = TypeVar("T")

_LONGEST_END_S = 10.0  # in which interrupted work closes its connections; it takes no time


class LoopThread:
    """Runs coroutines, from any thread; starts with the first, and again after `close`.

    In a process that was forked from one with such a thread it starts anew too.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether the thread is there; false in a process forked from the one that began it."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_current(self) -> bool:
        """Whether this code is run by the loop."""
        return self._thread is threading.current_thread()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work, and wait for it.

        A caller that is interrupted interrupts the work, and waits for its end.
        """
        is_interrupted, ended = threading.Event(), threading.Event()
        tasks: list[asyncio.Task[Any]] = []

        async def until_the_end() -> T:
            tasks.extend(filter(None, [asyncio.current_task()]))
            try:
                if is_interrupted.is_set():
                    work.close()
                    raise asyncio.CancelledError
                return await work
            finally:
                ended.set()

        loop = self._started()
        try:
            return asyncio.run_coroutine_threadsafe(until_the_end(), loop).result()
        except BaseException:
            if not ended.is_set():
                is_interrupted.set()
                loop.call_soon_threadsafe(lambda: [task.cancel() for task in tasks])
                ended.wait(_LONGEST_END_S)
            raise

    async def run_elsewhere(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work, and wait for it in another event loop."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._started()))

    def close(self, last: Coroutine[Any, Any, None] | None = None) -> None:
        """End the thread; work that it still does is interrupted.

        Args:
            last: what is done before, such as closing connections.
        """
        with self._lock:
            loop, self._loop = self._loop, None
            thread, self._thread = self._thread, None
        if loop is None or thread is None or not thread.is_alive():
            if last is not None:
                last.close()
            return

        async def end() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            try:
                if last is not None:
                    await last
            finally:
                loop.stop()

        asyncio.run_coroutine_threadsafe(end(), loop)
        if thread is not threading.current_thread():
            thread.join()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or not self.is_running:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_run_forever, args=(self._loop,), name="vlfeedback-vlm", daemon=True
                )
                self._thread.start()
            return self._loop


def _run_forever(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        with contextlib.suppress(RuntimeError):  # as the program ends, no thread can be begun
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
