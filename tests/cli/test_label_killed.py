"""`vlfeedback label` that is killed at random moments ends as one that never was."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from vlfeedback.data.preference_files import read_rows
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.types import Trajectory

COMMAND = [sys.executable, "-c", "from vlfeedback.cli import main; main()", "label"]


def episode(number: int) -> Trajectory:
    rng = np.random.default_rng(number)
    return Trajectory(
        observations=rng.normal(size=(31, 3)).astype(np.float32),
        actions=rng.normal(size=(30, 2)).astype(np.float32),
        env_rewards=rng.normal(size=30).astype(np.float32),
        truncated=True,
        id=f"data/{number:06d}",
    )


@pytest.mark.slow
def test_kills_at_random_moments_change_no_label(tmp_path: Path) -> None:
    write_trajectories(tmp_path / "data.h5", [episode(number) for number in range(20)])
    options = ["--data", str(tmp_path / "data.h5"), "--labeller", "teacher.mistake"]
    options += ["--pairs", "400", "--length", "10", "--batch-size", "1"]
    unbroken, broken = tmp_path / "unbroken.parquet", tmp_path / "b" / "broken.parquet"
    begun = time.monotonic()
    subprocess.run([*COMMAND, *options, "--out", str(unbroken)], check=True, capture_output=True)
    seconds = time.monotonic() - begun
    rng, n_killed = random.Random(0), 0
    for _ in range(8):
        with subprocess.Popen(
            [*COMMAND, *options, "--out", str(broken)], stdout=subprocess.DEVNULL
        ) as process:
            try:
                assert process.wait(timeout=rng.uniform(0.4, 1.0) * seconds) == 0
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                n_killed += 1
    assert n_killed
    subprocess.run([*COMMAND, *options, "--out", str(broken)], check=True, capture_output=True)
    (columns, header), (expected, expected_header) = read_rows(broken), read_rows(unbroken)
    for name in ("prefer_second", "outcome", "first_id", "first_start", "cost_usd"):
        assert columns[name] == expected[name]
    assert header["labelled_by"] == expected_header["labelled_by"]
    assert [path.name for path in broken.parent.iterdir()] == ["broken.parquet"]
