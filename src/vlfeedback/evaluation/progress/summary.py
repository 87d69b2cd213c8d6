"""From figures of each source and task to means over tasks, and who is better than the rules."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float64

from vlfeedback.evaluation.diagnosis.metrics import NotApplicable, metric_to_json
from vlfeedback.evaluation.labels.summary import tidy
from vlfeedback.evaluation.progress.figures import FIGURES, GOALS
from vlfeedback.evaluation.resampling import Resampled, combine

__all__ = ["Figures", "summarise_progress"]

Figures: TypeAlias = Mapping[str, Resampled | NotApplicable]
"""Of one source on one task, by the names of `FIGURES`."""


def summarise_progress(
    figures: Mapping[str, Mapping[str, Figures]], *, baselines: Sequence[str]
) -> dict[str, Any]:
    """All figures, ready for JSON: NaN becomes None, four decimals.

    Args:
        figures: by source and task.
        baselines: those sources that are rules.

    Returns:
        ``sources``: by name ``figures``, each with ``mean`` (of the tasks where it is defined) and
        one entry a task, see `metric_to_json`; ``goals``, the share of tasks that reach each of
        `GOALS`, one where it is not defined not among them; and ``minus``, by figure and baseline
        the difference of the means with its interval. ``legend`` says what each figure is.
    """
    rows = {name: _of_source(of_tasks) for name, of_tasks in figures.items() if of_tasks}
    means = {name: _means(of_tasks) for name, of_tasks in figures.items() if of_tasks}
    for name, row in rows.items():
        row["is_rule"] = name in baselines
        if name not in baselines:
            row["minus"] = {
                figure: {
                    rule: _difference(mean, means[rule].get(figure))
                    for rule in baselines
                    if isinstance(means[rule].get(figure), Resampled)
                }
                for figure, mean in means[name].items()
                if isinstance(mean, Resampled)
            }
    summary: dict[str, Any] = tidy(
        {
            "sources": rows,
            "legend": {name: asdict(kind) for name, kind in FIGURES.items()},
            "goals": {name: f"{side} {edge}" for name, (side, edge) in GOALS.items()},
        }
    )
    return summary


def _of_source(of_tasks: Mapping[str, Figures]) -> dict[str, Any]:
    means = _means(of_tasks)
    return {
        "figures": {
            name: {
                "mean": _to_json(means[name]),
                **{task: _to_json(figures[name]) for task, figures in of_tasks.items()},
            }
            for name in FIGURES
        },
        "goals": {
            name: float(np.mean([_reaches(figures[name], name) for figures in of_tasks.values()]))
            for name in GOALS
        },
    }


def _means(of_tasks: Mapping[str, Figures]) -> dict[str, Resampled | NotApplicable]:
    """Of the tasks where a figure applies; where it does in none, why."""
    means: dict[str, Resampled | NotApplicable] = {}
    for name in FIGURES:
        rows = [figures[name] for figures in of_tasks.values()]
        known = [row for row in rows if isinstance(row, Resampled)]
        reasons = [row for row in rows if isinstance(row, NotApplicable)]
        means[name] = combine(_mean, *known) if known else reasons[0]
    return means


def _mean(*columns: Float64[np.ndarray, " B"]) -> Float64[np.ndarray, " B"]:
    """Of what is no NaN; NaN where nothing is."""
    table = np.stack(columns)
    defined = ~np.isnan(table)
    total, count = np.where(defined, table, 0.0).sum(axis=0), defined.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _difference(ours: Resampled, theirs: Any) -> dict[str, Any]:
    estimate = combine(np.subtract, ours, theirs, n=ours.n).estimate
    return {"difference": estimate.mean, "interval": [estimate.low, estimate.high]}


def _to_json(figure: Resampled | NotApplicable) -> dict[str, Any]:
    return metric_to_json(figure if isinstance(figure, NotApplicable) else figure.estimate)


def _reaches(figure: Resampled | NotApplicable, name: str) -> bool:
    side, edge = GOALS[name]
    if isinstance(figure, NotApplicable) or math.isnan(figure.value):
        return False
    return figure.value >= edge if side == "at least" else figure.value <= edge
