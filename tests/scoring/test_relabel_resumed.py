"""Relabelling that goes on: never with another model or other pictures, never two at once."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from vlfeedback.data.trajectories import read_trajectories, write_trajectories
from vlfeedback.errors import BusyError, FileFormatError, WriteError
from vlfeedback.scoring.relabel import is_relabelled, relabel
from vlfeedback.testing import BrightnessReward
from vlfeedback.types import ArrayFrames, SegmentBatch, SourceNeeds, Trajectory


def episode(number: int, brightness: int = 100) -> Trajectory:
    pictures = np.full((5, 4, 4, 3), brightness + number, np.uint8)
    return Trajectory(
        observations=np.full((5, 1), number, np.float32),
        actions=np.zeros((4, 1), np.float32),
        env_rewards=np.zeros(4, np.float32),
        frames=ArrayFrames(np.arange(5), pictures),
        truncated=True,
        id=f"e{number}",
    )


EPISODES = [episode(number) for number in range(4)]


@dataclass(frozen=True)
class ScaleConfig:
    """Settings of `Scale`."""

    path: str


class Scale:
    """The observation times the number in a file: the smallest model with weights of its own."""

    needs = SourceNeeds(observations=True)

    def __init__(self, path: Path) -> None:
        self.config = ScaleConfig(str(path))
        self._weight = float(path.read_text())

    def rewards(self, batch: SegmentBatch) -> np.ndarray:
        assert batch.observations is not None
        return np.asarray(batch.observations[..., 0] * self._weight, np.float32)


def begin(trajectories: list[Trajectory], source: Any, folder: Path) -> None:
    """Finish the first episode and stop."""
    relabelled = relabel(trajectories, source, batch_size=4, resume=folder)
    next(relabelled)
    relabelled.close()


def test_a_file_of_weights_that_was_replaced_is_another_source(tmp_path: Path) -> None:
    weights, folder = tmp_path / "weights.txt", tmp_path / "rewards"
    weights.write_text("2.0")
    begin(EPISODES, Scale(weights), folder)
    weights.write_text("3.0")
    with pytest.raises(FileFormatError, match=r"other settings: contents path was '\w{16}' and is"):
        relabel(EPISODES, Scale(weights), batch_size=4, resume=folder)
    weights.write_text("2.0")
    rewards = [t.rewards for t in relabel(EPISODES, Scale(weights), batch_size=4, resume=folder)]
    np.testing.assert_array_equal(rewards, [[0] * 4, [2] * 4, [4] * 4, [6] * 4])


@pytest.mark.parametrize("on_disk", [False, True])
def test_pictures_that_were_replaced_are_other_trajectories(tmp_path: Path, on_disk: bool) -> None:
    def recorded(brightness: int) -> list[Trajectory]:
        episodes = [episode(number, brightness) for number in range(4)]
        if not on_disk:
            return episodes
        write_trajectories(tmp_path / "data.h5", episodes)
        return read_trajectories(tmp_path / "data.h5")

    folder = tmp_path / "rewards"
    begin(recorded(100), BrightnessReward(), folder)
    with pytest.raises(FileFormatError, match="holds the rewards of another trajectory"):
        list(relabel(recorded(101), BrightnessReward(), batch_size=4, resume=folder))
    assert len(list(relabel(recorded(100), BrightnessReward(), batch_size=4, resume=folder))) == 4


def test_pictures_that_the_source_does_not_read_may_be_replaced(tmp_path: Path) -> None:
    weights = tmp_path / "weights.txt"
    weights.write_text("2.0")
    begin(EPISODES, Scale(weights), tmp_path / "rewards")
    others = [episode(number, 50) for number in range(4)]
    assert len(list(relabel(others, Scale(weights), resume=tmp_path / "rewards"))) == 4


def test_a_folder_of_an_earlier_release_is_refused_in_a_sentence(tmp_path: Path) -> None:
    begin(EPISODES, BrightnessReward(), tmp_path)
    manifest = tmp_path / "rewards.json"
    settings = json.loads(manifest.read_text())
    del settings["contents"]
    manifest.write_text(json.dumps(settings | {"version": 1}))
    with pytest.raises(
        FileFormatError, match=r"begun by an earlier release, .* Delete it to begin"
    ):
        relabel(EPISODES, BrightnessReward(), resume=tmp_path)


def test_a_folder_that_cannot_be_written_is_found_out_before_anything_is_scored(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    source = BrightnessReward()
    with pytest.raises(WriteError, match=r"Could not write .*rewards: a file is where"):
        relabel(EPISODES, source, resume=tmp_path / "file" / "rewards")
    assert source.batch_sizes == []


PROCESS = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_relabel_resumed as t
class Slow(t.BrightnessReward):
    def rewards(self, batch):
        print("scoring", flush=True)
        sys.stdin.readline()
        return super().rewards(batch)
done = list(t.relabel(t.EPISODES, Slow(), batch_size=5, resume=Path(sys.argv[2])))
"""


