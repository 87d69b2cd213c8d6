"""`vlfeedback label` that asks a model and is killed: nothing that was kept is asked again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.vlms.test_faults import FAULTS as EVERY_FAULT

from vlfeedback.data.preference_files import read_rows
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.testing.chat_server import ChatServer, Fault, Reply, question_in
from vlfeedback.types import ArrayFrames, Trajectory
from vlfeedback.vlms.ledger.store import AnswerStore

N_PAIRS = 2000
N_KILLS = 3
# Of a lost question nothing is kept: it is asked again.
FAULTS = replace(
    EVERY_FAULT, rates={f: rate for f, rate in EVERY_FAULT.rates.items() if f is not Fault.LOST}
)


def episode(number: int) -> Trajectory:
    rng = np.random.default_rng(number)
    return Trajectory(
        observations=rng.normal(size=(31, 3)).astype(np.float32),
        actions=rng.normal(size=(30, 2)).astype(np.float32),
        truncated=True,
        frames=ArrayFrames(np.arange(31), rng.integers(0, 256, (31, 8, 8, 3), dtype=np.uint8)),
        id=f"drawer-close/{number:06d}",
        task="drawer-close",
    )


def judge(request: Any) -> Reply:
    """An answer that depends on the pictures alone."""
    return Reply(str(sum(map(ord, question_in(request))) % 2))


@contextmanager
def server() -> Iterator[ChatServer]:
    with ChatServer(otherwise=judge, faults=FAULTS, latency_s=0.01) as served:
        yield served


def command(served: ChatServer, folder: Path) -> list[str]:
    config: dict[str, Any] = {
        "model": "scripted",
        "base_url": served.url,
        "store": str(folder / "answers.sqlite"),
    }
    config |= {"frame_stride": 1, "first_wait_s": 0.01}
    run = [sys.executable, "-c", "from vlfeedback.cli import main; main()", "label"]
    run += ["--data", str(folder.parent / "data.h5"), "--pairs", str(N_PAIRS), "--length", "1"]
    run += ["--labeller", "rl-vlm-f.one-stage", "--out", str(folder / "labels.parquet")]
    return run + [f"--set={name}={json.dumps(value)}" for name, value in config.items()]


def n_kept(folder: Path) -> int:
    return AnswerStore(folder / "answers.sqlite", model="scripted").check()


@pytest.mark.slow
def test_kills_lose_no_pair_and_what_was_kept_is_never_asked_again(tmp_path: Path) -> None:
    write_trajectories(tmp_path / "data.h5", [episode(number) for number in range(100)])
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    with server() as served:
        subprocess.run(command(served, unbroken), check=True, capture_output=True)
    n_questions = n_kept(unbroken)
    assert served.answered.total() == len(served.answered) == n_questions
    with server() as served:
        for kill in range(N_KILLS):
            answered = served.answered.total()
            enough = answered + N_PAIRS // (N_KILLS + 1)
            with subprocess.Popen(
                command(served, broken), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as process:
                while served.answered.total() < enough:
                    assert process.poll() is None
                    time.sleep(0.001)
                process.send_signal(signal.SIGKILL)
            time.sleep(1.0)  # for what is still under way to the one that is dead
            assert kill * N_PAIRS // (N_KILLS + 1) <= n_kept(broken) < n_questions
        before, kept = served.answered.total(), n_kept(broken)
        subprocess.run(command(served, broken), check=True, capture_output=True)
    assert served.answered.total() - before == n_questions - kept
    assert len(served.answered) == n_questions == n_kept(broken)
    again = served.answered.total() - n_questions
    assert again <= N_KILLS * 16  # were under way, or on their way to the disk
    (columns, _), (expected, _) = (read_rows(f / "labels.parquet") for f in (broken, unbroken))
    for name in ("prefer_second", "outcome", "first_id", "first_start", "second_id"):
        assert columns[name] == expected[name]
