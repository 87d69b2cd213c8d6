"""`vlfeedback browse`, from the command line to the page."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from vlfeedback.cli.app import app
from vlfeedback.data.collection import Collection
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.errors import InvalidValueError, UnknownNameError
from vlfeedback.figures.episode_sheet import STOPPED_COLOUR, SUCCESS_COLOUR
from vlfeedback.types import ArrayFrames, Trajectory


def has(sheet: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((sheet == colour).all(axis=-1).any())


def test_a_sheet_a_task_and_one_page_are_written(tiny_dataset: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke(app, ["browse", str(tiny_dataset), "--out", str(tmp_path / "out")])
    assert run.exit_code == 0, run.output
    assert str(tmp_path / "out" / "index.html") in run.output.replace("\n", "")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"index.html", "drawer-close.png"}
    page = (tmp_path / "out" / "index.html").read_text()
    assert '<img src="drawer-close.png"' in page and "<dt>horizon</dt><dd>90</dd>" in page
    sheet = np.asarray(Image.open(tmp_path / "out" / "drawer-close.png"))
    assert sheet.shape[1] == 12 * (96 + 4) - 4 + 16  # 12 pictures, enlarged from 32 to 96 px
    assert has(sheet, SUCCESS_COLOUR) and has(sheet, STOPPED_COLOUR)


def test_only_the_levels_asked_for_are_drawn(tiny_dataset: Path, tmp_path: Path) -> None:
    arguments = ["browse", str(tiny_dataset), "--tasks", "drawer-close", "--out", str(tmp_path)]
    run = CliRunner().invoke(app, [*arguments, "--levels", "random", "--episodes", "1"])
    assert run.exit_code == 0, run.output
    sheet = np.asarray(Image.open(tmp_path / "drawer-close.png"))
    assert sheet.shape[0] < 2 * 96  # one row
    assert not has(sheet, SUCCESS_COLOUR) and not has(sheet, STOPPED_COLOUR)


def test_scattered_scenes_are_drawn_as_a_level_of_their_own(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    for levels in ("scattered", "expert,scattered"):
        arguments = ["browse", str(tiny_dataset), "--levels", levels, "--episodes", "1"]
        run = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / levels)])
        assert run.exit_code == 0, run.output
        assert "<td>scattered</td><td>2</td>" in (tmp_path / levels / "index.html").read_text()
    alone, both = (
        np.asarray(Image.open(tmp_path / levels / "drawer-close.png"))
        for levels in ("scattered", "expert,scattered")
    )
    assert not has(alone, SUCCESS_COLOUR) and not has(alone, STOPPED_COLOUR)
    assert has(both, SUCCESS_COLOUR) and both.shape[0] > 1.8 * alone.shape[0]


def test_an_unknown_level_is_refused_with_those_there_are(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    arguments = ["browse", str(tiny_dataset), "--levels", "export", "--out", str(tmp_path / "x")]
    run = CliRunner().invoke(app, arguments)
    assert isinstance(run.exception, UnknownNameError)
    assert "'export'; it has ['expert', 'medium', 'random', 'scattered']" in str(run.exception)
    assert not (tmp_path / "x").exists()


def test_a_task_that_was_not_collected_is_refused(tiny_dataset: Path) -> None:
    run = CliRunner().invoke(app, ["browse", str(tiny_dataset), "--tasks", "reach"])
    assert isinstance(run.exception, FileNotFoundError)
    assert "it has ['drawer-close']" in str(run.exception)


def test_a_task_beside_the_folder_is_neither_read_nor_drawn(tmp_path: Path) -> None:
    bright = Trajectory(
        observations=np.zeros((3, 1), np.float32),
        actions=np.zeros((2, 1), np.float32),
        frames=ArrayFrames(np.arange(3), np.full((3, 8, 8, 3), 200, np.uint8)),
        id="other/0",
    )
    Collection.create(tmp_path / "data", {})
    write_trajectories(tmp_path / "other" / "expert.h5", [bright])
    before = sorted(tmp_path.rglob("*"))
    run = CliRunner().invoke(app, ["browse", str(tmp_path / "data"), "--tasks", "../other"])
    assert isinstance(run.exception, InvalidValueError)
    assert "names the path '../other', which lies outside of" in str(run.exception)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("option", [["--episodes", "0"], ["--frames", "1"]])
def test_a_sheet_of_nothing_is_refused(tiny_dataset: Path, option: list[str]) -> None:
    assert CliRunner().invoke(app, ["browse", str(tiny_dataset), *option]).exit_code == 2
