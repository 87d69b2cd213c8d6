from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vlfeedback.errors import FileFormatError
from vlfeedback.sweeps.folder import SweepFolder
from vlfeedback.sweeps.specification import parse_sweep

TABLE: dict[str, Any] = {
    "claim": "it runs",
    "tasks": ["reach"],
    "seeds": [0],
    "learners": {"bc": {}},
}
SWEEP = parse_sweep(TABLE, name="small", where="small.toml")


@pytest.fixture
def begun(tmp_path: Path) -> SweepFolder:
    folder = SweepFolder(tmp_path / "sweep")
    assert folder.join(SWEEP) == SWEEP
    folder.begin(TABLE, name="small", command="vlfeedback sweep small.toml")
    return folder


def test_a_folder_remembers_what_was_asked_for(begun: SweepFolder) -> None:
    assert begun.sweep() == SWEEP
    assert begun.command() == "vlfeedback sweep small.toml"


def test_seeds_of_earlier_starts_stay(begun: SweepFolder) -> None:
    assert begun.join(replace(SWEEP, seeds=(2, 1))).seeds == (0, 1, 2)


def test_another_sweep_and_another_folder_are_refused(begun: SweepFolder) -> None:
    other = replace(SWEEP, name="other")
    with pytest.raises(FileFormatError, match="holds the sweep 'small', and 'other' is to be run"):
        begun.join(other)
    with pytest.raises(FileFormatError, match="is not empty and holds no sweep"):
        SweepFolder(begun.root.parent).join(SWEEP)


def test_a_finished_row_is_found_again(begun: SweepFolder) -> None:
    settings = {"levels": ("a", "b"), "learner": {"steps": 5}}
    assert begun.row("runs", "x", settings) is None
    begun.write_row("runs", "x", {"settings": settings, "returns": [[1.5]]})
    row = begun.row("runs", "x", settings)
    assert row is not None and row["returns"] == [[1.5]]
    assert [path.name for path in (begun.root / "runs").iterdir()] == ["x.json"]


def test_a_row_of_other_settings_is_refused_by_what_differs(begun: SweepFolder) -> None:
    begun.write_row("runs", "x", {"settings": {"learner": {"steps": 5, "preset": "vlp"}}})
    with pytest.raises(
        FileFormatError,
        match=r"x.json was begun with other settings: learner steps was 5 and is 6\. Use",
    ):
        begun.row("runs", "x", {"learner": {"steps": 6, "preset": "vlp"}})


def test_a_row_about_data_that_were_replaced_is_refused_by_the_file(begun: SweepFolder) -> None:
    begun.write_row("runs", "x", {"settings": {"data": {"contents": {"data.h5": "17"}}}})
    with pytest.raises(FileFormatError, match=r"data contents data\.h5 was '17' and is '18'"):
        begun.row("runs", "x", {"data": {"contents": {"data.h5": "18"}}})


def test_a_row_of_an_earlier_release_which_noted_no_contents_stands(begun: SweepFolder) -> None:
    begun.write_row("runs", "x", {"settings": {"data": {"file": "data.h5"}}})
    now = {"data": {"file": "data.h5", "contents": {"data.h5": "18"}}}
    assert begun.row("runs", "x", now) is not None


def test_a_damaged_row_is_refused(begun: SweepFolder) -> None:
    path = begun.path("runs", "x")
    path.parent.mkdir()
    path.write_text('{"settings"', encoding="utf-8")
    with pytest.raises(FileFormatError, match=r"x.json is no JSON .*Delete it"):
        begun.row("runs", "x", {})


def test_a_row_is_whole_or_not_there(begun: SweepFolder) -> None:
    with pytest.raises(ValueError, match="Out of range float values"):
        begun.write_row("runs", "x", {"settings": {}, "returns": [float("nan")]})
    assert begun.find("runs", "x") is None


def test_two_sweeps_do_not_share_a_folder(begun: SweepFolder) -> None:
    with (
        begun.locked(),
        pytest.raises(BlockingIOError, match="Another process runs a sweep in"),
        begun.locked(),
    ):
        pass
    with begun.locked():
        pass


def test_a_folder_without_a_sweep_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"No sweep in .*; make one with: vlfeedback sweep"):
        SweepFolder(tmp_path).sweep()


def test_a_damaged_description_is_refused(begun: SweepFolder) -> None:
    (begun.root / "sweep.json").write_text('{"name": "small"}')
    with pytest.raises(FileFormatError, match="lacks command, table"):
        begun.sweep()
