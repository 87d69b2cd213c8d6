from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vlfeedback.data.video import write_video
from vlfeedback.encoders.demos import read_demo
from vlfeedback.errors import DtypeError, FileFormatError, ShapeError


def pictures() -> np.ndarray:
    """Grey, growing brighter by 40 levels a picture, which a video codec keeps within a few."""
    return np.repeat(np.arange(0, 240, 40), 600 * 8 * 3).reshape(6, 600, 8, 3).astype(np.uint8)


def test_an_array_is_read_as_it_is(tmp_path: Path) -> None:
    np.save(tmp_path / "demo.npy", pictures())
    np.testing.assert_array_equal(read_demo(tmp_path / "demo.npy"), pictures())


def test_a_video_is_read_in_its_own_size(tmp_path: Path) -> None:
    write_video(tmp_path / "demo.mp4", pictures(), fps=10.0)
    demo = read_demo(tmp_path / "demo.mp4")
    assert demo.shape == (6, 600, 8, 3)
    np.testing.assert_allclose(demo.astype(int), pictures(), atol=4)


def test_an_animated_gif_is_read(tmp_path: Path) -> None:
    first, *others = [Image.fromarray(picture) for picture in pictures()]
    first.save(tmp_path / "demo.gif", save_all=True, append_images=others, duration=100)
    np.testing.assert_allclose(read_demo(tmp_path / "demo.gif").astype(int), pictures(), atol=4)


def test_arrays_that_are_no_pictures_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "demo.npy"
    np.save(path, pictures()[0])
    with pytest.raises(ShapeError, match=r"shape \(600, 8, 3\); expected \(F, H, W, 3\)"):
        read_demo(path)
    np.save(path, pictures() / 255)
    with pytest.raises(DtypeError, match="float64"):
        read_demo(path)
    np.save(path, pictures()[:0])
    with pytest.raises(FileFormatError, match="no picture"):
        read_demo(path)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="No demonstration"):
        read_demo(tmp_path / "demo.mp4")
    for name, said in (("demo.npy", "is no readable array"), ("demo.mp4", "video")):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(FileFormatError, match=rf"{name} .*{said}"):
            read_demo(tmp_path / name)
