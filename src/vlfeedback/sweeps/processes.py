"""Jobs in processes of their own, one thread each: a killed one harms no other.

`concurrent.futures` does not do: when one worker is killed, its process pool breaks and takes all
jobs along.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["Event", "Job", "run_jobs"]

_POLL_S = 0.1
_ATTEMPTS = 2  # a job whose process is killed is tried once more
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Job:
    """One command, ``python <arguments>``."""

    id: str
    arguments: tuple[str, ...]
    result: Path  # the file that is there once the job is done
    log: Path  # where everything goes that it prints
    progress: Path  # the file in which it says how many steps are done
    steps: int  # in all


@dataclass(frozen=True, slots=True)
class Event:
    """A change in the state of a job: it began, advanced, or ended."""

    kind: Literal["started", "progress", "done", "shared", "retried", "failed"]
    job: Job
    steps: int = 0  # done so far
    reason: str = ""  # of a failure, one sentence


@dataclass(slots=True)
class _Running:
    job: Job
    attempt: int
    process: subprocess.Popen[bytes]
    steps: int = 0


def run_jobs(jobs: Sequence[Job], n_workers: int) -> Iterator[Event]:
    """Run all jobs, at most `n_workers` at a time, and say what happens.

    A job is done when its process exits with 0 and its result is there. One whose process is
    killed is tried again, once; one that fails is not, since it would fail again. When the
    iteration is left, by Ctrl-C or otherwise, what is running is ended. Jobs end themselves when
    this process is killed: their standard input closes.
    """
    waiting = [(job, 1) for job in reversed(jobs)]
    running: list[_Running] = []
    try:
        while waiting or running:
            while waiting and len(running) < n_workers:
                job, attempt = waiting.pop()
                running.append(_Running(job, attempt, _start(job, attempt)))
                yield Event("started", job)
            time.sleep(_POLL_S)
            for process in list(running):
                if process.process.poll() is None:
                    yield from _progress(process)
                    continue
                running.remove(process)
                event = _outcome(process)
                if event.kind == "retried":
                    waiting.append((process.job, process.attempt + 1))
                yield event
    finally:
        _end(running)


def _start(job: Job, attempt: int) -> subprocess.Popen[bytes]:
    for path in (job.log, job.progress):
        path.parent.mkdir(parents=True, exist_ok=True)
    job.progress.unlink(missing_ok=True)
    with job.log.open("wb" if attempt == 1 else "ab") as log:
        return subprocess.Popen(
            [sys.executable, *job.arguments],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            # Unbuffered: the log is in the order of what happened, and its end is the reason.
            env={**os.environ, **dict.fromkeys(_ONE_THREAD, "1"), "PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # Ctrl-C reaches this process alone, which then ends them
        )


def _progress(process: _Running) -> Iterator[Event]:
    with contextlib.suppress(OSError, ValueError):
        steps = int(process.job.progress.read_text(encoding="utf-8"))
        if steps != process.steps:
            process.steps = steps
            yield Event("progress", process.job, steps)


def _outcome(process: _Running) -> Event:
    _tidy(process)
    code = process.process.returncode
    if code == 0 and process.job.result.exists():
        return Event("done", process.job, process.job.steps)
    if code < 0 and process.attempt < _ATTEMPTS:
        return Event("retried", process.job, reason=f"killed by {_signal(code)}")
    return Event("failed", process.job, reason=_reason(process))


def _reason(process: _Running) -> str:
    code = process.process.returncode
    if code < 0:
        likely = " (is memory short?)" if code == -signal.SIGKILL else ""
        return f"killed {process.attempt} times, last by {_signal(code)}{likely}"
    lines = process.job.log.read_text(encoding="utf-8", errors="replace").splitlines()
    messages = [line for line in lines if line.strip()]
    return (
        messages[-1].strip() if messages else f"ended with exit status {code} and without a result"
    )


def _signal(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _end(running: Sequence[_Running]) -> None:
    for process in running:
        process.process.terminate()
    for process in running:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.process.wait(timeout=5)
        process.process.kill()
        process.process.wait()
        _tidy(process)


def _tidy(process: _Running) -> None:
    if process.process.stdin is not None:
        process.process.stdin.close()
    process.job.progress.unlink(missing_ok=True)
