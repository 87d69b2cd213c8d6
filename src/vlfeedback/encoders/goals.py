"""Goal pictures: read from files, encoded once, their features averaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from vlfeedback.data.foreign_files import reading
from vlfeedback.errors import NeedsError, ShapeError
from vlfeedback.optional import require

__all__ = ["Goal", "read_picture"]

# Pillow reads more; some, such as PostScript, by running another program on the file.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
_SAME_ASPECT = 0.02  # relative: rounding to whole pixels changes it by less


class Goal:
    """The mean of the features of one or several goal pictures.

    Pictures of another size than the environment's are fine, since both are resized; those of
    another aspect ratio are refused, since both are cropped and would show other parts.

    Args:
        source: id of the source, for messages.
        goal: path of a picture, or of several: the same goal reached in several ways.
        embed: encodes pictures, as `EmbeddingSource.embed`.

    Raises:
        NeedsError: there is no goal.
        FileNotFoundError: there is no such file.
        FileFormatError: a file is no picture.
    """

    def __init__(
        self,
        source: str,
        goal: str | Sequence[str] | None,
        embed: Callable[[UInt8[np.ndarray, "B H W 3"]], Float32[np.ndarray, "B ..."]],
    ) -> None:
        paths = [goal] if isinstance(goal, str) else list(goal or ())
        if not paths or "" in paths:
            raise NeedsError(
                f"{source!r} compares with a picture of the goal: pass goal='goal.png', such as "
                "the last picture of an episode that succeeded, seen by the same camera."
            )
        self._source = source
        self._embed = embed
        self.pictures = [read_picture(Path(path).expanduser()) for path in paths]

    @cached_property
    def features(self) -> Float32[np.ndarray, "..."]:
        """Mean of the goal pictures' features; of one picture, its own."""
        features = np.stack([self._embed(picture[None])[0] for picture in self.pictures])
        return np.asarray(features.mean(axis=0), dtype=np.float32)

    def distances(self, features: Float32[np.ndarray, "*B D"]) -> Float32[np.ndarray, "*B"]:
        """Euclidean distance of each picture's features to the goal's.

        Raises:
            ShapeError: the features are not those of `embed`.
        """
        if features.shape[-1] != len(self.features):
            raise ShapeError(
                f"{self._source!r} got features of {features.shape[-1]} numbers a picture; "
                f"expected {len(self.features)}, as its `embed` gives them."
            )
        return np.asarray(np.linalg.norm(features - self.features, axis=-1), dtype=np.float32)

    def check_same_view(self, frames: UInt8[np.ndarray, "... H W 3"]) -> None:
        """Refuse pictures that cannot be of the goal's view.

        Raises:
            ShapeError: their aspect ratio is another than the goal's.
        """
        height, width = frames.shape[-3:-1]
        for picture in self.pictures:
            goal_height, goal_width = picture.shape[:2]
            if abs(width * goal_height / (height * goal_width) - 1) > _SAME_ASPECT:
                raise ShapeError(
                    f"The goal of {self._source!r} is a picture of {goal_width} x {goal_height} px "
                    f"and the environment's have {width} x {height}: cropped to squares, they show "
                    "different parts. Take the goal with the environment's own camera."
                )


def read_picture(path: str | Path) -> UInt8[np.ndarray, "H W 3"]:
    """A picture file as RGB.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is no picture.
    """
    path = Path(path)
    image = require("PIL.Image", extra="vision", needed_by="goal pictures")
    if not path.is_file():
        raise FileNotFoundError(f"No picture {str(path)!r}; pass the path of a PNG or JPEG file.")
    with (
        reading(path, "picture", advice="Pass a PNG or JPEG file."),
        image.open(path, formats=_FORMATS) as opened,
    ):
        return np.array(opened.convert("RGB"))
