"""Draw `docs/vlp_policies.png`: what plain SAC learnt from the bundled model, run by run.

Run it after `benchmarks/vlp_policies.py`, which keeps a film of each run under `outputs/`:
`.venv/bin/python docs/build/draw_vlp_policies.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageSequence
from results import ROOT, is_there, load

from vlfeedback.figures.plain_figure import plain_figure
from vlfeedback.figures.reward_curve import COLOURS

_RESULTS = {"vlp_policies": "vlp-policies", "vlp_policies_all": "vlp-policies-all"}
_MOMENTS = (0.0, 0.1, 0.25, 0.5, 1.0)  # of a film
_WIDTH, _HEIGHT = 12.0, 1.6  # inches of a row


def main() -> None:
    """Success over steps beside moments of one episode, a row a task."""
    rows = [
        (task, [run for run in load(name)["figures"]["runs"] if run["task"] == task], folder)
        for name, folder in _RESULTS.items()
        if is_there(name)
        for task in dict.fromkeys(run["task"] for run in load(name)["figures"]["runs"])
    ]
    figure = plain_figure(figsize=(_WIDTH, _HEIGHT * len(rows)), layout="constrained")
    axes = figure.subplots(
        len(rows), 1 + len(_MOMENTS), squeeze=False, width_ratios=[2.2] + [1] * len(_MOMENTS)
    )
    for row, (task, runs, folder) in zip(axes, rows, strict=True):
        _draw_curves(row[0], task, runs)
        of_vlp = [run for run in runs if run["reward"] == "vlp"]
        worst = min(of_vlp, key=lambda run: np.mean(run["curve"][-1]["successes"]))
        film = ROOT / "outputs" / folder / f"{task}_vlp_{worst['seed']}.webp"
        _draw_film(row[1:], film)
    axes[0, 0].legend(frameon=False, fontsize="x-small")
    axes[0, 1].set_title(
        "one episode of what vlp taught, the worst seed", fontsize="small", loc="left"
    )
    path = ROOT / "docs" / "vlp_policies.png"
    figure.savefig(path, dpi=70)
    print(path)


def _draw_curves(axes: Any, task: str, runs: list[dict[str, Any]]) -> None:
    for reward, colour, label in (
        ("vlp", COLOURS[0], "vlp"),
        ("env", COLOURS[1], "the environment's own reward"),
    ):
        for run in [run for run in runs if run["reward"] == reward]:
            steps = [point["steps"] / 1000 for point in run["curve"]]
            success = [100 * np.mean(point["successes"]) for point in run["curve"]]
            axes.plot(steps, success, color=colour, label=label)
            label = "_"
    axes.set(ylim=(-4, 104), ylabel="success, %")
    axes.set_title(f"{task} (thousand steps)", loc="left", fontsize="small", fontweight="bold")


def _draw_film(axes: Any, path: Path) -> None:
    with Image.open(path) as film:
        pictures = [frame.convert("RGB") for frame in ImageSequence.Iterator(film)]
    for place, moment in zip(axes, _MOMENTS, strict=True):
        place.imshow(pictures[round(moment * (len(pictures) - 1))].resize((112, 112)))
        place.set_axis_off()


if __name__ == "__main__":
    main()
