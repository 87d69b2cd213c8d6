"""Pictures as lossless video in memory, of which single ones can be read.

H.264 in RGB (libx264rgb at quantiser 0) gives every picture back bit by bit. A keyframe every 12
pictures is what reading a single one costs: our choice.

Source: sizes and speeds were measured on 200 renderings of Meta-World; noise packs worse.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from vlfeedback.optional import require

__all__ = ["decode_pictures", "encode_pictures", "has_encoder"]

_KEYFRAME_EVERY = 12  # pictures
_RATE = 1000  # a second; Matroska counts milliseconds, so that picture i has the time i
_OPTIONS = {
    "qp": "0",  # lossless
    "preset": "veryfast",
    "sc_threshold": "0",  # no keyframes but those asked for
    "bf": "0",  # no pictures that refer to later ones
}


def has_encoder() -> bool:
    """Whether PyAV is installed."""
    return importlib.util.find_spec("av") is not None


def encode_pictures(pictures: UInt8[np.ndarray, "F H W 3"]) -> bytes:
    """Pack one or more pictures of equal size as a video.

    Raises:
        MissingExtraError: PyAV is not installed.
    """
    av = require("av", extra="vision", needed_by="A lossless video")
    packed = io.BytesIO()
    with av.open(packed, "w", format="matroska") as container:
        stream = container.add_stream("libx264rgb", rate=_RATE)
        stream.height, stream.width = pictures.shape[1:3]
        stream.pix_fmt = "rgb24"
        stream.gop_size = _KEYFRAME_EVERY
        stream.options = _OPTIONS
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return packed.getvalue()


def decode_pictures(video: bytes, rows: Int64[np.ndarray, " K"]) -> UInt8[np.ndarray, "K H W 3"]:
    """Read the pictures at these ascending positions.

    Raises:
        Exception: of whatever type, where the video is damaged; `vlfeedback.data.foreign_files`
            makes a sentence of it.
        MissingExtraError: PyAV is not installed.
    """
    av = require("av", extra="vision", needed_by="Reading pictures kept as video")
    with av.open(io.BytesIO(video)) as container:
        stream = container.streams.video[0]
        empty = np.empty((0, stream.height, stream.width, 3), dtype=np.uint8)
        pictures = [
            picture
            for start, group in _by_keyframe(rows)
            for picture in _decode_group(container, stream, start, group)
        ]
        return np.stack(pictures) if pictures else empty


def _by_keyframe(rows: Int64[np.ndarray, " K"]) -> Iterator[tuple[int, list[int]]]:
    for number, group in groupby(rows.tolist(), key=lambda row: row // _KEYFRAME_EVERY):
        yield number * _KEYFRAME_EVERY, list(group)


def _decode_group(
    container: Any, stream: Any, start: int, rows: list[int]
) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    """Pictures that follow one keyframe."""
    container.seek(start, stream=stream)
    remaining = set(rows)
    for frame in container.decode(stream):
        if frame.pts in remaining:
            remaining.remove(frame.pts)
            yield frame.to_ndarray(format="rgb24")
        if not remaining:
            return
    raise IndexError(f"it has no picture {min(remaining)}")
