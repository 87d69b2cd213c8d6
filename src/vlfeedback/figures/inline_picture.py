"""Plots inside a page of HTML, which then needs no other file."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["data_uri"]


def data_uri(figure: Figure, *, dpi: int = 130) -> str:
    """A plot as PNG, to stand in an ``<img src="...">``."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=dpi)
    return f"data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()}"
