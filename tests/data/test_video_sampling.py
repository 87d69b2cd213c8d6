"""Videos of known brightness, of which some pictures are read."""

from pathlib import Path

import numpy as np
import pytest

from vlfeedback.data.video import write_video
from vlfeedback.data.video_sampling import SampledVideo, VideoSampling, sample_video
from vlfeedback.errors import FileFormatError, InvalidValueError


def write(path: Path, n: int, *, fps: float = 10.0) -> Path:
    """Picture i has brightness 8 i."""
    frames = np.repeat(np.arange(0, 8 * n, 8, dtype=np.uint8), 16 * 16 * 3).reshape(n, 16, 16, 3)
    write_video(path, frames, fps=fps)
    return path


def numbers(video: SampledVideo) -> list[int]:
    """Which pictures these are, by their brightness."""
    return [round(float(p.mean()) / 8) for p in video.pictures]


@pytest.mark.parametrize(
    ("n", "fps", "expected"),
    [
        (26, 1.0, [0, 10, 20, 25]),  # the last one is between two seconds
        (21, 1.0, [0, 10, 20]),
        (11, 2.0, [0, 5, 10]),
        (7, 10.0, [0, 1, 2, 3, 4, 5, 6]),
        (7, 30.0, [0, 1, 2, 3, 4, 5, 6]),
        (10, 3.0, [0, 4, 7, 9]),  # 1/3 s and 2/3 s lie between pictures: the next one
        (5, 1.0, [0, 4]),
        (1, 1.0, [0]),
    ],
)
def test_pictures_at_a_rate_begin_with_the_first_and_end_with_the_last(
    n: int, fps: float, expected: list[int], tmp_path: Path
) -> None:
    video = sample_video(write(tmp_path / "v.mp4", n), VideoSampling(fps=fps))
    assert numbers(video) == expected
    assert video.n_frames == n


@pytest.mark.parametrize(
    ("n", "pictures", "expected"),
    [(25, 4, [0, 8, 16, 24]), (10, 3, [0, 4, 9]), (3, 8, [0, 1, 2]), (1, 8, [0])],
)
def test_evenly_spaced_pictures_have_both_ends_among_them(
    n: int, pictures: int, expected: list[int], tmp_path: Path
) -> None:
    video = sample_video(write(tmp_path / "v.mp4", n), VideoSampling(pictures=pictures))
    assert numbers(video) == expected
    assert video.n_frames == n


def test_large_pictures_are_scaled_down(tmp_path: Path) -> None:
    frames = np.zeros((2, 32, 64, 3), np.uint8)
    write_video(tmp_path / "v.mp4", frames, fps=10.0)
    read = sample_video(tmp_path / "v.mp4", VideoSampling(fps=10.0), longest_side=16)
    assert read.pictures.shape == (2, 8, 16, 3)


def test_more_pictures_than_memory_is_meant_for_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "v.mp4", 9)
    with pytest.raises(InvalidValueError, match=r"more than 4 pictures at VideoSampling"):
        sample_video(path, VideoSampling(fps=10.0), at_most=4)


def test_what_is_no_video_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(b"no video at all")
    with pytest.raises(FileFormatError, match=r"v\.mp4 is no readable video.*truncated"):
        sample_video(tmp_path / "v.mp4", VideoSampling(fps=1.0))
    with pytest.raises(FileNotFoundError, match=r"No video .*w\.mp4"):
        sample_video(tmp_path / "w.mp4", VideoSampling(pictures=8))


@pytest.mark.parametrize(
    ("fps", "pictures"), [(None, None), (1.0, 8), (0.0, None), (None, 1), (float("nan"), None)]
)
def test_a_sampling_says_one_thing(fps: float | None, pictures: int | None) -> None:
    with pytest.raises(InvalidValueError, match="expected"):
        VideoSampling(fps=fps, pictures=pictures)
