"""`vlfeedback instructions write` twice at once, killed, or into a place that takes nothing."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.warm_python import python

from vlfeedback.data.instruction_file import InstructionFile, load_corpus
from vlfeedback.errors import BusyError
from vlfeedback.testing.chat_server import ChatServer, Reply

TASKS = ("reach", "push", "door-open", "drawer-open", "drawer-close", "button-press")


def task_of(request: Any) -> str:
    found = re.match(r"My instruction for (.+) task:", request["messages"][1]["content"])
    assert found is not None
    return found[1].lower().replace(" ", "-")


def two_phrases(request: Any) -> Reply:
    return Reply(json.dumps([f"{task_of(request)} please", f"kindly {task_of(request)}"]))


def command(server: ChatServer, out: Path) -> list[str]:
    where = ["--model", "m", "--base-url", server.url, "--out", str(out)]
    run = [sys.executable, "-c", "from vlfeedback.cli import main; main()", "instructions", "write"]
    return [*run, *where, "--tasks", ",".join(TASKS), "--count", "2"]


def run(server: ChatServer, out: Path) -> subprocess.CompletedProcess[str]:
    return python(*command(server, out)[1:])


def test_a_second_process_is_refused_before_it_asks_and_nothing_paid_is_lost(
    tmp_path: Path,
) -> None:
    out, is_asked, may_answer = tmp_path / "mine.json", threading.Event(), threading.Event()

    def patiently(request: Any) -> Reply:
        is_asked.set()
        assert may_answer.wait(60)
        return two_phrases(request)

    with ChatServer(otherwise=patiently) as server:
        pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(command(server, out), text=True, **pipes) as first:
            assert is_asked.wait(60)
            second = run(server, out)
            may_answer.set()
            assert first.wait(60) == 0
    assert second.returncode == 1
    assert second.stderr.splitlines()[-1] == (
        f"BusyError: Another process writes instructions into {out}; wait for it, or choose "
        "another place."
    )
    assert sorted(map(task_of, server.requests)) == sorted(TASKS)
    assert sorted(load_corpus(out)) == sorted(TASKS)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.json"]


def test_a_place_that_cannot_be_written_is_found_out_before_anybody_is_asked(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    with ChatServer(otherwise=two_phrases) as server:
        done = run(server, tmp_path / "file" / "mine.json")
    assert done.returncode == 1 and server.requests == []
    assert done.stderr.startswith(f"WriteError: Could not write {tmp_path}/file/mine.json: a file")


def test_in_python_too_one_writer_has_the_file(tmp_path: Path) -> None:
    with InstructionFile.opened(str(tmp_path / "a.json"), {"model": "m"}) as file:
        with (
            pytest.raises(BusyError, match=r"writes instructions into .*a\.json"),
            InstructionFile.opened(tmp_path / "a.json", {"model": "m"}),
        ):
            pass
        file.add("reach", ["go"])
    with InstructionFile.opened(tmp_path / "a.json", {"model": "m"}) as file:
        assert file.phrases == {"reach": ("go",)}


@pytest.mark.slow
def test_kills_at_random_moments_lose_no_answer_that_was_written(tmp_path: Path) -> None:
    rng, out = random.Random(0), tmp_path / "mine.json"

    def slowly(request: Any) -> Reply:
        threading.Event().wait(0.2)
        return two_phrases(request)

    with ChatServer(otherwise=slowly) as server:
        n_done = 0
        for _ in range(6):
            with subprocess.Popen(command(server, out), stderr=subprocess.DEVNULL) as process:
                try:
                    process.wait(timeout=rng.uniform(2.0, 4.0))
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
            n_before, n_done = n_done, len(load_corpus(out)) if out.exists() else 0
            assert n_done >= n_before
        assert run(server, out).returncode == 0
    assert load_corpus(out) == {task: (f"{task} please", f"kindly {task}") for task in TASKS}
    asked = [task_of(request) for request in server.requests]
    assert len(asked) <= len(TASKS) + 7  # at most one again for each kill
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == ["mine.json"]
