"""What a VLP network looks at in a segment, as picture and video; Figure 4 of the VLP paper."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, UInt8

from vlfeedback.figures.contact_sheet import contact_sheet
from vlfeedback.models.vlp.attention import SegmentAttention
from vlfeedback.optional import require

__all__ = ["explanation_film", "explanation_sheet", "heat_maps", "overlay"]

_SIDE = 224  # px; smaller pictures are enlarged to it, since heat maps hide what lies under them
_COLOURS = "turbo"  # of matplotlib: blue is little, red is much
_OPACITY = 0.65  # of the hottest place; nothing at all is transparent


def heat_maps(
    values: Float32[np.ndarray, "F g h"], height: int, width: int, *, hottest: float = 0.0
) -> Float32[np.ndarray, "F H W"]:
    """Values of coarse places as smooth maps, 0 to 1.

    Args:
        values: >= 0.
        height: of the maps, px.
        width: of the maps, px.
        hottest: a value that becomes 1. Default: the largest of the whole segment, so that pictures
            can be compared; which is also taken where it is larger.
    """
    from PIL import Image

    scaled = values / max(float(values.max()), hottest, 1e-12)
    maps = [
        np.asarray(Image.fromarray(m).resize((width, height), Image.Resampling.BICUBIC))
        for m in scaled
    ]
    return np.stack(maps).clip(0.0, 1.0)


def overlay(
    frames: UInt8[np.ndarray, "F H W 3"],
    values: Float32[np.ndarray, "F g h"],
    *,
    hottest: float = 0.0,
) -> UInt8[np.ndarray, "F H W 3"]:
    """Pictures under the heat of these values; the hotter a place, the less it shows through.

    `values` and `hottest` are those of `heat_maps`.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    matplotlib = require("matplotlib", extra="vision", needed_by="A heat map")
    heat = heat_maps(values, *frames.shape[1:3], hottest=hottest)
    colours = matplotlib.colormaps[_COLOURS](heat)[..., :3] * 255
    opacity = _OPACITY * heat[..., None]
    return np.asarray((frames * (1 - opacity) + colours * opacity).round().astype(np.uint8))


def explanation_sheet(
    frames: UInt8[np.ndarray, "F H W 3"],
    attention: SegmentAttention,
    captions: Sequence[str],
    *,
    title: str,
    word: str | None = None,
) -> UInt8[np.ndarray, "Y X 3"]:
    """Rows of pictures, of attention and of saliency.

    Args:
        frames: of the segment, as they were given to `read_attention`.
        attention: what it gave.
        captions: one a picture, such as its step.
        title: the instruction and its score.
        word: whose attention is shown; default: the mean over all words.

    Raises:
        UnknownNameError: the word is not in the instruction.
        MissingExtraError: Pillow or matplotlib is not installed.
    """
    notes = [captions[i] for i in attention.read]
    empty = [""] * len(notes)
    return contact_sheet(
        _rows(frames, attention, word),
        [title, _name_attention(attention, word), _name_saliency(attention)],
        frame_captions=[notes, empty, empty],
    )


def explanation_film(
    frames: UInt8[np.ndarray, "F H W 3"],
    attention: SegmentAttention,
    captions: Sequence[str],
    *,
    title: str,
    word: str | None = None,
) -> UInt8[np.ndarray, "R Y X 3"]:
    """One picture after the other beside its attention and its saliency, for `write_video`.

    Arguments and errors are those of `explanation_sheet`.
    """
    rows = _rows(frames, attention, word)
    names = [_name_attention(attention, word), _name_saliency(attention)]
    notes = [[captions[i], *names] for i in attention.read]
    sheets = [
        contact_sheet([np.stack(pictures)], [title], frame_captions=[note])
        for pictures, note in zip(zip(*rows, strict=True), notes, strict=True)
    ]
    return np.stack(sheets)


def _rows(
    frames: UInt8[np.ndarray, "F H W 3"], attention: SegmentAttention, word: str | None
) -> list[UInt8[np.ndarray, "R Y X 3"]]:
    pictures = _enlarge(frames[attention.read])
    weights = attention.of_word(word)
    # Attention that is spread evenly is to look so, not all red.
    attention_map = overlay(pictures, weights, hottest=2.0 / weights.size)
    return [pictures, attention_map, overlay(pictures, attention.saliency)]


def _enlarge(frames: UInt8[np.ndarray, "F H W 3"]) -> UInt8[np.ndarray, "F Y X 3"]:
    from PIL import Image

    height, width = frames.shape[1:3]
    factor = _SIDE / min(height, width)
    if factor <= 1:
        return frames
    size = (round(width * factor), round(height * factor))
    large = [Image.fromarray(f).resize(size, Image.Resampling.BICUBIC) for f in frames]
    return np.stack([np.asarray(frame) for frame in large])


def _name_attention(attention: SegmentAttention, word: str | None) -> str:
    weights = attention.of_word(word)
    words = "all words" if word is None else f"“{word}”"
    least, most = weights.min() * weights.size, weights.max() * weights.size
    return f"attention of {words}: {least:.1f} to {most:.1f} times the even share"


def _name_saliency(attention: SegmentAttention) -> str:
    height, width = attention.saliency.shape[1:]
    return f"saliency: what raises the score (Grad-CAM, {height} x {width})"
