"""Learning curves of a sweep, a panel a task."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Float64

from vlfeedback.figures.plain_figure import plain_figure
from vlfeedback.figures.reward_curve import COLOURS
from vlfeedback.offline.curve import EvaluationCurve
from vlfeedback.reports.published import MEAN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["SCALE", "draw_curves", "evaluation_means"]

_STYLES = [(colour, line) for line in ("-", "--") for colour in (*COLOURS, "#000000")]
_COLUMNS = 3

SCALE = {"success": 100.0, "return": 1.0}
"""What a metric is multiplied by to be shown: success in %."""


def evaluation_means(
    row: Mapping[str, Any], metric: Literal["success", "return"]
) -> Float64[np.ndarray, " E"]:
    """Success in %, or return, of each evaluation of a run."""
    return np.asarray(SCALE[metric] * EvaluationCurve.from_json(dict(row)).means(metric))


def draw_curves(results: Mapping[str, Any]) -> Figure:
    """Mean over seeds of every evaluation, a band of one standard deviation, the paper dashed.

    Args:
        results: of `vlfeedback.sweeps.results.summarise_sweep`.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    tasks = [task for task in results["cells"] if task != MEAN]
    columns = min(_COLUMNS, len(tasks))
    rows = -(-len(tasks) // columns)
    figure = plain_figure(
        needed_by="A report", figsize=(4.2 * columns + 2.0, 3.4 * rows + 1.0), layout="constrained"
    )
    panels = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
    styles = dict(zip(results["cells"][tasks[0]], cycle(_STYLES), strict=False))
    for axes, task in zip(panels, tasks, strict=False):
        for compared, cell in results["cells"][task].items():
            _draw(axes, results, task, compared, styles[compared])
            if cell["paper"]:
                colour, _ = styles[compared]
                axes.axhline(cell["paper"]["mean"], color=colour, ls=":", lw=0.8)
        axes.set_title(task, fontsize="medium")
        axes.set_xlabel("gradient steps")
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels[len(tasks) :]:
        axes.remove()
    panels[0].set_ylabel("success, %" if results["metric"] == "success" else "return")
    lines, names = panels[0].get_legend_handles_labels()
    if lines:
        columns = min(2 * columns, len(names))
        figure.legend(lines, names, loc="outside lower center", ncols=columns, frameon=False)
    return figure


def _draw(
    axes: Axes, results: Mapping[str, Any], task: str, compared: str, style: tuple[str, str]
) -> None:
    colour, line = style
    rows = [
        row
        for row in results["runs"].values()
        if row["settings"]["task"] == task and row["compared"] == compared
    ]
    if not rows:
        axes.plot([], [], line, color=colour, label=f"{compared} (missing)")
        return
    values = np.array([evaluation_means(row, results["metric"]) for row in rows])
    steps, mean, spread = rows[0]["steps"], values.mean(axis=0), values.std(axis=0)
    marker = "." if len(steps) < 3 else ""
    axes.plot(steps, mean, line, color=colour, label=compared, marker=marker)
    axes.fill_between(steps, mean - spread, mean + spread, color=colour, alpha=0.15, linewidth=0)
