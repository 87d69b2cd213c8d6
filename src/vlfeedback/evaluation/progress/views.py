"""The same states in other colours and other light; nothing is rendered anew.

Source: hues are turned by the matrix of the SVG filter ``hueRotate`` (W3C, Filter Effects Module
Level 1, section 9.6); light is a factor on the picture's numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from vlfeedback.scoring.pictures import pictures_of
from vlfeedback.types import Frames, Trajectory

__all__ = ["PAINTED", "repainted"]


def _hues_turned(degrees: float) -> Float64[np.ndarray, "3 3"]:
    """What RGB is multiplied by from the left; grey stays grey."""
    luminance = np.tile([0.213, 0.715, 0.072], (3, 1))
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    across = np.array([[-0.213, -0.715, 0.928], [0.143, 0.140, -0.283], [-0.787, 0.715, 0.072]])
    return np.asarray(luminance + cosine * (np.eye(3) - luminance) + sine * across)


PAINTED = {
    "colours": _hues_turned(60.0),
    "dark": 0.6 * np.eye(3),
    "bright": 1.4 * np.eye(3),
}
"""By view, what the RGB of each pixel is multiplied by."""


def repainted(trajectory: Trajectory, view: str) -> Trajectory:
    """The same episode with pictures in another light or other colours.

    Args:
        trajectory: with pictures.
        view: one of `PAINTED`.

    Raises:
        NeedsError: there are no pictures.
    """
    frames = _PaintedFrames(pictures_of(trajectory), PAINTED[view])
    return replace(trajectory, frames=frames, id=f"{trajectory.id} {view}")


@dataclass(frozen=True, slots=True, eq=False)
class _PaintedFrames:
    """Pictures of another's states; see `vlfeedback.types.Frames`."""

    frames: Frames
    matrix: Float64[np.ndarray, "3 3"]

    @property
    def times(self) -> Int64[np.ndarray, " F"]:
        return self.frames.times

    def read(self, times: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "K H W 3"]:
        painted = self.frames.read(times).astype(np.float32) @ self.matrix.T.astype(np.float32)
        return np.asarray(np.clip(np.rint(painted), 0, 255).astype(np.uint8))
