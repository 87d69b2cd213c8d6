"""Some pictures of a video, so many a second or so many in all, read without holding the others."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from vlfeedback.data.video import as_picture, decoded_frames
from vlfeedback.errors import InvalidValueError

__all__ = ["SampledVideo", "VideoSampling", "sample_video"]

_ON_TIME = 1e-4  # seconds: times of frames are rounded, to some 1/90,000 s in an mp4 file
_UNKNOWN_RATE = 10.0  # frames a second, of a video that does not say when they are shown


@dataclass(frozen=True, slots=True)
class VideoSampling:
    """Which pictures of a video are read: the first, the last, and some between.

    Attributes:
        fps: so many in a second of the video, > 0; or
        pictures: so many in all, evenly spaced, at least 2; all of a video that has no more.

    Raises:
        InvalidValueError: both are given or neither, or one is out of range.
    """

    fps: float | None = None
    pictures: int | None = None

    def __post_init__(self) -> None:
        if (self.fps is None) == (self.pictures is None):
            raise InvalidValueError(
                f"fps={self.fps} and pictures={self.pictures}; expected one of the two."
            )
        if self.fps is not None and not self.fps > 0:
            raise InvalidValueError(f"fps={self.fps}; expected a positive number.")
        if self.pictures is not None and self.pictures < 2:
            raise InvalidValueError(
                f"pictures={self.pictures}; expected at least 2, the first and the last."
            )


@dataclass(frozen=True, slots=True, eq=False)
class SampledVideo:
    """Some pictures of a video.

    Attributes:
        pictures: (T, H, W, 3) uint8 RGB; T is 1 where the video has one picture.
        n_frames: of the whole video.
    """

    pictures: UInt8[np.ndarray, "T H W 3"]
    n_frames: int


def sample_video(
    path: str | Path,
    sampling: VideoSampling,
    *,
    longest_side: int = 448,
    at_most: int = 3000,
) -> SampledVideo:
    """Read some pictures of a video, its last one always among them.

    The video is decoded from its beginning to its end, evenly spaced pictures in a second pass; no
    pictures but those that are returned are held.

    Args:
        path: the file, of any format that FFmpeg knows.
        sampling: which pictures.
        longest_side: pictures with a longer side are scaled down to it, in pixels.
        at_most: so many pictures are held in memory.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: the file holds no video that can be read.
        InvalidValueError: there are more than `at_most` of these pictures.
        MissingExtraError: PyAV is not installed.
    """
    is_wanted = _rule_of(sampling, path)
    pictures: list[np.ndarray] = []
    n_frames, unused = 0, None
    for row, frame in enumerate(decoded_frames(path)):
        n_frames += 1
        unused = None if is_wanted(row, frame) else frame
        if unused is not None:
            continue
        if len(pictures) == at_most:
            raise InvalidValueError(f"{path} has more than {at_most} pictures at {sampling}.")
        pictures.append(as_picture(frame, path, longest_side))
    if unused is not None:
        pictures.append(as_picture(unused, path, longest_side))
    return SampledVideo(np.stack(pictures), n_frames)


def _rule_of(sampling: VideoSampling, path: str | Path) -> Callable[[int, Any], bool]:
    """Says of each frame, in order, whether it is wanted; called with its number from 0."""
    if sampling.fps is not None:
        return _Metronome(sampling.fps)
    total = sum(1 for _ in decoded_frames(path))
    places = np.linspace(0, total - 1, min(sampling.pictures or total, total))
    rows = frozenset(np.rint(places).astype(int).tolist())
    return lambda row, _: row in rows


class _Metronome:
    """Wants the first frame at or after each of the times 0, 1 / fps, 2 / fps ..."""

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._begin: float | None = None
        self._due = 0

    def __call__(self, row: int, frame: Any) -> bool:
        second = row / _UNKNOWN_RATE if frame.time is None else float(frame.time)
        if self._begin is None:
            self._begin = second
        ticks = math.floor((second - self._begin + _ON_TIME) * self._fps)
        if ticks < self._due:
            return False
        self._due = ticks + 1
        return True
