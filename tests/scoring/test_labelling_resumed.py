"""Labelling with `save_to`: what is kept, what is asked again, and who is refused."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlfeedback.data import growing_preferences
from vlfeedback.data.preference_files import read_rows
from vlfeedback.data.preferences import LabelRecord, PreferenceDataset
from vlfeedback.data.sampling import SegmentPairList, sample_segment_pairs
from vlfeedback.errors import FileFormatError, NeedsError
from vlfeedback.preferences import PreferenceFromReward
from vlfeedback.rewards.env_reward import EnvReward
from vlfeedback.scoring.labelling import label_pairs
from vlfeedback.testing import KnownCascade, KnownLabeller, KnownLabellerConfig
from vlfeedback.types import PreferenceLabels, SegmentPairs, Trajectory


def trajectory(name: str) -> Trajectory:
    rng = np.random.default_rng(sum(name.encode()))
    return Trajectory(
        observations=rng.normal(size=(21, 3)).astype(np.float32),
        actions=rng.normal(size=(20, 2)).astype(np.float32),
        env_rewards=rng.normal(size=20).astype(np.float32),
        id=name,
    )


TRAJECTORIES = [trajectory(f"t{n}") for n in range(30)]
TEXTS = ("go", "go unsure", "go refused", "go", "it failed", "go skipped", "go unparsable")


PAIRS = sample_segment_pairs(TRAJECTORIES, 1000, 5, rng=np.random.default_rng(0))


def draw(n_pairs: int) -> SegmentPairList:
    return PAIRS[:n_pairs]


def texts(n_pairs: int) -> list[str]:
    return [TEXTS[n % len(TEXTS)] for n in range(n_pairs)]


class Known(KnownLabeller):
    """A `KnownLabeller` that stops on request: in its batch number `stop_at`, from 0."""

    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__()
        self._stop_at = stop_at

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        if len(self.batch_sizes) == self._stop_at:
            self.stop()
        return super().label(pairs)

    def stop(self) -> None:
        raise TimeoutError("no answer for 60 s")


def label(n_pairs: int, labeller: Any, path: Path | str, batch_size: int = 3) -> PreferenceDataset:
    return label_pairs(
        draw(n_pairs), labeller, instruction=texts(n_pairs), batch_size=batch_size, save_to=path
    )


def assert_equal(one: PreferenceDataset, other: PreferenceDataset) -> None:
    assert one.to_rows() == other.to_rows()


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A file whose labeller failed in its third batch of three pairs, of ten pairs in all."""
    with pytest.raises(TimeoutError):
        label(10, Known(stop_at=2), tmp_path / "labels.parquet")
    return tmp_path / "labels.parquet"


# --- going on


