"""`vlfeedback explain`, from the command line to pictures and films."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from vlfeedback.cli.app import app
from vlfeedback.data.video import read_video, write_video
from vlfeedback.errors import InvalidValueError, NeedsError, UnknownNameError


def explain(*arguments: str) -> None:
    run = CliRunner().invoke(app, ["explain", *arguments])
    if run.exception is not None:
        raise run.exception


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_each_instruction_has_a_picture_and_a_film_and_all_share_a_plot(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    texts = ["--instruction", "close the drawer", "--instruction", "Öffne: open the window!"]
    data = ["--data", str(tiny_dataset), "--task", "drawer-close", "--episode", "1"]
    explain(*data, *texts, "--out", str(tmp_path / "out"))
    stems = ["attention-1-close-the-drawer", "attention-2-öffne-open-the-window"]
    pictures = {f"{stem}.png" for stem in stems} | {"rewards.png"}
    assert names(tmp_path / "out") == pictures | {f"{stem}.mp4" for stem in stems}
    for picture in pictures:
        with Image.open(tmp_path / "out" / picture) as opened:
            assert opened.width > 1000
    assert len(read_video(tmp_path / "out" / f"{stems[0]}.mp4")) == 8


def test_the_task_gives_the_instruction_and_the_clip_may_start_anywhere(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    data = ["--data", str(tiny_dataset), "--task", "drawer-close", "--level", "random"]
    explain(*data, "--start", "14", "--word", "drawer", "--out", str(tmp_path))
    assert names(tmp_path) == {
        "attention-1-close-the-drawer.png",
        "attention-1-close-the-drawer.mp4",
        "rewards.png",
    }


def test_another_source_draws_its_curve(tiny_dataset: Path, tmp_path: Path) -> None:
    data = ["--data", str(tiny_dataset), "--task", "drawer-close"]
    explain(*data, "--source", "random", "--source-config", '{"seed": 3}', "--out", str(tmp_path))
    assert names(tmp_path) == {"rewards.png"}


def test_a_video_is_an_episode_whose_pictures_are_steps(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (20, 48, 64, 3), dtype=np.uint8)
    write_video(tmp_path / "clip.mp4", frames, fps=10.0)
    video = ["--video", str(tmp_path / "clip.mp4"), "--every", "2"]
    explain(*video, "--instruction", "close the drawer", "--out", str(tmp_path / "out"))
    assert "attention-1-close-the-drawer.png" in names(tmp_path / "out")
    with pytest.raises(NeedsError, match="--instruction"):
        explain(*video, "--out", str(tmp_path / "other"))


def test_what_is_not_there_is_refused_with_what_is(tiny_dataset: Path, tmp_path: Path) -> None:
    data = ["--data", str(tiny_dataset), "--out", str(tmp_path / "out")]
    with pytest.raises(NeedsError, match="--video FILE"):
        explain("--out", str(tmp_path / "out"))
    with pytest.raises(NeedsError, match="has drawer-close"):
        explain(*data)
    with pytest.raises(UnknownNameError, match="no level 'export'; it has expert, medium, random"):
        explain(*data, "--task", "drawer-close", "--level", "export")
    with pytest.raises(UnknownNameError, match="has 2 episodes"):
        explain(*data, "--task", "drawer-close", "--episode", "2")
    with pytest.raises(InvalidValueError, match="--source-config is 'seed=3'; expected a JSON"):
        explain(*data, "--task", "drawer-close", "--source-config", "seed=3")
    assert not (tmp_path / "out").exists()
