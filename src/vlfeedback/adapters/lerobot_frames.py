"""Pictures of one episode in a video that holds many, read when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from vlfeedback.adapters.lerobot_tables import ADVICE
from vlfeedback.data.contents import file_digest
from vlfeedback.data.foreign_files import reading
from vlfeedback.errors import FileFormatError
from vlfeedback.optional import require
from vlfeedback.types import rows_of

__all__ = ["LeRobotFrames"]

_READ_ON = 2.0  # seconds: what lies nearer is decoded on the way, what lies farther is sought


@dataclass(frozen=True, slots=True, eq=False)
class LeRobotFrames:
    """The pictures of a camera; the file is open only while reading."""

    path: Path
    start: float  # seconds into the video at which the episode begins
    fps: float
    times: Int64[np.ndarray, " F"]

    def read(self, times: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "K H W 3"]:
        """Pictures of these states; see `vlfeedback.types.Frames.read`.

        Raises:
            FileNotFoundError: the video is missing.
            FileFormatError: the video is damaged, or has no picture at that time.
            MissingExtraError: PyAV is not installed.
        """
        rows, inverse = np.unique(rows_of(self.times, times), return_inverse=True)
        seconds = self.start + rows / self.fps
        return _read_at(self.path, seconds, tolerance=0.5 / self.fps)[inverse]

    def digest(self) -> bytes:
        """Of the whole video, and the place in it; see `vlfeedback.data.contents.DigestedFrames`.

        Raises:
            FileNotFoundError: the video is missing.
        """
        return f"{file_digest(self.path)} {self.start} {self.fps}".encode()


def _read_at(
    path: Path, seconds: Float64[np.ndarray, " K"], *, tolerance: float
) -> UInt8[np.ndarray, "K H W 3"]:
    """The pictures shown at these ascending times."""
    av = require("av", extra="vision", needed_by="Reading a video")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; the dataset is not whole. {ADVICE}")
    with reading(path, "video", advice=ADVICE), av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        pictures: list[np.ndarray] = []
        position, frames = -np.inf, iter(())
        for second in seconds.tolist():
            if not -tolerance <= second - position <= _READ_ON:
                offset = max(0, int((second - tolerance) / stream.time_base))
                container.seek(offset, stream=stream)
                frames = container.decode(stream)
            frame = _next_at(frames, second - tolerance)
            if frame is None or frame.time > second + tolerance:
                raise FileFormatError(f"{path} has no picture at {second:.3f} s. {ADVICE}")
            position = float(frame.time)
            pictures.append(frame.to_ndarray(format="rgb24"))
        empty = np.empty((0, stream.height, stream.width, 3), dtype=np.uint8)
        return np.stack(pictures) if pictures else empty


def _next_at(frames: Any, second: float) -> Any | None:
    """The first of these pictures that is not shown before this time, if there is one."""
    return next((f for f in frames if f.time is not None and f.time >= second), None)
