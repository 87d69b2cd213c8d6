"""Pictures that a LeRobot dataset keeps in its rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlfeedback.adapters import lerobot as adapter
from vlfeedback.errors import FileFormatError, InvalidValueError, NeedsError
from vlfeedback.scoring.relabel import relabel
from vlfeedback.testing import BrightnessReward
from vlfeedback.types import Frames

pytest.importorskip("av")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from tests.adapters.lerobot_by_hand import (  # noqa: E402
    CAMERA,
    brightness,
    lay_out,
    picture_of,
    png,
)

EYE = "observation.image"
FIRST_FILE = "data/chunk-000/file-000.parquet"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "robot", cameras=(), images=(EYE,))


def change_cells(dataset: Path, cells: dict[int, Any]) -> None:
    path = dataset / FIRST_FILE
    table = pq.read_table(path)
    column = table[EYE].to_pylist()
    for row, cell in cells.items():
        column[row] = cell
    pq.write_table(table.set_column(table.column_names.index(EYE), EYE, pa.array(column)), path)


def frames_of(dataset: Path, episode: int) -> Frames:
    frames = list(adapter.read(dataset))[episode].frames
    assert frames is not None
    return frames


@pytest.mark.parametrize("times", [[0], [29, 3], [4, 5, 6, 28], [7, 7], []])
def test_pictures_are_those_of_the_row(dataset: Path, times: list[int]) -> None:
    frames = frames_of(dataset, 1)
    assert frames.times.tolist() == list(range(30))
    expected = [picture_of(1, time) for time in times]
    assert len(frames.read(times)) == len(times)
    for picture, row in zip(frames.read(times), expected, strict=True):
        np.testing.assert_array_equal(picture, row)
    with pytest.raises(NeedsError, match="State 30 was not rendered"):
        frames.read([30])


def test_a_source_reads_them_and_a_copy_keeps_them(dataset: Path, tmp_path: Path) -> None:
    relabelled = list(relabel(adapter.read(dataset), BrightnessReward(), between="hold"))
    corner = (0 + 4 + 7) - 3 * brightness(0, 4)
    last = brightness(0, 4) / 255 + corner / (4 * 6 * 3 * 255)  # of its only one that is not known
    np.testing.assert_allclose(np.asarray(relabelled[0].rewards)[-2:], [last, last], rtol=1e-5)
    adapter.write_relabelled(tmp_path / "copy", relabelled, origin=dataset)
    new, old = (pq.read_table(root / FIRST_FILE) for root in (tmp_path / "copy", dataset))
    assert new[EYE].equals(old[EYE])
    n_groups = {
        pq.read_metadata(r / FIRST_FILE).num_row_groups for r in (tmp_path / "copy", dataset)
    }
    assert n_groups == {5}  # 35 rows, 8 at once: pictures are read by groups
    np.testing.assert_array_equal(frames_of(tmp_path / "copy", 2).read([3])[0], picture_of(2, 3))


def test_a_picture_may_lie_in_a_file_of_its_own(dataset: Path) -> None:
    (dataset / "images").mkdir()
    (dataset / "images" / "2.png").write_bytes(png(picture_of(0, 2)))
    change_cells(dataset, {2: {"bytes": None, "path": "images/2.png"}})
    np.testing.assert_array_equal(frames_of(dataset, 0).read([2])[0], picture_of(0, 2))


def test_cameras_in_videos_and_in_rows_are_chosen_alike(tmp_path: Path) -> None:
    root = lay_out(tmp_path / "robot", images=(EYE,))
    with pytest.raises(NeedsError, match="choose one with camera="):
        adapter.read(root)
    for camera, size in ((CAMERA, (16, 32)), (EYE, (4, 6))):
        read = next(adapter.read(root, camera=camera))
        assert read.frames is not None and read.frames.read([0]).shape == (1, *size, 3)


# Bad input --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["../secret.png", "/etc/hostname", "", None])
def test_a_picture_outside_of_the_dataset_is_not_read(dataset: Path, path: str | None) -> None:
    (dataset.parent / "secret.png").write_bytes(png(picture_of(0, 0)))
    change_cells(dataset, {1: {"bytes": None, "path": path}})
    with pytest.raises((InvalidValueError, FileFormatError), match=r"outside of|no readable table"):
        frames_of(dataset, 0).read([1])


def test_what_is_no_picture_is_named(dataset: Path) -> None:
    whole = png(picture_of(0, 0))
    deep = png(np.zeros((4, 6), np.uint16))
    cells = {
        0: whole[:40],
        1: b"%!PS-Adobe-3.0 EPSF-3.0",
        2: deep,
        3: png(np.zeros((9, 9, 3), "u1")),
    }
    change_cells(dataset, {row: {"bytes": b, "path": None} for row, b in cells.items()})
    frames = frames_of(dataset, 0)
    for time in (0, 1):
        with pytest.raises(FileFormatError, match="is no readable table of pictures"):
            frames.read([time])
    with pytest.raises(FileFormatError, match="more than 8 bits a pixel"):
        frames.read([2])
    with pytest.raises(FileFormatError, match="is no readable table of pictures"):
        frames.read([3, 4])  # of two sizes
    change_cells(dataset, {0: None})
    with pytest.raises(FileFormatError, match="is no readable table of pictures"):
        frames.read([0])
    assert replace(next(adapter.read(dataset, camera="")), frames=None).frames is None
