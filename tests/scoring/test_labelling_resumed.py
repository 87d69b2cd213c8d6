"""Labelling with `save_to`: what is kept, and what is asked again."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.scoring.stopped_labelling import TRAJECTORIES, Known, assert_equal, draw, label

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.preferences import PreferenceFromReward
from vlfeedback.rewards.env_reward import EnvReward
from vlfeedback.scoring.labelling import label_pairs
from vlfeedback.testing import KnownCascade

# --- going on


def test_what_was_answered_before_a_failure_is_kept_and_not_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    with pytest.raises(TimeoutError, match="no answer") as failed:
        label(10, Known(stop_at=2), path, batch_size=4)
    assert failed.value.__notes__ == [
        f"{Known.__module__}:Known was asked about pairs 8 to 9 of 10; the answers to the 8 before "
        f"them are kept in {path}."
    ]
    again = Known()
    made = label(10, again, str(path), batch_size=4)
    assert again.batch_sizes == [2]
    assert_equal(made, label(10, Known(), tmp_path / "unbroken.parquet", batch_size=4))
    assert_equal(made, PreferenceDataset.load(path, TRAJECTORIES))


def test_a_resumed_file_is_the_unbroken_one_byte_for_byte(stopped: Path) -> None:
    label(10, Known(), stopped)
    label(10, Known(), stopped.with_name("unbroken.parquet"))
    assert stopped.read_bytes() == stopped.with_name("unbroken.parquet").read_bytes()
    assert sorted(p.name for p in stopped.parent.iterdir()) == [
        "labels.parquet",
        "unbroken.parquet",
    ]


def test_nothing_paid_for_is_lost_to_whoever_reads_an_unfinished_file(stopped: Path) -> None:
    read = PreferenceDataset.load(stopped, TRAJECTORIES)
    assert_equal(read, label(6, Known(), stopped.with_name("six.parquet")))
    assert read.labels.cost_usd.sum() == 5 * 0.25  # the skipped pair took nothing
    assert [p.name for p in sorted(Path(f"{stopped}.parts").glob("*.parquet"))] == [
        "00000000.parquet",
        "00000003.parquet",
    ]


def test_every_part_is_a_file_of_preferences_of_its_own(stopped: Path) -> None:
    part = PreferenceDataset.load(f"{stopped}.parts/00000003.parquet", TRAJECTORIES)
    assert_equal(part, label(6, Known(), stopped.with_name("six.parquet")).take([3, 4, 5]))


def test_a_lost_file_with_all_its_parts_is_no_loss(stopped: Path) -> None:
    stopped.unlink()
    assert len(PreferenceDataset.load(stopped, TRAJECTORIES)) == 6
    again = Known()
    label(10, again, stopped)
    assert again.batch_sizes == [3, 1]


def test_a_stop_between_folding_and_tidying_up_leaves_no_pair_twice(stopped: Path) -> None:
    parts = Path(f"{stopped}.parts")
    shutil.copytree(parts, stopped.with_name("kept"))
    whole = label(10, Known(), stopped)
    shutil.copytree(stopped.with_name("kept"), parts)
    assert_equal(PreferenceDataset.load(stopped, TRAJECTORIES), whole)
    silent = Known(stop_at=0)
    assert_equal(label(10, silent, stopped), whole)
    assert not parts.exists()


def test_a_finished_file_asks_nothing_and_more_pairs_ask_only_those(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    label(4, Known(), path)
    silent, more = Known(stop_at=0), Known()
    assert len(label(4, silent, path)) == 4
    assert len(label(2, silent, path)) == 2
    assert len(label(6, more, path)) == 6
    assert more.batch_sizes == [2]
    assert len(PreferenceDataset.load(path, TRAJECTORIES)) == 6


def test_fewer_pairs_than_an_unfinished_file_holds_fold_all_of_it(stopped: Path) -> None:
    assert len(label(2, Known(stop_at=0), stopped)) == 2
    assert len(PreferenceDataset.load(stopped, TRAJECTORIES)) == 6
    assert not Path(f"{stopped}.parts").exists()


def test_more_pairs_than_an_unfinished_file_was_begun_for_go_on_with_it(stopped: Path) -> None:
    again = Known()
    assert len(label(12, again, stopped)) == 12
    assert again.batch_sizes == [3, 3]


def test_a_file_of_version_1_is_gone_on_with(tmp_path: Path) -> None:
    import pyarrow.parquet as parquet

    path, pairs = tmp_path / "labels.parquet", draw(6)
    label_pairs(pairs, PreferenceFromReward(EnvReward()), save_to=path)
    table = parquet.read_table(path)
    header = json.loads(table.schema.metadata[b"vlfeedback"])
    header = {"labelled_by": header["labelled_by"], "format": header["format"]}  # no digests
    table = table.append_column("cost", table["cost_usd"])
    answered = [[word == "answered" for word in table["outcome"].to_pylist()]]
    table = table.append_column("answered", answered)
    table = table.drop_columns(["outcome", "cost_usd", "tokens", "seconds"])
    meta = {b"vlfeedback": json.dumps(header | {"version": 1}).encode()}
    parquet.write_table(table.replace_schema_metadata(meta), path)

    made = label_pairs(draw(8), PreferenceFromReward(EnvReward()), save_to=path)
    assert len(made) == 8
    meta = parquet.read_table(path).schema.metadata
    assert json.loads(meta[b"vlfeedback"])["version"] == 2
    assert made.digest() == label_pairs(draw(8), PreferenceFromReward(EnvReward())).digest()


def test_answers_of_several_labellers_are_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    label(4, KnownCascade(), path)
    made = label(10, KnownCascade(), path)
    assert made.labels.labeller.tolist() == [0, 1, 1, 0, 1, 0, 1, 0, 1, 1]
    assert_equal(PreferenceDataset.load(path, TRAJECTORIES), made)


# --- a sudden end


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {folder!r})
import tests.scoring.stopped_labelling as t
class Logging(t.Known):
    def label(self, pairs):
        labels = super().label(pairs)
        with open({log!r}, "a") as log:
            log.writelines(f"{{row.sum()}}\\n" for row in pairs.first.actions)
        return labels
    def stop(self):
        os.kill(os.getpid(), signal.SIGKILL)
t.label(10, Logging(stop_at={stop_at}), Path({path!r}))
"""


