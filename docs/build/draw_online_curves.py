"""Draw `docs/online_curves.png` from the committed runs of `benchmarks/online_pebble.py`.

Run it after those: `.venv/bin/python docs/build/draw_online_curves.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from online_blocks import NAMES
from results import ROOT, load

from vlfeedback.figures.plain_figure import plain_figure
from vlfeedback.figures.reward_curve import COLOURS

_WIDTH, _HEIGHT = 5.0, 3.4  # inches of one task


def main() -> None:
    """Success and true return over steps, a column a task, a thin line a seed."""
    runs = load("online_pebble")["figures"]["runs"]
    tasks = list(dict.fromkeys(run["task"] for run in runs))
    colours = {name: COLOURS[k % len(COLOURS)] for k, name in enumerate(NAMES)}
    figure = plain_figure(figsize=(_WIDTH * len(tasks), 2 * _HEIGHT), layout="constrained")
    axes = figure.subplots(2, len(tasks), squeeze=False, sharex=True)
    for column, task in enumerate(tasks):
        of_task = [run for run in runs if run["task"] == task]
        for name in dict.fromkeys(run["labeller"] for run in of_task):
            same = [run for run in of_task if run["labeller"] == name]
            for row, key in enumerate(("successes", "returns")):
                _draw(axes[row, column], same, key, colours[name], NAMES[name])
        axes[0, column].set_title(task, loc="left", fontweight="bold")
        axes[0, column].set(ylim=(-2, 102))
        axes[1, column].set_xlabel("steps of the environment")
    axes[0, 0].set_ylabel("success, %")
    axes[1, 0].set_ylabel("true return")
    axes[0, 0].legend(frameon=False, fontsize="small")
    path = ROOT / "docs" / "online_curves.png"
    figure.savefig(path, dpi=80)
    print(path)


def _draw(axes: Any, runs: list[dict[str, Any]], key: str, colour: str, name: str) -> None:
    steps = runs[0]["curve"]["steps"]
    scale = 100 if key == "successes" else 1
    curves = scale * np.array([np.mean(run["curve"][key], axis=1) for run in runs])
    for curve in curves if len(curves) > 1 else []:
        axes.plot(steps, curve, color=colour, linewidth=0.7, alpha=0.5)
    axes.plot(steps, curves.mean(axis=0), color=colour, linewidth=2, label=name)


if __name__ == "__main__":
    main()