def test_a_second_process_is_refused_before_it_scores_anything(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROCESS, str(Path(__file__).parent), str(tmp_path / "r")]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as first:
        assert first.stdout is not None and first.stdin is not None
        assert first.stdout.readline() == "scoring\n"
        with pytest.raises(BusyError, match=r"Another process keeps rewards in .*r; wait for it"):
            list(relabel(EPISODES, BrightnessReward(), resume=tmp_path / "r"))
        first.stdin.write("\n" * 10)
        first.stdin.close()
        assert first.wait(60) == 0
    assert len(list((tmp_path / "r").glob("*.safetensors"))) == 4


def test_a_finished_copy_is_known_by_its_steps_and_its_first_rewards() -> None:
    copy = list(relabel(EPISODES, BrightnessReward()))
    assert is_relabelled(copy, EPISODES, BrightnessReward(), batch_size=5)
    brighter = [replace(t, rewards=np.asarray(t.rewards) + 0.01) for t in copy]
    moved = [*copy[:-1], replace(copy[-1], actions=copy[-1].actions + 1)]
    for other in (copy[:-1], [*copy, copy[0]], brighter, moved, EPISODES):
        assert not is_relabelled(other, EPISODES, BrightnessReward(), batch_size=5)


def test_in_one_process_whoever_begins_last_has_the_folder(tmp_path: Path) -> None:
    abandoned = relabel(EPISODES, BrightnessReward(), batch_size=5, resume=tmp_path)
    next(abandoned)  # as a notebook leaves it where the loop around it failed
    going_on = relabel(EPISODES, BrightnessReward(), batch_size=5, resume=str(tmp_path))
    next(going_on), next(going_on)
    with pytest.raises(BusyError, match="was opened again meanwhile"):
        list(abandoned)
    assert len(list(going_on)) == 2
    assert len(list(relabel(EPISODES, BrightnessReward(), resume=tmp_path))) == 4


@pytest.mark.parametrize(
    ("rewards", "reason"),
    [
        ({}, "it holds no rewards"),
        ({"000000": np.full(5, np.nan, np.float32)}, "a reward is NaN or infinite"),
    ],
)
def test_a_part_without_rewards_or_with_nan_is_named(
    tmp_path: Path, rewards: dict[str, np.ndarray], reason: str
) -> None:
    list(relabel(EPISODES, BrightnessReward(), batch_size=1, resume=tmp_path / "r"))
    part = tmp_path / "r" / "000000000.safetensors"
    part.write_bytes(save(rewards, metadata={"digests": json.dumps(["0"] * len(rewards))}))
    with pytest.raises(FileFormatError, match=rf"no readable file of rewards: {reason}"):
        list(relabel(EPISODES, BrightnessReward(), batch_size=1, resume=tmp_path / "r"))