def test_a_process_that_is_killed_goes_on_and_asks_about_each_pair_once(tmp_path: Path) -> None:
    path, log = tmp_path / "labels.parquet", tmp_path / "asked"

    def run(stop_at: int | None) -> int:
        folder = str(Path(__file__).parents[2])
        code = KILLED.format(folder=folder, log=str(log), path=str(path), stop_at=stop_at)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
        return done.returncode

    assert [run(stop_at=2), run(stop_at=1), run(stop_at=None)] == [-9, -9, 0]
    wanted = [first.read("actions").sum() for first, _ in draw(10)]
    np.testing.assert_allclose([float(line) for line in log.read_text().split()], wanted, rtol=1e-5)
    assert_equal_but_for_class(path, label(10, Known(), tmp_path / "unbroken.parquet"))


def assert_equal_but_for_class(path: Path, unbroken: PreferenceDataset) -> None:
    columns, header = PreferenceDataset.load(path, TRAJECTORIES).to_rows()
    wanted, _ = unbroken.to_rows()
    assert columns == wanted
    assert header["labelled_by"][0]["source"] == "__main__:Logging"


def test_a_batch_that_was_being_written_is_asked_again(stopped: Path) -> None:
    (Path(f"{stopped}.parts") / "00000006.parquet.17-ab.partial").write_bytes(b"half")
    again = Known()
    assert len(label(10, again, stopped)) == 10
    assert again.batch_sizes == [3, 1]


# --- what a batch costs


@pytest.mark.parametrize("n_batches", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_as_many_batches_write_as_many_times_as_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_batches: int
) -> None:
    written: list[tuple[str, int]] = []
    original = Path.write_bytes

    def counted(self: Path, contents: Any) -> int:
        written.append((self.name, len(contents)))
        return original(self, contents)

    monkeypatch.setattr(Path, "write_bytes", counted)
    label(n_batches, Known(), tmp_path / "labels.parquet", batch_size=1)
    parts = [size for name, size in written if name[0].isdigit()]
    wholes = [size for name, size in written if name.startswith("labels.parquet.")]
    assert len(parts) == n_batches
    assert max(parts) < 1.1 * min(parts)  # the last is no larger than the first
    assert len(wholes) == 2  # an empty one to try the place, and all rows at the end
    assert len(PreferenceDataset.load(tmp_path / "labels.parquet", TRAJECTORIES)) == n_batches
