"""Demonstrations: pictures read from a video file, or from an array that NumPy saved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from vlfeedback.data.video import read_video
from vlfeedback.encoders.array_files import read_array
from vlfeedback.errors import FileFormatError
from vlfeedback.types.trajectories import check_pictures

__all__ = ["read_demo"]

_LONGEST_SIDE = 1 << 14  # px: larger than any video's, so that none is scaled


def read_demo(path: str | Path) -> UInt8[np.ndarray, "F H W 3"]:
    """Pictures of a demonstration, in the size they have in the file.

    Args:
        path: an ``.npy`` file of (F, H, W, 3) uint8 RGB, or a video of any format that FFmpeg
            reads: mp4, gif ...; at most 3000 pictures of it.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it cannot be read, has no picture, or is a video of too many.
        ShapeError: the array is no stack of RGB pictures.
        DtypeError: the array is not uint8.
        MissingExtraError: PyAV, which reads videos, is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"No demonstration {str(path)!r}; pass the path of a video, or of an .npy file."
        )
    if path.suffix != ".npy":
        return read_video(path, longest_side=_LONGEST_SIDE)
    frames = read_array(path, "pictures (F, H, W, 3) uint8")
    check_pictures(frames, 4, str(path), "(F, H, W, 3)")
    if not frames.size:
        raise FileFormatError(f"{path} has no picture; its shape is {frames.shape}.")
    return frames
