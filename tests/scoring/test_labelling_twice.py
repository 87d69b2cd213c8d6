"""Labelling with `save_to`: two at once, and a labeller whose weights were replaced."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlfeedback.data.preference_files import read_rows, write_rows
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.sampling import sample_segment_pairs
from vlfeedback.errors import FileFormatError
from vlfeedback.scoring.labelling import label_pairs
from vlfeedback.testing import KnownLabeller, KnownLabellerConfig
from vlfeedback.types import Trajectory


def trajectory(number: int) -> Trajectory:
    rng = np.random.default_rng(number)
    return Trajectory(
        observations=rng.normal(size=(21, 3)).astype(np.float32),
        actions=rng.normal(size=(20, 2)).astype(np.float32),
        id=f"t{number}",
    )


TRAJECTORIES = [trajectory(number) for number in range(5)]
PAIRS = sample_segment_pairs(TRAJECTORIES, 10, 5, rng=np.random.default_rng(0))


def label(n_pairs: int, labeller: Any, path: Path | str) -> PreferenceDataset:
    return label_pairs(PAIRS[:n_pairs], labeller, instruction="go", batch_size=3, save_to=path)


ASKED_TWICE = """
import sys, time
from pathlib import Path
sys.path.insert(0, {folder!r})
import test_labelling_twice as t
class Slow(t.KnownLabeller):
    def label(self, pairs):
        with open({log!r}, "a") as log:
            log.writelines(f"{{row.sum()}}\\n" for row in pairs.first.actions)
        time.sleep(0.1)
        return super().label(pairs)
t.label(10, Slow(), {path!r})
"""


def test_two_processes_pay_for_each_pair_once(tmp_path: Path) -> None:
    path, log = tmp_path / "labels.parquet", tmp_path / "asked"
    code = ASKED_TWICE.format(folder=str(Path(__file__).parent), log=str(log), path=str(path))
    both = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in "ab"]
    messages = [process.communicate()[1].decode() for process in both]
    assert len(PreferenceDataset.load(path, TRAJECTORIES)) == 10
    assert len(log.read_text().split()) == 10
    for process, message in zip(both, messages, strict=True):
        assert process.returncode == 0 or "BusyError: Another process adds labels" in message


@dataclasses.dataclass(frozen=True)
class FileConfig(KnownLabellerConfig):
    """Settings of `FromFile`."""

    path: str = ""


class FromFile(KnownLabeller):
    """A labeller whose weights are a file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.config = FileConfig(path=str(path))


def test_weights_of_a_labeller_that_were_replaced_are_another_labeller(tmp_path: Path) -> None:
    path, weights = tmp_path / "labels.parquet", tmp_path / "weights.txt"
    weights.write_text("one")
    labels = label(4, FromFile(weights), path)
    assert json.loads(labels.labelled_by[0].contents) == {"path": "7692c3ad3540bb80"}
    weights.write_text("two")
    for n_pairs in (4, 8):
        with pytest.raises(FileFormatError, match=r"labeller 0 contents was .*7692c3ad3540bb80"):
            label(n_pairs, FromFile(weights), path)
    weights.write_text("one")
    labels = label(8, FromFile(weights), path)
    assert labels.to_rows() == PreferenceDataset.load(path, TRAJECTORIES).to_rows()


def test_labels_of_an_earlier_release_which_noted_no_contents_are_gone_on_with(
    tmp_path: Path,
) -> None:
    path, weights = tmp_path / "labels.parquet", tmp_path / "weights.txt"
    weights.write_text("one")
    label(4, FromFile(weights), path)
    columns, header = read_rows(path)
    del header["labelled_by"][0]["contents"]
    write_rows(path, columns, header)
    labels = label(8, FromFile(weights), path)
    assert len(labels) == 8 and len(labels.labelled_by) == 1
    assert labels.to_rows() == PreferenceDataset.load(path, TRAJECTORIES).to_rows()


@pytest.mark.parametrize("n_pairs", [4, 8])
def test_trajectories_that_were_replaced_under_their_ids_are_other_pairs(
    tmp_path: Path, n_pairs: int
) -> None:
    path = tmp_path / "labels.parquet"
    label(4, KnownLabeller(), path)
    moved = [dataclasses.replace(t, observations=t.observations + 1) for t in TRAJECTORIES]
    others = sample_segment_pairs(moved, 10, 5, rng=np.random.default_rng(0))[:n_pairs]
    labeller = KnownLabeller()
    with pytest.raises(FileFormatError, match=r"are others now, such as 't\d'.*another path"):
        label_pairs(others, labeller, instruction="go", save_to=path)
    assert labeller.batch_sizes == []


def test_each_part_names_the_trajectories_that_it_shows_and_the_file_all(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    label(6, KnownLabeller(), path)
    shown = {s.trajectory.id for pair in PAIRS[:6] for s in pair}
    assert set(read_rows(path)[1]["contents"]) == shown


def test_a_file_of_an_earlier_release_which_noted_no_trajectories_is_gone_on_with(
    tmp_path: Path,
) -> None:
    path = tmp_path / "labels.parquet"
    label(4, KnownLabeller(), path)
    columns, header = read_rows(path)
    del header["contents"]
    write_rows(path, columns, header)
    assert len(label(8, KnownLabeller(), path)) == 8


class StopError(Exception):
    """Ends a call that asks."""


def test_a_flipped_bit_in_a_part_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"

    def stop(_stage: str, done: int, _total: int, _loss: float) -> None:
        if done == 6:
            raise StopError

    with pytest.raises(StopError):
        label_pairs(
            PAIRS, KnownLabeller(), instruction="go", batch_size=3, save_to=path, report=stop
        )
    part = tmp_path / "labels.parquet.parts" / "00000003.parquet"
    whole, intact = part.read_bytes(), PreferenceDataset.load(path, TRAJECTORIES)
    assert len(intact) == 6
    n_noticed = 0
    for position in range(8, len(whole), 211):
        damaged = bytearray(whole)
        damaged[position] ^= 4
        part.write_bytes(damaged)
        try:
            read = PreferenceDataset.load(path, TRAJECTORIES)
        except FileFormatError as error:
            n_noticed += part.name in str(error)
        else:  # a bit that says nothing
            assert read.to_rows() == intact.to_rows()
    assert n_noticed > 5
