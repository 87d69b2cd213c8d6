"""A source's scores along an episode of each level, with pictures of each below its curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, Int64

from vlfeedback.figures.plain_figure import plain_figure
from vlfeedback.figures.reward_curve import COLOURS, film_strip, mark_events
from vlfeedback.scoring.curves import CameraScores, ScoreCurve
from vlfeedback.scoring.pictures import pictures_of
from vlfeedback.scoring.timing import steps_with_pictures
from vlfeedback.types import Trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_cameras", "draw_levels", "draw_views"]

_SHOWN = 6  # pictures below a curve
_WIDTH, _LEFT, _RIGHT, _BETWEEN = 15.0, 0.75, 0.1, 0.45  # inches
_TITLE, _CURVE, _TICKS = 0.35, 2.1, 0.3  # inches, from top to bottom
_HEADROOM = 0.08  # share of the range of scores that is left free above and below


def draw_levels(curves: Mapping[str, ScoreCurve], *, unit: str) -> Figure:
    """A column a level, all to one scale, with pictures below.

    The score of an episode played backwards is dashed, at the step whose picture it has reached.

    Args:
        curves: by level, at least one; each trajectory with pictures.
        unit: label of the vertical axis.

    Raises:
        MissingExtraError: matplotlib is not installed.
        NeedsError: an episode has no pictures.
    """
    strips = {level: _strip(curve.trajectory) for level, curve in curves.items()}
    n = len(curves)
    wide = (_WIDTH - _LEFT - _RIGHT - (n - 1) * _BETWEEN) / n
    tall = max(wide * strip.shape[0] / strip.shape[1] for _, strip in strips.values())
    height = _TITLE + _CURVE + tall + _TICKS
    figure = plain_figure(figsize=(_WIDTH, height))
    scale = _range(curves)
    for column, (level, curve) in enumerate(curves.items()):
        left, width = (_LEFT + column * (wide + _BETWEEN)) / _WIDTH, wide / _WIDTH
        above = figure.add_axes((left, (_TICKS + tall) / height, width, _CURVE / height))
        below = figure.add_axes((left, _TICKS / height, width, tall / height))
        steps, strip = strips[level]
        _draw_curve(above, curve)
        above.set(xlim=(0, len(curve.trajectory)), ylim=scale, xticks=steps, xticklabels=[])
        above.set_title(level, loc="left", fontweight="bold", fontsize="medium")
        above.set_ylabel(unit if column == 0 else "")
        above.tick_params(labelleft=column == 0)
        _draw_strip(below, strip, steps, len(curve.trajectory))
    return figure


def _draw_curve(axes: Axes, curve: ScoreCurve) -> None:
    axes.plot(curve.steps, curve.scores, ".-", color=COLOURS[0], linewidth=2, label="forwards")
    if curve.backwards is not None:
        axes.plot(
            curve.steps[: len(curve.backwards)],
            curve.backwards,
            ".--",
            color=COLOURS[1],
            label="the same, played backwards",
        )
        axes.legend(
            loc="lower right",
            bbox_to_anchor=(1, 1),
            ncols=2,
            frameon=False,
            borderaxespad=0,
            fontsize="small",
        )
    mark_events(axes, curve.trajectory)
    axes.grid(axis="x", color="#dddddd")
    axes.spines[["top", "right"]].set_visible(False)


def _draw_strip(axes: Axes, strip: np.ndarray, steps: Int64[np.ndarray, " K"], length: int) -> None:
    axes.imshow(strip, extent=(0, length, 0, 1), aspect="auto")
    axes.set(xticks=_centres(length), xticklabels=[f"step {step}" for step in steps])
    axes.set(yticks=[])
    axes.tick_params(length=0, labelsize="small")
    axes.spines[:].set_visible(False)


def draw_cameras(scores: CameraScores, *, cameras: tuple[str, str]) -> Figure:
    """Scores of the same segments seen by two cameras, as ranks: on the diagonal nothing changes.

    Args:
        scores: of the segments.
        cameras: names of the two, in the same order.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = plain_figure(figsize=(3.4, 3.4), layout="constrained")
    axes = figure.add_subplot()
    ours, other = (np.argsort(np.argsort(column)) for column in (scores.ours, scores.other))
    axes.plot([0, len(ours)], [0, len(ours)], color="#999999", linewidth=0.8)
    axes.scatter(ours, other, s=14, color=COLOURS[0], alpha=0.7)
    axes.set(xlabel=f"rank seen by {cameras[0]}", ylabel=f"rank seen by {cameras[1]}")
    axes.set_aspect("equal")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_views(ours: Trajectory, other: Trajectory, *, names: Sequence[str]) -> Figure:
    """The first picture of an episode beside that of the same state seen by another camera.

    Raises:
        MissingExtraError: matplotlib is not installed.
        NeedsError: an episode has no pictures.
    """
    figure = plain_figure(figsize=(4.2, 2.3), layout="constrained")
    for axes, trajectory, name in zip(figure.subplots(1, 2), (ours, other), names, strict=True):
        frames = pictures_of(trajectory)
        axes.imshow(frames.read(frames.times[:1])[0])
        axes.set_title(name, fontsize="small")
        axes.axis("off")
    return figure


def _strip(trajectory: Trajectory) -> tuple[Int64[np.ndarray, " K"], np.ndarray]:
    steps, centres = steps_with_pictures(trajectory), _centres(len(trajectory))
    picture_steps = steps[np.abs(steps[:, None] - centres).argmin(axis=0)]
    return picture_steps, film_strip(trajectory, picture_steps)


def _centres(length: int) -> Float64[np.ndarray, " K"]:
    return np.asarray((np.arange(_SHOWN) + 0.5) * length / _SHOWN)


def _range(curves: Mapping[str, ScoreCurve]) -> tuple[float, float]:
    scores = [curve.scores for curve in curves.values()]
    scores += [curve.backwards for curve in curves.values() if curve.backwards is not None]
    values = np.concatenate(scores)
    room = _HEADROOM * max(float(np.ptp(values)), 1e-6)
    return float(values.min()) - room, float(values.max()) + room
