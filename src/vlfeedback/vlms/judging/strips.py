"""A segment as one picture: key frames side by side, each with the step it was taken after.

Source: PLARE's code (tunglm2203/plare at 8be59b6): three frames of a segment in a row, white
margins, a black line around each, its time beneath.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64, UInt8

from vlfeedback.errors import NeedsError
from vlfeedback.optional import require
from vlfeedback.types import SegmentBatch

__all__ = ["draw_strip", "key_frames", "last_pictures", "strips_of"]


def key_frames(batch: SegmentBatch, n: int) -> list[Int64[np.ndarray, " K"]]:
    """Which pictures show each segment with `n` of them: evenly spread, first and last included.

    Halves are rounded to the later picture: of 8 pictures, three key frames are 0, 4 and 7, as in
    PLARE. A segment with fewer pictures is shown by all of them, so K <= n.

    Raises:
        NeedsError: a segment has no picture up to its last step.
    """
    last = batch.spread_pictures(2)[:, 1]
    spread = np.linspace(0, last, n) if n > 1 else last[None].astype(np.float64)
    return [np.unique(np.floor(row + 0.5).astype(np.int64)) for row in spread.T]


def last_pictures(batch: SegmentBatch) -> list[UInt8[np.ndarray, "H W 3"]]:
    """The last picture of each segment: what it came to.

    Raises:
        NeedsError: the batch has no pictures, or a segment none up to its last step.
    """
    frames = _frames_of(batch)
    return [frames[row, shown[-1]] for row, shown in enumerate(key_frames(batch, 1))]


def strips_of(batch: SegmentBatch, n: int) -> list[UInt8[np.ndarray, "_ _ 3"]]:
    """Each segment as a strip of `n` key frames, see `key_frames` and `draw_strip`.

    Raises:
        NeedsError: the batch has no pictures, or a segment none up to its last step.
        MissingExtraError: Pillow is not installed.
    """
    frames, steps = _frames_of(batch), batch.picture_steps
    return [
        draw_strip(frames[row, shown], steps[shown].tolist())
        for row, shown in enumerate(key_frames(batch, n))
    ]


def draw_strip(
    frames: UInt8[np.ndarray, "K H W 3"], steps: Sequence[int]
) -> UInt8[np.ndarray, "_ _ 3"]:
    """Draw pictures side by side on white, in black frames, with "step 36" beneath each.

    With m = H // 20 and b = H // 100 px (at least 4 and 1), the strip is K (W + 2b) + (K + 1) m px
    wide: a margin, a picture in its frame, a margin ... The pictures keep their size and colours.

    Args:
        frames: in the order of time.
        steps: of the segment, counted from 0, after which each was taken.

    Raises:
        MissingExtraError: Pillow is not installed.
    """
    require("PIL", extra="vlm", needed_by="a strip of key frames")
    from PIL import Image, ImageDraw, ImageFont

    n, height, width = frames.shape[:3]
    margin, border, mark = max(4, height // 20), max(1, height // 100), max(16, height // 8)
    framed_height, framed_width = height + 2 * border, width + 2 * border
    size = (3 * margin + framed_height + mark, n * (framed_width + margin) + margin)
    strip = np.full((*size, 3), 255, dtype=np.uint8)
    lefts = [margin + k * (framed_width + margin) for k in range(n)]
    for frame, left in zip(frames, lefts, strict=True):
        framed = strip[margin : margin + framed_height, left : left + framed_width]
        framed[:] = 0
        framed[border : border + height, border : border + width] = frame
    image = Image.fromarray(strip)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=3 * mark // 4)
    for step, left in zip(steps, lefts, strict=True):
        place = (left + framed_width / 2, 2 * margin + framed_height)
        draw.text(place, f"step {step}", (0, 0, 0), font, anchor="ma")
    return np.asarray(image)


def _frames_of(batch: SegmentBatch) -> UInt8[np.ndarray, "N F H W 3"]:
    if batch.frames is None:
        raise NeedsError(
            "A vision-language model is shown pictures and this batch has none: give frames "
            "(N, F, H, W, 3)."
        )
    return batch.frames
