"""`vlfeedback relabel` that was killed, runs twice, or finds files of others in its place."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.warm_python import command_line

from vlfeedback.cli import main
from vlfeedback.data.locks import locked_file
from vlfeedback.data.trajectories import read_trajectories, write_trajectories
from vlfeedback.types import Trajectory

COMMAND = [sys.executable, "-c", "from vlfeedback.cli import main; main()", "relabel"]


def episode(number: int) -> Trajectory:
    rng = np.random.default_rng(number)
    return Trajectory(
        observations=rng.normal(size=(11, 3)).astype(np.float32),
        actions=rng.normal(size=(10, 2)).astype(np.float32),
        env_rewards=rng.normal(size=10).astype(np.float32),
        truncated=True,
        id=f"data/{number:06d}",
    )


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """Of a command that relabels `data.h5` into `out.h5`."""
    write_trajectories(tmp_path / "data.h5", [episode(number) for number in range(6)])
    names = ["--data", str(tmp_path / "data.h5"), "--source", "random"]
    return [*names, "--out", str(tmp_path / "out.h5"), "--batch-size", "20"]


class Command:
    """Runs the command in this process."""

    def __init__(self, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._patch, self._capsys = patch, capsys

    def __call__(self, *arguments: str) -> tuple[int, str]:
        self._patch.setattr(sys, "argv", ["vlfeedback", "relabel", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = "".join(self._capsys.readouterr())
        return int(ended.value.code or 0), " ".join(printed.split())


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_finished_command_that_is_run_again_says_so_and_changes_nothing(
    command: Command, arguments: list[str], tmp_path: Path
) -> None:
    assert command(*arguments)[0] == 0
    before = (tmp_path / "out.h5").read_bytes()
    code, printed = command(*arguments)
    assert (code, printed) == (
        0,
        f"{tmp_path}/out.h5 is this copy already. Next: vlfeedback train --learner iql --data "
        f"{tmp_path}/out.h5 --out policy",
    )
    assert (tmp_path / "out.h5").read_bytes() == before


def test_a_command_killed_between_its_copy_and_tidying_up_is_finished_by_the_next(
    command: Command, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vlfeedback.adapters.formats import NewCopy

    with monkeypatch.context() as patch:
        patch.setattr(NewCopy, "clean", lambda _: None)
        assert command(*arguments)[0] == 0
    assert names(tmp_path) == {"data.h5", "out.h5", "out.h5.rewards"}
    assert command(*arguments)[0] == 0
    assert names(tmp_path) == {"data.h5", "out.h5"}


def test_a_copy_of_another_command_is_left_alone_and_refused(
    command: Command, arguments: list[str], tmp_path: Path
) -> None:
    assert command(*arguments)[0] == 0
    before = (tmp_path / "out.h5").read_bytes()
    code, printed = command(*arguments, "--source-config", '{"seed": 4}')
    assert code == 1 and "is there already; choose another name" in printed
    assert (tmp_path / "out.h5").read_bytes() == before


def test_a_users_own_files_in_the_folder_of_rewards_are_never_deleted(
    command: Command, arguments: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "out.h5.rewards"
    folder.mkdir()
    (folder / "rewards.json").write_text('{"mine": 1}')
    (folder / "notes.txt").write_text("mine")
    code, printed = command(*arguments)
    assert code == 1 and f"{folder} is not empty and holds no rewards" in printed
    assert (folder / "rewards.json").read_text() == '{"mine": 1}'
    assert names(folder) == {"rewards.json", "notes.txt"}


def test_files_that_were_put_there_meanwhile_stay(
    command: Command, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vlfeedback.adapters.formats import NewCopy

    clean = NewCopy.clean

    def late(copy: NewCopy) -> None:
        (copy.finished / "notes.txt").write_text("mine")
        clean(copy)

    monkeypatch.setattr(NewCopy, "clean", late)
    assert command(*arguments)[0] == 0
    assert names(tmp_path / "out.h5.rewards") == {"notes.txt"}


def test_a_second_command_into_one_copy_is_refused_in_a_sentence(
    arguments: list[str], tmp_path: Path
) -> None:
    with locked_file(tmp_path / "out.h5", what="relabels into"):  # as the first one does
        second = command_line("relabel", *arguments)
    assert second.returncode == 1
    assert second.stderr == (
        f"BusyError: Another process relabels into {tmp_path}/out.h5; wait for it, or choose "
        "another place.\n"
    )
    assert names(tmp_path) == {"data.h5"}


def test_an_output_that_cannot_be_written_is_refused_before_anything_is_scored(
    command: Command, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vlfeedback.rewards.random import RandomReward

    monkeypatch.setattr(RandomReward, "rewards", lambda *_: pytest.fail("it was scored"))
    (tmp_path / "file").touch()
    out = str(tmp_path / "file" / "out.h5")
    code, printed = command(*arguments, "--out", out)
    assert code == 1
    assert printed.startswith(f"WriteError: Could not write {out}: a file is where its folder")


@pytest.mark.slow
def test_kills_at_random_moments_change_nothing_of_the_outcome(tmp_path: Path) -> None:
    write_trajectories(tmp_path / "data.h5", [episode(number) for number in range(300)])
    data = ["--data", str(tmp_path / "data.h5"), "--source", "random", "--batch-size", "10"]
    unbroken, broken = tmp_path / "unbroken" / "out.h5", tmp_path / "broken" / "out.h5"
    begun = time.monotonic()
    subprocess.run([*COMMAND, *data, "--out", str(unbroken)], check=True, capture_output=True)
    seconds = time.monotonic() - begun
    rng, n_killed = random.Random(0), 0
    for _ in range(8):
        with subprocess.Popen(
            [*COMMAND, *data, "--out", str(broken)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as process:
            try:
                _, message = process.communicate(timeout=rng.uniform(0.5, 1.0) * seconds)
                assert process.returncode == 0, message  # finished, now or before
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                n_killed += 1
    assert n_killed
    subprocess.run([*COMMAND, *data, "--out", str(broken)], check=True, capture_output=True)
    assert names(broken.parent) == {"out.h5"}
    for one, other in zip(read_trajectories(unbroken), read_trajectories(broken), strict=True):
        assert one.rewards is not None and other.rewards is not None
        np.testing.assert_array_equal(one.rewards, other.rewards)
