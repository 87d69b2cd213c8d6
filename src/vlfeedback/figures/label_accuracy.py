"""Plots of an evaluation of labels, drawn from the figures of one source that JSON files hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vlfeedback.figures.plain_figure import plain_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "draw_accuracy",
    "draw_accuracy_by_gap",
    "draw_label_figures",
    "draw_reliability",
]

# Okabe and Ito's colours, which colour-blind people tell apart.
_COLOURS = {
    "picture-energy": "#D55E00",
    "still": "#E69F00",
    "random": "#999999",
    "prior": "#56B4E9",
}
_SOURCE = "#0072B2"
_OTHERS = ("#009E73", "#CC79A7", "#F0E442", "#000000")  # in turn, of sources beside it


def draw_label_figures(
    figures: Mapping[str, Any], folder: str | Path, *, source: str = "vlp"
) -> list[Path]:
    """Write every plot that these figures allow as PNG; returns the paths.

    Args:
        figures: of one source, as `summarise` of `vlfeedback.evaluation.labels.summary` gives
            them: JSON values.
        folder: must exist.
        source: the name that the figures give it.
    """
    plots = {"label_accuracy": draw_accuracy(figures, source)}
    if "calibration" in figures:
        plots["reliability"] = draw_reliability(figures)
    if "accuracy_by_gap" in figures:
        plots["accuracy_by_gap"] = draw_accuracy_by_gap(figures, source)
    paths = []
    for name, plot in plots.items():
        path = Path(folder) / f"{name}.png"
        plot.savefig(path, dpi=150)
        paths.append(path)
    return paths


def draw_accuracy(figures: Mapping[str, Any], source: str = "vlp") -> Figure:
    """Bars: mean accuracy of each source, by pairing, with 95 % intervals; chance is dashed."""
    pairings = [key.removesuffix("_pairs") for key in figures if key.endswith("_pairs")]
    colours = _colours(list(figures[f"{pairings[0]}_pairs"]), source)
    names = list(colours)
    figure, axes = _blank("label accuracy, %")
    width = 0.8 / len(names)
    for place, name in enumerate(names):
        rows = [(p, figures[f"{p}_pairs"].get(name, {}).get("mean")) for p in pairings]
        bars = [(k, p, 100 * value) for k, (p, value) in enumerate(rows) if value is not None]
        heights = [height for _, _, height in bars]
        edges = [figures["intervals"][p][name]["mean"] for _, p, _ in bars]
        axes.bar(
            [k + (place - (len(names) - 1) / 2) * width for k, _, _ in bars],
            heights,
            width,
            yerr=_errors(heights, edges),
            color=colours[name],
            label=name,
            error_kw={"linewidth": 0.8},
        )
    axes.axhline(50, color="black", linestyle="--", linewidth=0.8)
    axes.set_xticks(range(len(pairings)), pairings)
    axes.set_ylim(0, 100)
    axes.legend(ncols=len(names), loc="upper center", bbox_to_anchor=(0.5, 1.12), frameon=False)
    return figure


def draw_reliability(figures: Mapping[str, Any]) -> Figure:
    """Confidence against accuracy by pairing; on the dashed line probabilities mean what they say.

    The area of a point is the share of pairs with that confidence.
    """
    figure, axes = _blank("share that is right, %")
    axes.plot([50, 100], [50, 100], color="black", linestyle="--", linewidth=0.8)
    for pairing, row in figures["calibration"].items():
        bins = [b for b in row["bins"] if b["n"]]
        total = sum(b["n"] for b in bins)
        x, y = ([100 * b[key] for b in bins] for key in ("mean", "accuracy"))
        (line,) = axes.plot(x, y, linewidth=0.8)
        error = row["expected_calibration_error"]
        label = f"{pairing} (calibration error {'-' if error is None else f'{100 * error:.0f} %'})"
        sizes = [20 + 400 * b["n"] / total for b in bins]
        axes.scatter(x, y, s=sizes, color=line.get_color(), alpha=0.7, label=label)
    axes.set_xlabel("confidence of the label, %")
    axes.set_ylim(0, 102)
    axes.legend(frameon=False, fontsize="small", markerscale=0.5)
    return figure


def draw_accuracy_by_gap(figures: Mapping[str, Any], source: str = "vlp") -> Figure:
    """Accuracy of the evaluated source and of its baselines as two returns lie further apart."""
    pairings = list(figures["accuracy_by_gap"])
    figure, all_axes = _row(len(pairings))
    for axes, pairing in zip(all_axes, pairings, strict=True):
        bins_by_name = figures["accuracy_by_gap"][pairing]
        colours = _colours(list(bins_by_name), source)
        for name, bins in bins_by_name.items():
            points = [
                (100 * (b["low"] + b["high"]) / 2, 100 * b["accuracy"]) for b in bins if b["n"]
            ]
            if points:
                axes.plot(*zip(*points, strict=True), "o-", color=colours[name], label=name)
        axes.axhline(50, color="black", linestyle="--", linewidth=0.8)
        axes.set_title(f"{pairing} pairs", fontsize="medium")
        axes.set_xlabel("|gap of returns|, percentile in its task")
        axes.set_ylim(0, 102)
    all_axes[0].set_ylabel("label accuracy, %")
    all_axes[-1].legend(frameon=False, fontsize="small")
    return figure


def _colours(names: list[str], source: str) -> dict[str, str]:
    """The source, others in their order, and the baselines, each with its colour."""
    others = [name for name in names if name != source and name not in _COLOURS]
    colours = {source: _SOURCE} if source in names else {}
    colours |= {name: _OTHERS[k % len(_OTHERS)] for k, name in enumerate(others)}
    return colours | {n: c for n, c in _COLOURS.items() if n in names and n != source}


def _blank(ylabel: str) -> tuple[Figure, Axes]:
    figure, (axes,) = _row(1, width=7.0)
    axes.set_ylabel(ylabel)
    return figure, axes


def _row(n: int, width: float = 3.6) -> tuple[Figure, list[Axes]]:
    figure = plain_figure(figsize=(width * n, 4.0), layout="constrained")
    all_axes = figure.subplots(1, n, squeeze=False)[0].tolist()
    for axes in all_axes:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, all_axes


def _errors(heights: list[float], edges: list[list[float | None]]) -> np.ndarray:
    """Lengths below and above each bar, (2, n); NaN draws none."""
    low, high = (
        np.array([np.nan if (e := edge[k]) is None else 100 * e for edge in edges]) for k in (0, 1)
    )
    return np.array([np.array(heights) - low, high - np.array(heights)]).clip(min=0)
