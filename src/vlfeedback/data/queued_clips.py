"""Clips that people are shown, as files: the pictures of each on one sheet, under their digest.

One file a clip is one request of a browser, also through a slow tunnel; the page draws picture
after picture from it. PNG loses nothing, and equal clips are one file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from vlfeedback.data.whole_files import new_file
from vlfeedback.optional import require

__all__ = ["QueuedClip", "clip_digest", "draw_sheet", "write_clip"]


@dataclass(frozen=True, slots=True)
class QueuedClip:
    """One clip as a page plays it.

    Attributes:
        digest: of its pictures, 32 digits; the file is called after it.
        pictures: how many there are, 1 or more.
        width: of each picture, pixels.
        height: of each picture, pixels.
    """

    digest: str
    pictures: int
    width: int
    height: int

    @property
    def columns(self) -> int:
        """Pictures side by side on the sheet, which is filled row by row."""
        return _sheet_columns(self.pictures)


def clip_digest(frames: UInt8[np.ndarray, "F H W 3"]) -> str:
    """Tells clips apart by their pictures, in 32 digits."""
    digest = blake2b(str(frames.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(frames).data)
    return digest.hexdigest()


def _sheet_columns(pictures: int) -> int:
    """Pictures side by side on a sheet of so many: about as many as there are rows."""
    return math.ceil(math.sqrt(pictures))


def draw_sheet(frames: UInt8[np.ndarray, "F H W 3"]) -> UInt8[np.ndarray, "SH SW 3"]:
    """All pictures of a clip in rows, from the upper left; what is left over is black.

    >>> draw_sheet(np.zeros((5, 10, 20, 3), np.uint8)).shape
    (20, 60, 3)
    """
    n, height, width = frames.shape[:3]
    columns = _sheet_columns(n)
    rows = math.ceil(n / columns)
    sheet = np.zeros((rows * columns, height, width, 3), dtype=np.uint8)
    sheet[:n] = frames
    grid = sheet.reshape(rows, columns, height, width, 3).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(grid.reshape(rows * height, columns * width, 3))


def write_clip(folder: Path, frames: UInt8[np.ndarray, "F H W 3"]) -> QueuedClip:
    """Write a clip's file, whole or not at all; one that is there stays.

    Args:
        folder: made where it is not there.
        frames: one picture or more.

    Raises:
        MissingExtraError: Pillow is not installed.
        WriteError: the disk is full, or the folder may not be written to.
    """
    clip = QueuedClip(clip_digest(frames), len(frames), frames.shape[2], frames.shape[1])
    path = folder / f"{clip.digest}.png"
    if not path.exists():
        require("PIL", extra="label-ui", needed_by="labels from people")
        from PIL import Image

        with new_file(path) as partial:
            Image.fromarray(draw_sheet(frames)).save(partial, format="PNG")
    return clip
