"""Labelling with `save_to`: who is refused, and which files."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.scoring.stopped_labelling import (
    TRAJECTORIES,
    Known,
    draw,
    label,
    texts,
)

from vlfeedback.data import growing_preferences
from vlfeedback.data.preference_files import read_rows
from vlfeedback.data.preferences import LabelRecord, PreferenceDataset
from vlfeedback.errors import FileFormatError, NeedsError
from vlfeedback.preferences import PreferenceFromReward
from vlfeedback.rewards.env_reward import EnvReward
from vlfeedback.scoring.labelling import label_pairs
from vlfeedback.testing import KnownLabeller, KnownLabellerConfig
from vlfeedback.types import PreferenceLabels


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
