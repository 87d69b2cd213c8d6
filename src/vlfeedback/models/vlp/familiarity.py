"""How unlike a picture is those that a VLP model was trained on: a distance, read off coarse views.

Recipe:   1 a picture becomes 4 x 4 areas of their mean colour; 2 each colour loses its mean over
          the picture and is divided by its deviation, since brightness and contrast were varied in
          training and say nothing; 3 the distance is Mahalanobis', divided by the root of the
          number of values: about 1 for pictures of the training.
Choices:  ours. Features of the model's own encoder were tried and tell less, since it maps what it
          does not know onto what it knows. A tenth of the mean variance is added to each, so that
          what never changed in training may change a little.
Measured: `benchmarks/unfamiliar_pictures.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch.nn import functional

from vlfeedback.errors import InvalidValueError

__all__ = ["UNFAMILIAR", "PictureStatistics", "measure_pictures"]

UNFAMILIAR = 2.2
"""A median distance above it is of other worlds: between the largest of Meta-World, render settings
included, and the smallest of other environments; see `benchmarks/results`."""

_AREAS = 4  # a side
_SIZE = 3 * _AREAS**2
_FAINTEST = 5.0  # of 255: a colour that varies less over a picture counts as even
_SHRINKAGE = 0.1
_DIGITS = 5  # that a file keeps
_CHUNK = 256  # pictures at once


@dataclass(frozen=True, slots=True)
class PictureStatistics:
    """What the training's pictures look like from far away.

    Attributes:
        mean: 48 numbers, of the coarse view.
        covariance: 48 rows of 48 numbers.
    """

    mean: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]

    @classmethod
    def from_json(cls, description: Mapping[str, Any]) -> PictureStatistics:
        """What `dataclasses.asdict` made of one, and JSON of that.

        Raises:
            InvalidValueError: these are not 48 and 48 x 48 finite numbers.
        """
        mean, covariance = (
            np.array(description.get(name, ()), dtype=np.float64) for name in ("mean", "covariance")
        )
        if mean.shape != (_SIZE,) or covariance.shape != (_SIZE, _SIZE):
            raise InvalidValueError(
                f"Picture statistics have shapes {mean.shape} and {covariance.shape}; expected "
                f"({_SIZE},) and ({_SIZE}, {_SIZE})."
            )
        if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
            raise InvalidValueError("Picture statistics hold a number that is not finite.")
        return cls(tuple(mean.tolist()), tuple(tuple(row) for row in covariance.tolist()))

    def distances(self, pictures: UInt8[np.ndarray, "B H W 3"]) -> Float64[np.ndarray, " B"]:
        """How unlike the training's each picture is: about 1 for those, see `UNFAMILIAR`."""
        variances, axes = np.linalg.eigh(np.array(self.covariance))
        variances = np.maximum(variances, 0.0) + _SHRINKAGE * variances.mean()
        along = (_coarse(pictures) - np.array(self.mean)) @ axes
        return np.asarray(np.sqrt((along**2 / variances).mean(axis=1)))


def measure_pictures(batches: Iterable[UInt8[np.ndarray, "_ _ _ 3"]]) -> PictureStatistics:
    """Statistics of all pictures of these batches, two or more."""
    views = np.concatenate([_coarse(batch) for batch in batches])
    return PictureStatistics(
        tuple(_rounded(views.mean(axis=0))),
        tuple(tuple(_rounded(row)) for row in np.cov(views, rowvar=False)),
    )


def _coarse(pictures: UInt8[np.ndarray, "B H W 3"]) -> Float64[np.ndarray, "B 48"]:
    parts = [np.zeros((0, 3, _AREAS**2))]
    for start in range(0, len(pictures), _CHUNK):
        pixels = torch.from_numpy(np.array(pictures[start : start + _CHUNK]))
        areas = functional.adaptive_avg_pool2d(pixels.permute(0, 3, 1, 2).float(), _AREAS)
        parts.append(areas.flatten(2).numpy().astype(np.float64))
    colours = np.concatenate(parts)
    colours = colours - colours.mean(axis=2, keepdims=True)
    colours = colours / np.maximum(colours.std(axis=2, keepdims=True), _FAINTEST)
    return np.asarray(colours.reshape(len(pictures), _SIZE))


def _rounded(values: Float64[np.ndarray, " n"]) -> list[float]:
    return [float(f"{value:.{_DIGITS}g}") for value in values]
