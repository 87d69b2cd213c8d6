"""Curves of rewards along one episode, with pictures of it below."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from vlfeedback.errors import NeedsError
from vlfeedback.figures.plain_figure import plain_figure
from vlfeedback.types import Trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "draw_reward_curve", "film_strip", "mark_events"]

_SHOWN = 9  # pictures below the curve
_WIDTH, _LEFT, _RIGHT = 11.0, 0.8, 0.2  # inches: the page, and its margins
_CURVE, _TITLE, _LEGEND_LINE, _TICKS = 3.4, 0.45, 0.23, 0.35  # inches, from top to bottom
_GAP = 4  # px between pictures

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999")
"""Okabe and Ito's, which colour-blind people tell apart; of curves, in order."""


def draw_reward_curve(
    trajectory: Trajectory,
    steps: Int64[np.ndarray, " E"],
    rewards: Mapping[str, Float32[np.ndarray, " E"]],
    *,
    title: str,
    unit: str,
) -> Figure:
    """Curves over the steps of an episode, with pictures of it below.

    Args:
        trajectory: has a picture after each of `steps`.
        steps: where rewards are known.
        rewards: curves by name, such as their instructions.
        title: stands above.
        unit: label of the vertical axis.

    Raises:
        MissingExtraError: matplotlib is not installed.
        NeedsError: there is no picture after one of the steps.
    """
    length = len(trajectory)
    centres = (np.arange(_SHOWN) + 0.5) * length / _SHOWN
    picture_steps = steps[np.abs(steps[:, None] - centres).argmin(axis=0)]
    strip = film_strip(trajectory, picture_steps)
    wide = _WIDTH - _LEFT - _RIGHT
    tall = wide * strip.shape[0] / strip.shape[1]
    height = _TITLE + len(rewards) * _LEGEND_LINE + _CURVE + tall + _TICKS
    figure = plain_figure(figsize=(_WIDTH, height))
    left, width = _LEFT / _WIDTH, wide / _WIDTH
    curve = figure.add_axes((left, (_TICKS + tall) / height, width, _CURVE / height))
    below = figure.add_axes((left, _TICKS / height, width, tall / height))
    for number, (name, values) in enumerate(rewards.items()):
        colour = COLOURS[number % len(COLOURS)]
        curve.plot(steps, values, ".-", color=colour, linewidth=2, label=name, clip_on=False)
    mark_events(curve, trajectory)
    curve.set(xlim=(0, length), xticks=picture_steps, xticklabels=[], ylabel=unit)
    curve.grid(axis="x", color="#dddddd")
    curve.spines[["top", "right"]].set_visible(False)
    curve.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False, borderaxespad=0)
    below.imshow(strip, extent=(0, length, 0, 1), aspect="auto")
    below.set(xticks=centres, xticklabels=[f"step {step}" for step in picture_steps], yticks=[])
    below.tick_params(length=0)
    below.spines[:].set_visible(False)
    figure.suptitle(title, x=left, y=1 - 0.1 / height, ha="left", va="top", fontweight="bold")
    return figure


def film_strip(
    trajectory: Trajectory, steps: Int64[np.ndarray, " K"]
) -> UInt8[np.ndarray, "H X 3"]:
    """The pictures after these steps side by side, for below a curve.

    Raises:
        NeedsError: one of them was not taken.
    """
    if trajectory.frames is None:
        raise NeedsError(
            f"Trajectory {trajectory.id!r} has no pictures; record it with frames, as "
            "`vlfeedback collect --frame-stride 7` does."
        )
    frames = trajectory.frames.read(steps + 1)
    edges = ((0, 0), (_GAP, 0), (_GAP // 2, _GAP // 2), (0, 0))
    return np.concatenate(np.pad(frames, edges, constant_values=255), axis=1)


def mark_events(axes: Axes, trajectory: Trajectory) -> None:
    """When the task was first done, and when the actor was stopped, if the data says so."""
    events = {}
    if trajectory.successes is not None and trajectory.successes.any():
        events["success"] = int(np.argmax(trajectory.successes))
    stop = trajectory.rests_from
    if stop is not None:
        events["stopped"] = stop
    for name, step in events.items():
        axes.axvline(step, color="#555555", linestyle="--", linewidth=1)
        axes.annotate(f" {name}", (step, 0.01), xycoords=("data", "axes fraction"), color="#555555")
