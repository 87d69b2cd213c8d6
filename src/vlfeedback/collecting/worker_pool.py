"""Processes that end with the command that started them, however it ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from types import FrameType

__all__ = ["worker_pool"]


@contextmanager
def worker_pool(n_workers: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of `n_workers` fresh processes; none of them outlives this one.

    Where the block is left by Ctrl-C or by SIGTERM, which raises SystemExit in it, what the
    workers are doing is cut off; where it is left by an error, they finish it first, and begin
    nothing else. Where this process is killed outright, they notice and end themselves.
    """
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")  # a forked OpenGL context is broken
    pool = ProcessPoolExecutor(n_workers, mp_context=context, initializer=_end_with_parent)
    with _sigterm_exits():
        try:
            yield pool
        except (SystemExit, KeyboardInterrupt):
            # No shutdown without waiting: the pool's own thread would race with our exit.
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            raise
        finally:
            # The pool alone cancels what is not begun: a future that is cancelled here, while its
            # own thread marks it as failed, ends that thread in a trace.
            pool.shutdown(cancel_futures=True)


@contextmanager
def _sigterm_exits() -> Iterator[None]:
    """Have SIGTERM run what a SystemExit runs; Python's default is to stop on the spot."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may choose what a signal does
        return
    before = signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _exit(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)  # as shells report it


def _end_with_parent() -> None:
    threading.Thread(target=_watch_parent, daemon=True).start()


def _watch_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
