"""Write pictures as a video that every player and browser shows: H.264, yuv420p, mp4."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from vlfeedback.errors import DtypeError, ShapeError
from vlfeedback.optional import require

__all__ = ["write_video"]

# x264's constant rate factor: 0 lossless, 23 its own default, 18 commonly held to look lossless.
_RATE_FACTOR = "18"


def write_video(path: str | Path, frames: UInt8[np.ndarray, "T H W 3"], *, fps: float) -> None:
    """Write one picture after the other to an mp4 file; an existing file is replaced.

    The common pixel format yuv420p halves the colour's resolution and so needs even sides: the
    last row or column of a picture with odd sides is repeated once.

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
        raise ValueError(f"fps={fps}; expected a positive number of pictures per second.")
    if path.suffix != ".mp4":
        raise ValueError(f"{path.name!r} does not end in '.mp4', the format that is written.")
    av = require("av", extra="vision", needed_by="Writing a video")

    height, width = frames.shape[1:3]
    frames = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    path.parent.mkdir(parents=True, exist_ok=True)
    # The index goes to the front, so that a browser starts playing before it has the whole file.
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": _RATE_FACTOR}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
