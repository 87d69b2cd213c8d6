"""Plots and pictures inside a page of HTML, which then needs no other file."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from vlfeedback.optional import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["data_uri", "film_uri", "picture_uri"]

_GAP = 3  # px of white between two pictures


def data_uri(figure: Figure, *, dpi: int = 130) -> str:
    """A plot as PNG, to stand in an ``<img src="...">``."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=dpi)
    return _uri(picture, "png")


def picture_uri(pixels: UInt8[np.ndarray, "Y X 3"]) -> str:
    """A picture as JPEG, to stand in an ``<img src="...">``.

    Raises:
        MissingExtraError: Pillow is not installed.
    """
    image = require("PIL.Image", extra="vision", needed_by="A page with pictures")
    picture = io.BytesIO()
    image.fromarray(pixels).save(picture, format="jpeg", quality=85)
    return _uri(picture, "jpeg")


def film_uri(frames: UInt8[np.ndarray, "F H W 3"]) -> str:
    """Pictures side by side as one JPEG, to stand in an ``<img src="...">``.

    Raises:
        MissingExtraError: Pillow is not installed.
    """
    spaced = np.pad(frames, [(0, 0), (0, 0), (0, _GAP), (0, 0)], constant_values=255)
    return picture_uri(np.concatenate(list(spaced), axis=1)[:, :-_GAP])


def _uri(picture: io.BytesIO, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(picture.getvalue()).decode()}"
