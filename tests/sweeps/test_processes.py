"""Real processes: `sleep` stands for training."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vlfeedback.sweeps.processes import Event, Job, run_jobs

WRITE = "open({result!r}, 'w').close()"
KILL = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


def job(folder: Path, name: str, code: str) -> Job:
    result = folder / f"{name}.json"
    return Job(
        id=name,
        arguments=("-c", code.format(result=str(result), folder=str(folder))),
        result=result,
        log=folder / "logs" / f"{name}.log",
        progress=folder / "logs" / f"{name}.progress",
        steps=9,
    )


def told(events: list[Event]) -> list[tuple[str, str, str]]:
    return [(event.job.id, event.kind, event.reason) for event in events]


def test_a_job_is_done_when_its_result_is_there(tmp_path: Path) -> None:
    events = list(run_jobs([job(tmp_path, "a", WRITE)], 1))
    assert told(events) == [("a", "started", ""), ("a", "done", "")]
    assert events[-1].steps == 9


def test_no_more_jobs_run_than_there_are_workers(tmp_path: Path) -> None:
    kinds = [e.kind for e in run_jobs([job(tmp_path, name, WRITE) for name in "abc"], 1)]
    assert kinds == ["started", "done"] * 3
    both = [
        e.kind for e in run_jobs([job(tmp_path, n, "import time; time.sleep(.3)") for n in "ab"], 2)
    ]
    assert both[:2] == ["started", "started"]


def test_each_job_has_one_thread(tmp_path: Path) -> None:
    code = "import os; print(os.environ['OMP_NUM_THREADS'], os.environ['MKL_NUM_THREADS'])"
    (event,) = [e for e in run_jobs([job(tmp_path, "a", code)], 1) if e.kind == "failed"]
    assert event.reason == "1 1"


def test_a_killed_job_is_tried_once_more(tmp_path: Path) -> None:
    once = (
        "import os, signal, pathlib\n"
        "mark = pathlib.Path({folder!r}, 'mark')\n"
        "if not mark.exists():\n    mark.touch(); os.kill(os.getpid(), signal.SIGKILL)\n"
        "open({result!r}, 'w').close()"
    )
    assert told(list(run_jobs([job(tmp_path, "a", once)], 1))) == [
        ("a", "started", ""),
        ("a", "retried", "killed by SIGKILL"),
        ("a", "started", ""),
        ("a", "done", ""),
    ]


def test_a_job_that_is_killed_twice_fails_and_the_others_go_on(tmp_path: Path) -> None:
    events = list(run_jobs([job(tmp_path, "a", KILL), job(tmp_path, "b", WRITE)], 1))
    reasons = {e.job.id: (e.kind, e.reason) for e in events}
    assert reasons["b"] == ("done", "")
    assert reasons["a"] == ("failed", "killed 2 times, last by SIGKILL (is memory short?)")


def test_a_job_that_fails_is_not_tried_again_and_its_last_words_are_the_reason(
    tmp_path: Path,
) -> None:
    failing = job(tmp_path, "a", "print('at work'); raise ValueError('no such luck')")
    assert told(list(run_jobs([failing], 1))) == [
        ("a", "started", ""),
        ("a", "failed", "ValueError: no such luck"),
    ]
    log = failing.log.read_text(encoding="utf-8")
    assert "at work" in log and "Traceback" in log


def test_a_job_that_ends_without_a_result_failed(tmp_path: Path) -> None:
    events = list(run_jobs([job(tmp_path, "a", "pass")], 1))
    assert events[-1].reason == "ended with exit status 0 and without a result"


def test_steps_are_told_while_a_job_runs(tmp_path: Path) -> None:
    code = (
        "import pathlib, time\n"
        "pathlib.Path({folder!r}, 'logs', 'a.progress').write_text('4')\n"
        "time.sleep(1); open({result!r}, 'w').close()"
    )
    events = list(run_jobs([job(tmp_path, "a", code)], 1))
    assert [(e.kind, e.steps) for e in events] == [("started", 0), ("progress", 4), ("done", 9)]
    assert not (tmp_path / "logs" / "a.progress").exists()


def test_what_is_running_is_ended_when_nobody_listens_any_more(tmp_path: Path) -> None:
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    sleeping = job(tmp_path, "a", code)
    events = run_jobs([sleeping], 1)
    next(events)
    pid = _pid_in(sleeping.log)
    events.close()  # type: ignore[attr-defined]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_worker_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """The job waits as the worker does: for the end of its standard input."""
    code = (
        "from pathlib import Path\n"
        "from vlfeedback.sweeps.processes import Job, run_jobs\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "inner = 'import os, sys; print(os.getpid(), flush=True); sys.stdin.read()'\n"
        "job = Job('a', ('-c', inner), folder / 'a.json', folder / 'a.log', folder / 'p', 1)\n"
        "list(run_jobs([job], 1))"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        pid = _pid_in(tmp_path / "a.log")
        parent.send_signal(signal.SIGKILL)
    for _ in range(100):
        if _has_ended(pid):
            return
        time.sleep(0.05)
    pytest.fail("the worker outlived its parent by five seconds")


def _pid_in(log: Path) -> int:
    for _ in range(400):
        if log.exists() and log.read_text().endswith("\n"):
            return int(log.read_text())
        time.sleep(0.05)
    raise AssertionError(f"nothing in {log}")


def _has_ended(pid: int) -> bool:
    """Whether there is no such process, or one that nobody has waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