def test_what_was_answered_before_a_failure_is_kept_and_not_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    with pytest.raises(TimeoutError, match="no answer") as failed:
        label(10, Known(stop_at=2), path, batch_size=4)
    assert failed.value.__notes__ == [
        f"{__name__}:Known was asked about pairs 8 to 9 of 10; the answers to the 8 before them "
        f"are kept in {path}."
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
import test_labelling_resumed as t
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
        folder = str(Path(__file__).parent)
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


# --- who is refused


def test_a_second_process_is_refused_while_the_first_one_asks(tmp_path: Path) -> None:
    path, first, second = tmp_path / "labels.parquet", Known(), Known()

    def meanwhile(*_: Any) -> None:
        with pytest.raises(BlockingIOError, match=r"Another process adds labels to .*parts; wait"):
            label(10, second, path)

    pairs, words = draw(10), texts(10)
    made = label_pairs(
        pairs, first, instruction=words, batch_size=3, save_to=path, report=meanwhile
    )
    assert len(made) == 10
    assert first.batch_sizes == [3, 3, 3, 1] and second.batch_sizes == []


def test_a_process_that_comes_when_another_has_just_ended_asks_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, second = tmp_path / "labels.parquet", Known()
    opened = growing_preferences.GrowingPreferences.opened

    def late(path: Path, *rest: Any) -> Any:
        monkeypatch.undo()
        label(6, Known(), path)  # begins and ends between the other's look and its lock
        return opened(path, *rest)

    monkeypatch.setattr(growing_preferences.GrowingPreferences, "opened", late)
    assert len(label(10, second, path)) == 10
    assert second.batch_sizes == [3, 1]


@pytest.mark.parametrize("obstacle", ["a folder", "a file in place of the folder"])
def test_a_place_that_cannot_be_written_is_found_out_before_anybody_is_asked(
    tmp_path: Path, obstacle: str
) -> None:
    path = tmp_path / "labels.parquet"
    if obstacle == "a folder":
        path.mkdir()
    else:
        (tmp_path / "file").touch()
        path = tmp_path / "file" / "labels.parquet"
    labeller = Known()
    with pytest.raises(OSError):
        label(4, labeller, path)
    assert labeller.batch_sizes == []


def test_a_file_about_other_pairs_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    label_pairs(draw(4), Known(), instruction="go", save_to=path)
    before = path.read_bytes()
    pairs = [(second, first) for first, second in draw(4)]
    with pytest.raises(FileFormatError, match=r"about other pairs .*the same seed.*another path"):
        label_pairs(pairs, Known(), instruction="go", save_to=path)
    with pytest.raises(FileFormatError, match="about other pairs or instructions"):
        label_pairs(draw(4), Known(), instruction="stop", save_to=path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["labels.parquet"]


def test_an_unfinished_file_about_other_pairs_is_left_alone(stopped: Path) -> None:
    with pytest.raises(FileFormatError, match="about other pairs or instructions"):
        label_pairs(draw(10), Known(), instruction="stop", save_to=stopped)
    assert len(PreferenceDataset.load(stopped, TRAJECTORIES)) == 6


def test_answers_of_two_labellers_are_not_mixed(tmp_path: Path) -> None:
    path, pairs = tmp_path / "labels.parquet", draw(4)
    label_pairs(pairs, PreferenceFromReward(EnvReward(), tie_margin=0.5), save_to=path)
    with pytest.raises(
        FileFormatError,
        match=r"begun with other settings: labeller 0 config .*0\.5.* and is .*0\.1",
    ):
        label_pairs(pairs, PreferenceFromReward(EnvReward(), tie_margin=0.1), save_to=path)


class Dear(KnownLabeller):
    def __init__(self) -> None:
        super().__init__(KnownLabellerConfig(cost_usd=4.0))


def test_an_unfinished_file_of_another_labeller_is_not_gone_on_with(stopped: Path) -> None:
    labeller = Dear()
    with pytest.raises(FileFormatError, match=r"labeller 0 config .*0\.25.* and is .*4\.0.*Go on"):
        label(10, labeller, stopped)
    assert labeller.batch_sizes == []
    assert len(PreferenceDataset.load(stopped, TRAJECTORIES)) == 6


def test_a_labeller_that_never_answered_keeps_nobody_out(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    with pytest.raises(TimeoutError):
        label(4, Known(stop_at=0), path)
    made = label(4, Dear(), path)
    assert made.labelled_by == PreferenceDataset.load(path, TRAJECTORIES).labelled_by
    assert made.labels.cost_usd[0] == 4.0


def test_ids_that_no_file_can_refer_to_are_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    nameless = dataclasses.replace(TRAJECTORIES[0], id="")
    labeller = Known()
    with pytest.raises(NeedsError, match="refers to trajectories by id, and one has none"):
        label_pairs(
            [(nameless.segment(0, 5),) * 2],
            labeller,
            instruction="go",
            save_to=tmp_path / "x.parquet",
        )
    assert not labeller.batch_sizes and not list(tmp_path.iterdir())


def test_no_pairs_are_an_empty_file(tmp_path: Path) -> None:
    assert len(label(0, Known(), tmp_path / "labels.parquet")) == 0
    assert len(PreferenceDataset.load(tmp_path / "labels.parquet", [])) == 0


# --- files that lost something


def test_a_missing_part_is_noticed(stopped: Path) -> None:
    (Path(f"{stopped}.parts") / "00000000.parquet").unlink()
    with pytest.raises(FileFormatError, match=r"holds 0 pairs and .*3\.parquet goes on at pair 3"):
        PreferenceDataset.load(stopped, TRAJECTORIES)


def test_a_damaged_part_is_named(stopped: Path) -> None:
    part = Path(f"{stopped}.parts") / "00000003.parquet"
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(FileFormatError, match=r"00000003\.parquet is no readable file of prefer"):
        label(10, Known(), stopped)


def test_a_file_beside_parts_of_other_labellers_is_refused(stopped: Path) -> None:
    other = PreferenceDataset(
        draw(3), PreferenceLabels(np.zeros(3, np.float32), np.zeros(3, np.uint8))
    )
    other = dataclasses.replace(other, labelled_by=(LabelRecord("somebody:Else"),))
    other.save(stopped.with_name("other.parquet"))
    stopped.with_name("other.parquet").replace(stopped)
    (Path(f"{stopped}.parts") / "00000000.parquet").unlink()
    with pytest.raises(FileFormatError, match=r"labeller 0 .*source was 'somebody:Else' and is"):
        PreferenceDataset.load(stopped, TRAJECTORIES)


def test_an_unfinished_file_is_not_written_over(stopped: Path) -> None:
    six = PreferenceDataset.load(stopped, TRAJECTORIES)
    with pytest.raises(FileFormatError, match=r"parts holds 2 batches of answers .*Finish it with"):
        six.take(slice(3)).save(stopped)
    assert len(PreferenceDataset.load(stopped, TRAJECTORIES)) == 6


def test_a_folder_of_something_else_in_place_of_the_parts_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "labels.parquet.parts").mkdir()
    (tmp_path / "labels.parquet.parts" / "thesis.tex").touch()
    with pytest.raises(FileFormatError, match="is not empty and holds no labels"):
        label(4, Known(), tmp_path / "labels.parquet")
    assert (tmp_path / "labels.parquet.parts" / "thesis.tex").exists()


def test_what_another_process_folds_in_while_it_is_read_is_read_once(
    stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(path: Path) -> Any:
        rows = read_rows(path)
        monkeypatch.undo()
        label(10, Known(), stopped)  # after the file was read, and before its parts are
        return rows

    monkeypatch.setattr(growing_preferences, "read_rows", meanwhile)
    assert len(PreferenceDataset.load(stopped, TRAJECTORIES)) == 10
