"""Videos are read back with PyAV, and their colours compared within H.264's rounding."""

from pathlib import Path

import av
import jaxtyping
import numpy as np
import pytest

from vlfeedback.data.video import read_video, read_video_episode, write_video
from vlfeedback.errors import DtypeError, FileFormatError, InvalidValueError, NeedsError, ShapeError

RED, GREEN, BLUE = (220, 40, 30), (30, 200, 60), (40, 60, 210)


def _read(path: Path) -> tuple[np.ndarray, float, str]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        rate, pixels = stream.average_rate, stream.codec_context.pix_fmt
    assert rate is not None
    assert pixels is not None
    return np.stack(frames), float(rate), pixels


def _plain(height: int, width: int) -> np.ndarray:
    frames = np.empty((3, height, width, 3), dtype=np.uint8)
    frames[:] = np.array([RED, GREEN, BLUE], dtype=np.uint8)[:, None, None]
    return frames


def test_every_picture_comes_back_in_order_and_in_its_colour(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "clip.mp4"
    write_video(path, _plain(48, 64), fps=12.5)
    frames, rate, pixels = _read(path)
    assert frames.shape == (3, 48, 64, 3)
    assert rate == 12.5
    assert pixels == "yuv420p"
    for frame, colour in zip(frames, (RED, GREEN, BLUE), strict=True):
        np.testing.assert_allclose(frame.mean(axis=(0, 1)), colour, atol=6)


def test_left_and_right_and_top_and_bottom_stay_where_they_were(tmp_path: Path) -> None:
    frames = np.zeros((2, 32, 32, 3), dtype=np.uint8)
    frames[:, :16, 16:] = RED
    write_video(tmp_path / "clip.mp4", frames, fps=10.0)
    read = _read(tmp_path / "clip.mp4")[0].astype(int)
    np.testing.assert_allclose(read[0, 4, 28], RED, atol=12)
    for row, column in ((4, 4), (28, 4), (28, 28)):
        np.testing.assert_allclose(read[0, row, column], 0, atol=12)


def test_odd_sides_grow_by_one_to_be_even(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", _plain(33, 47), fps=10.0)
    frames, _, _ = _read(tmp_path / "clip.mp4")
    assert frames.shape == (3, 34, 48, 3)
    np.testing.assert_allclose(frames[0, -1, -1], RED, atol=12)


def test_an_existing_video_is_replaced(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", _plain(32, 32), fps=10.0)
    write_video(tmp_path / "clip.mp4", _plain(32, 32)[:1], fps=10.0)
    assert len(_read(tmp_path / "clip.mp4")[0]) == 1


def test_float_pictures_are_refused_with_the_conversion_to_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a user meets it: the annotations are checked in tests only.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(DtypeError, match=r"float32; a video takes uint8.*astype\(np.uint8\)"):
        write_video(tmp_path / "clip.mp4", np.zeros((2, 8, 8, 3), dtype=np.float32), fps=10.0)
    assert not (tmp_path / "clip.mp4").exists()


def test_no_picture_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match=r"\(0, 8, 8, 3\).*at least one picture"):
        write_video(tmp_path / "clip.mp4", np.zeros((0, 8, 8, 3), dtype=np.uint8), fps=10.0)


def test_a_rate_of_zero_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"fps=0\.0; expected a positive number"):
        write_video(tmp_path / "clip.mp4", _plain(8, 8), fps=0.0)


def test_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'clip\.gif' does not end in '\.mp4'"):
        write_video(tmp_path / "clip.gif", _plain(8, 8), fps=10.0)


def test_a_video_is_read_back_whole_or_every_so_many_pictures(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", _plain(48, 64), fps=12.5)
    frames = read_video(tmp_path / "clip.mp4")
    assert frames.shape == (3, 48, 64, 3) and frames.dtype == np.uint8
    np.testing.assert_allclose(frames[1].mean(axis=(0, 1)), GREEN, atol=6)
    thinned = read_video(tmp_path / "clip.mp4", every=2)
    np.testing.assert_array_equal(thinned, frames[[0, 2]])


def test_large_pictures_are_scaled_down_as_they_are_read(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", _plain(48, 64), fps=12.5)
    assert read_video(tmp_path / "clip.mp4", longest_side=32).shape == (3, 24, 32, 3)


def test_a_video_that_does_not_fit_into_memory_is_refused_with_a_way_out(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", _plain(48, 64), fps=12.5)
    with pytest.raises(InvalidValueError, match=r"more than 2 pictures.*every=2"):
        read_video(tmp_path / "clip.mp4", at_most=2)


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"No video .*clip\.mp4"):
        read_video(tmp_path / "clip.mp4")
    (tmp_path / "clip.mp4").write_bytes(b"no video" * 100)
    with pytest.raises(FileFormatError, match="is no readable video"):
        read_video(tmp_path / "clip.mp4")


def test_a_video_is_an_episode_that_begins_with_its_first_picture(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", _plain(48, 64), fps=10.0)
    episode = read_video_episode(tmp_path / "clip.mp4")
    assert (len(episode), episode.id) == (2, "clip.mp4")
    assert episode.frames is not None
    reset, last = episode.frames.read([0, 2])
    np.testing.assert_allclose(reset.mean(axis=(0, 1)), RED, atol=6)
    np.testing.assert_allclose(last.mean(axis=(0, 1)), BLUE, atol=6)
    assert len(read_video_episode(tmp_path / "clip.mp4", every=2)) == 1
    with pytest.raises(NeedsError, match="1 picture at every=3"):
        read_video_episode(tmp_path / "clip.mp4", every=3)
