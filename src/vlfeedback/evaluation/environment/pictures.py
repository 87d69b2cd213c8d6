"""What is wrong with pictures of the right type: empty, frozen, of odd size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from gymnasium.utils.env_checker import data_equivalence
from jaxtyping import UInt8

from vlfeedback.evaluation.environment.findings import Finding
from vlfeedback.evaluation.environment.walk import Walk

__all__ = ["are_alike", "look_at_pictures"]

_SMALLEST, _LARGEST = 64, 640  # px, of the shorter side; encoders see 224
_NOISE, _SPECKS = 8, 2e-4  # levels of 255, and the share of pixels that may differ by more


def look_at_pictures(seen: Walk) -> list[Finding]:
    """Findings on the pictures of a walk, which has some.

    Args:
        seen: the walk.
    """
    return [_size(seen.pictures), _content(seen.pictures), _change(seen)]


def are_alike(first: UInt8[np.ndarray, "H W 3"], second: UInt8[np.ndarray, "h w 3"]) -> bool:
    """Whether two pictures are the same, up to what a driver's rounding makes of them."""
    if first.shape != second.shape:
        return False
    differs = (np.abs(first.astype(np.int16) - second) > _NOISE).any(axis=2)
    return bool(differs.mean() <= _SPECKS)


def _size(pictures: Sequence[UInt8[np.ndarray, "_H _W 3"]]) -> Finding:
    shapes = {picture.shape for picture in pictures}
    if len(shapes) > 1:
        return Finding(
            "picture size",
            "problem",
            f"it changes on the way: {', '.join(map(str, sorted(shapes)))}",
            "Draw all pictures of one size, or resize them in a wrapper's render().",
        )
    height, width, _ = pictures[0].shape
    detail = f"{height} x {width} (height x width), uint8"
    by_size = "Where the environment takes them, pass width and height; see docs/own_environment."
    if min(height, width) < _SMALLEST:
        tells = f"{detail}: encoders look at 224 x 224, and models of language at more"
        return Finding("picture size", "note", tells, by_size)
    if min(height, width) > _LARGEST:
        return Finding(
            "picture size", "note", f"{detail}: encoders reduce it to 224 x 224", by_size
        )
    return Finding("picture size", "ok", detail)


def _content(pictures: Sequence[UInt8[np.ndarray, "_H _W 3"]]) -> Finding:
    empty = [picture for picture in pictures if np.ptp(picture, axis=(0, 1)).max() <= 1]
    if not empty:
        return Finding("picture content", "ok", "more than one colour in each")
    colour = tuple(empty[0][0, 0].tolist())
    if len(empty) == len(pictures):
        return Finding(
            "picture content",
            "problem",
            f"all are of one colour, {colour}",
            "Look at the camera and the light, and whether OpenGL works here: vlfeedback doctor.",
        )
    return Finding(
        "picture content",
        "note",
        f"{len(empty)} of {len(pictures)} are of one colour, {colour}",
        "Look at the sheet: a fade, or a picture that was taken before anything was drawn?",
    )


def _change(seen: Walk) -> Finding:
    pictures, observations = seen.pictures, seen.observations
    n_both = min(len(pictures), len(observations))
    steps = [place for place in range(1, n_both) if place not in seen.begins]
    changed = [not np.array_equal(pictures[p], pictures[p - 1]) for p in steps]
    moved = [not data_equivalence(observations[p], observations[p - 1], exact=True) for p in steps]
    n_changed, n_moved = sum(changed), sum(moved)
    detail = f"{n_changed} of {len(steps)} steps change the picture, {n_moved} the observation"
    if any(changed):
        return Finding("pictures change", "ok", detail)
    if any(moved):
        return Finding(
            "pictures change",
            "problem",
            detail,
            "render() has to draw what is there now; with a camera that looks elsewhere, choose "
            "another. If steps are so small, look again with more of them.",
        )
    return Finding(
        "pictures change",
        "note",
        detail,
        "Random actions did nothing that shows; look again with more steps.",
    )
