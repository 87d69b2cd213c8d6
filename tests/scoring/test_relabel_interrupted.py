"""Relabelling into a folder: what was finished is kept, and other work is refused there."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.scoring.recorded_walks import (
    Recorder,
    rewards_of,
    with_pictures_of,
)

from vlfeedback.errors import FileFormatError, NeedsError
from vlfeedback.scoring.relabel import relabel
from vlfeedback.testing import BrightnessConfig, BrightnessReward
from vlfeedback.types import Trajectory


def test_what_was_finished_is_not_scored_again(recorded: list[Trajectory], tmp_path: Path) -> None:
    folder = tmp_path / "rewards"
    expected = rewards_of(relabel(recorded, BrightnessReward()))
    begun = relabel(recorded, BrightnessReward(), batch_size=8, resume=folder)
    next(begun)
    begun.close()
    source = BrightnessReward()
    assert rewards_of(relabel(recorded, source, batch_size=8, resume=folder)) == expected
    assert 0 < sum(source.batch_sizes) < sum(map(len, recorded))
    again = BrightnessReward()
    assert rewards_of(relabel(recorded, again, resume=folder)) == expected
    assert again.batch_sizes == []


KILLED = """
import sys, time
from pathlib import Path
import numpy as np
from vlfeedback.scoring.relabel import relabel
from vlfeedback.types import SourceNeeds, Trajectory

class Slow:
    needs = SourceNeeds(observations=True)
    n_scored = 0
    def rewards(self, batch):
        if self.n_scored >= int(sys.argv[2]):
            print("scored", self.n_scored, flush=True)
            time.sleep(60)
        self.n_scored += len(batch)
        return batch.observations.sum(axis=2)

def episodes():
    rng = np.random.default_rng(0)
    for index in range(10):
        observations = rng.normal(size=(11, 3)).astype(np.float32)
        yield Trajectory(observations, np.zeros((10, 1), np.float32), id=str(index))

source = Slow()
done = list(relabel(episodes(), source, batch_size=20, resume=Path(sys.argv[1])))
print("scored", source.n_scored)
assert all(np.allclose(t.rewards, t.observations[:-1].sum(axis=1)) for t in done), "wrong rewards"
"""


def test_a_process_killed_in_between_loses_the_part_in_hand_only(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "rewards")]
    with subprocess.Popen([*command, "60"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "scored 60\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    done = subprocess.run([*command, "1000"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "scored 40\n"


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        (
            BrightnessReward(BrightnessConfig(frame_stride=2)),
            {},
            "config frame_stride was 1 and is 2",
        ),
        (Recorder(frames=True), {}, "source was .*BrightnessReward.* and is .*Recorder"),
        (BrightnessReward(), {"instruction": "go"}, "instruction was None and is 'go'"),
        (BrightnessReward(), {"between": "hold"}, "between was 'refuse' and is 'hold'"),
    ],
)
def test_a_folder_of_another_source_or_setting_is_refused(
    recorded: list[Trajectory], tmp_path: Path, source: Any, settings: Any, message: str
) -> None:
    list(relabel(recorded, BrightnessReward(), resume=tmp_path / "rewards"))
    with pytest.raises(FileFormatError, match=message):
        relabel(recorded, source, resume=tmp_path / "rewards", **settings)


@pytest.mark.parametrize("change", ["id", "contents", "fewer"])
def test_a_folder_of_other_trajectories_is_refused(
    recorded: list[Trajectory], tmp_path: Path, change: str
) -> None:
    list(relabel(recorded, BrightnessReward(), resume=tmp_path / "rewards"))
    others = {
        "id": [replace(recorded[0], id="other"), *recorded[1:]],
        "contents": [replace(recorded[0], actions=recorded[0].actions + 1), *recorded[1:]],
        "fewer": recorded[:-1],
    }[change]
    with pytest.raises(FileFormatError, match="Give the same trajectories in the same order"):
        list(relabel(others, BrightnessReward(), resume=tmp_path / "rewards"))


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(FileFormatError, match="not empty and holds no rewards"):
        relabel([], BrightnessReward(), resume=tmp_path)
    (tmp_path / "rewards.json").write_text("{")
    with pytest.raises(FileFormatError, match="not empty and holds no rewards"):
        relabel([], BrightnessReward(), resume=tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
    assert (tmp_path / "rewards.json").read_text() == "{"


def test_a_folder_in_which_nothing_was_finished_takes_other_settings(
    line: Trajectory, tmp_path: Path
) -> None:
    sparse = with_pictures_of(line, [0, 3, 6])
    with pytest.raises(NeedsError, match="between='hold'"):
        next(relabel([sparse], BrightnessReward(), resume=tmp_path / "rewards"))
    options: Any = {"between": "hold", "resume": tmp_path / "rewards"}
    assert len(list(relabel([sparse], BrightnessReward(), **options))) == 1


def test_a_damaged_part_is_named(recorded: list[Trajectory], tmp_path: Path) -> None:
    list(relabel(recorded, BrightnessReward(), resume=tmp_path / "rewards"))
    (part,) = (tmp_path / "rewards").glob("*.safetensors")
    whole = part.read_bytes()
    flipped = bytearray(whole)
    flipped[-2] ^= 8  # of the last reward
    for damaged in (whole[:-3], bytes(flipped), b"nothing"):
        part.write_bytes(damaged)
        with pytest.raises(
            FileFormatError,
            match=r"000000000.safetensors is (damaged|no readable).* Delete it and those after it",
        ):
            list(relabel(recorded, BrightnessReward(), resume=tmp_path / "rewards"))
