"""Pictures to and from videos; what is written, every player and browser shows."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from vlfeedback.data.foreign_files import check_size, reading
from vlfeedback.data.whole_files import new_file
from vlfeedback.errors import (
    DtypeError,
    FileFormatError,
    InvalidValueError,
    NeedsError,
    ShapeError,
)
from vlfeedback.optional import require
from vlfeedback.types import ArrayFrames, Trajectory

__all__ = ["as_picture", "decoded_frames", "read_video", "read_video_episode", "write_video"]

# x264's constant rate factor: 0 lossless, 23 its own default, 18 commonly held to look lossless.
_RATE_FACTOR = "18"
_ADVICE = "It is truncated, or has no pictures."


def write_video(path: str | Path, frames: UInt8[np.ndarray, "T H W 3"], *, fps: float) -> None:
    """Write one picture after the other to an mp4 file (H.264), whole or not at all.

    An existing file is replaced. The common pixel format yuv420p halves the colour's resolution
    and so needs even sides: the last row or column of a picture with odd sides is repeated once.

    Args:
        path: where to write, ending in ``.mp4``; missing folders are made.
        frames: (T, H, W, 3) uint8 RGB, 0 to 255.
        fps: pictures shown per second, > 0.

    Raises:
        ShapeError: frames are not (T, H, W, 3), or there are none.
        DtypeError: frames are not uint8.
        ValueError: fps is not positive, or the path does not end in ``.mp4``.
        MissingExtraError: PyAV is not installed.
    """
    path = Path(path)
    if frames.ndim != 4 or frames.shape[-1] != 3 or not frames.size:
        raise ShapeError(
            f"frames has shape {frames.shape}; expected (T, H, W, 3) with at least one picture."
        )
    if frames.dtype != np.uint8:
        raise DtypeError(
            f"frames is {frames.dtype}; a video takes uint8 0-255. "
            "Convert pictures in [0, 1] with (frames * 255).round().astype(np.uint8)."
        )
    if not fps > 0:
        raise InvalidValueError(f"fps={fps}; expected a positive number of pictures per second.")
    if path.suffix != ".mp4":
        raise InvalidValueError(
            f"{path.name!r} does not end in '.mp4', the format that is written."
        )
    av = require("av", extra="vision", needed_by="Writing a video")

    height, width = frames.shape[1:3]
    frames = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    # The index goes to the front, so that a browser starts playing before it has the whole file.
    options = {"movflags": "faststart"}
    with (
        new_file(path) as partial,
        av.open(str(partial), "w", format="mp4", options=options) as container,
    ):
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": _RATE_FACTOR}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def read_video(
    path: str | Path, *, every: int = 1, longest_side: int = 448, at_most: int = 3000
) -> UInt8[np.ndarray, "T H W 3"]:
    """Read a video's pictures, of any format that FFmpeg knows.

    Args:
        path: the file.
        every: 1 for every picture, 2 for every second one, and so on; the first is kept.
        longest_side: pictures with a longer side are scaled down to it, in pixels.
        at_most: so many pictures are held in memory.

    Returns:
        (T, H, W, 3) uint8 RGB.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: the file holds no video that can be read.
        InvalidValueError: it has more than `at_most` pictures.
        MissingExtraError: PyAV is not installed.
    """
    path = Path(path)
    frames: list[np.ndarray] = []
    for index, frame in enumerate(decoded_frames(path)):
        if index % every:
            continue
        if len(frames) == at_most:
            raise InvalidValueError(
                f"{path} has more than {at_most} pictures; read fewer of them: "
                f"every={2 * every}, or cut it."
            )
        frames.append(as_picture(frame, path, longest_side))
    return np.stack(frames)


def read_video_episode(path: str | Path, *, every: int = 1) -> Trajectory:
    """A video as an episode: its first picture is the reset, each of the others a step's.

    Observations and actions, which a video does not show, are single zeros.

    Args:
        path: the file, of which the episode gets its id.
        every: 1 for every picture, 2 for every second one, and so on; the first is kept.

    Raises:
        NeedsError: fewer than two pictures are left.
        FileNotFoundError: there is no such file.
        FileFormatError: it holds no video that can be read, or too many pictures.
        MissingExtraError: PyAV is not installed.
    """
    frames = read_video(path, every=every)
    if len(frames) < 2:
        raise NeedsError(
            f"{path} has {len(frames)} picture at every={every}; expected 2 or more, the reset's "
            "and a step's."
        )
    return Trajectory(
        observations=np.zeros((len(frames), 1), dtype=np.float32),
        actions=np.zeros((len(frames) - 1, 1), dtype=np.float32),
        frames=ArrayFrames(np.arange(len(frames)), frames),
        id=Path(path).name,
    )


def decoded_frames(path: str | Path) -> Iterator[Any]:
    """The frames of a video as PyAV has them, one at a time; there is at least one.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: the file holds no video that can be read.
        MissingExtraError: PyAV is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No video {path}.")
    av = require("av", extra="vision", needed_by="Reading a video")
    count = 0
    with reading(path, "video", advice=_ADVICE), av.open(str(path)) as container:
        stream = container.streams.video[0]
        check_size(path, stream.width * stream.height * 3, "a picture")
        for frame in container.decode(stream):
            count += 1
            yield frame
    if not count:
        raise FileFormatError(f"{path} has no picture.")


def as_picture(frame: Any, path: str | Path, longest_side: int) -> UInt8[np.ndarray, "H W 3"]:
    """A frame of `decoded_frames` as RGB, no side longer than this, in pixels.

    Raises:
        FileFormatError: it cannot be converted.
    """
    scale = min(1.0, longest_side / max(frame.width, frame.height))
    width, height = (max(1, round(scale * x)) for x in (frame.width, frame.height))
    with reading(path, "video", advice=_ADVICE):
        return np.asarray(frame.to_ndarray(format="rgb24", width=width, height=height))
