"""Videos in one picture: a row a video, its frames from left to right, with captions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from vlfeedback.errors import ShapeError
from vlfeedback.optional import require
from vlfeedback.types.trajectories import check_pictures

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

__all__ = ["contact_sheet", "outline"]

_MARGIN = 8  # px around the sheet, and between rows
_GAP = 4  # px between frames
_NARROWEST_FRAME = 96  # px; what is narrower is enlarged, so that its caption has room
_NARROWEST_SHEET = 480  # px; room for the caption of a row with few frames
_CAPTION, _FRAME_CAPTION = 15, 12  # px, sizes of letters beside frames of 112 px
_LARGEST = 1.5  # times these sizes, beside larger frames
_INK, _PAPER = (20, 20, 20), (255, 255, 255)


def contact_sheet(
    clips: Sequence[UInt8[np.ndarray, "_F _H _W 3"]],
    captions: Sequence[str],
    *,
    frame_captions: Sequence[Sequence[str]] | None = None,
) -> UInt8[np.ndarray, "Y X 3"]:
    r"""Draw videos below each other, each with its caption above and its frames in a row.

    Frames narrower than 96 px are enlarged by a whole factor. Captions that are wider than their
    row or frame go on in the next line; ``\n`` begins a new one.

    Args:
        clips: the videos, (F, H, W, 3) uint8 RGB each; lengths and sizes may differ.
        captions: one a video; may be empty.
        frame_captions: one a frame of each video, drawn below the frame; may be empty.

    Returns:
        (Y, X, 3) uint8 RGB on white.

    Raises:
        ShapeError: there are no videos, a video has no frames, or captions are too many or too few.
        DtypeError: frames are not uint8.
        MissingExtraError: Pillow is not installed.
    """
    _check(clips, captions, frame_captions)
    require("PIL", extra="vision", needed_by="A contact sheet")
    from PIL import Image, ImageDraw

    clips = [_enlarge(video) for video in clips]
    width = max(*(_row_width(video) for video in clips), _NARROWEST_SHEET) + 2 * _MARGIN
    scale = min(max(1.0, max(video.shape[2] for video in clips) / 112), _LARGEST)
    large, small = _font(round(scale * _CAPTION)), _font(round(scale * _FRAME_CAPTION))
    texts = [_wrap(caption, large, width - 2 * _MARGIN) for caption in captions]
    notes = [
        [_wrap(note, small, video.shape[2]) for note in row]
        for row, video in zip(frame_captions or [()] * len(clips), clips, strict=True)
    ]
    heights = [
        len(text) * _line(large)
        + video.shape[1]
        + max(map(len, row), default=0) * _line(small)
        + _MARGIN
        for text, video, row in zip(texts, clips, notes, strict=True)
    ]
    sheet = Image.new("RGB", (width, sum(heights) + _MARGIN), _PAPER)
    draw = ImageDraw.Draw(sheet)
    top = _MARGIN
    for text, video, row, height in zip(texts, clips, notes, heights, strict=True):
        _write(draw, text, (_MARGIN, top), large)
        y = top + len(text) * _line(large)
        for place, frame in enumerate(video):
            x = _MARGIN + place * (video.shape[2] + _GAP)
            sheet.paste(Image.fromarray(frame), (x, y))
            if row:
                _write(draw, row[place], (x, y + video.shape[1]), small)
        top += height
    return np.asarray(sheet)


def outline(
    frames: UInt8[np.ndarray, "F H W 3"], colour: tuple[int, int, int]
) -> UInt8[np.ndarray, "F H W 3"]:
    """A copy of these frames with a border in this colour, drawn over their edges."""
    framed = frames.copy()
    width = max(1, frames.shape[2] // 32)
    for edge in (np.s_[:, :width], np.s_[:, -width:], np.s_[:, :, :width], np.s_[:, :, -width:]):
        framed[edge] = colour
    return framed


def _check(
    clips: Sequence[np.ndarray],
    captions: Sequence[str],
    frame_captions: Sequence[Sequence[str]] | None,
) -> None:
    if not len(clips):
        raise ShapeError("No clips to draw; give at least one.")
    for index, video in enumerate(clips):
        check_pictures(video, 4, f"clips[{index}]", "(F, H, W, 3)")
        if not video.size:
            raise ShapeError(f"clips[{index}] has shape {video.shape}; expected a frame or more.")
    if len(captions) != len(clips):
        raise ShapeError(f"{len(captions)} captions for {len(clips)} clips; expected one each.")
    lengths = [len(video) for video in clips]
    if frame_captions is not None and [len(row) for row in frame_captions] != lengths:
        raise ShapeError(
            f"frame_captions has {[len(row) for row in frame_captions]} texts; the clips have "
            f"{lengths} frames, and expect one a frame."
        )


def _enlarge(video: UInt8[np.ndarray, "F H W 3"]) -> UInt8[np.ndarray, "F h w 3"]:
    factor = -(-_NARROWEST_FRAME // video.shape[2])
    return np.asarray(video.repeat(factor, axis=1).repeat(factor, axis=2))


def _row_width(video: np.ndarray) -> int:
    return len(video) * (int(video.shape[2]) + _GAP) - _GAP


def _font(size: int) -> FreeTypeFont:
    """Matplotlib's own font: Pillow's has Western letters only."""
    from PIL import ImageFont

    matplotlib = require("matplotlib", extra="vision", needed_by="A caption")
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", size)


def _line(font: FreeTypeFont) -> int:
    return round(1.3 * font.size)


def _wrap(text: str, font: FreeTypeFont, width: int) -> list[str]:
    lines: list[str] = []
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split():
            candidate = f"{line} {word}" if line else word
            if font.getlength(candidate) <= width:
                line = candidate
                continue
            if line:
                lines.append(line)
            *broken, line = _break(word, font, width)
            lines += broken
        lines.append(line)
    return lines


def _break(word: str, font: FreeTypeFont, width: int) -> list[str]:
    """Pieces of a word that fit; a letter that is too wide alone stands alone."""
    pieces = [""]
    for letter in word:
        if pieces[-1] and font.getlength(pieces[-1] + letter) > width:
            pieces.append("")
        pieces[-1] += letter
    return pieces


def _write(
    draw: ImageDraw, lines: Sequence[str], corner: tuple[int, int], font: FreeTypeFont
) -> None:
    x, y = corner
    for number, line in enumerate(lines):
        draw.text((x, y + number * _line(font)), line, font=font, fill=_INK)
