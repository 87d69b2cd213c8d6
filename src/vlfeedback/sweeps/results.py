"""From rows to the figures of a report: means over seeds, intervals, and what a paper prints."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from vlfeedback.evaluation.statistics import bootstrap_interval, interquartile_mean
from vlfeedback.offline.curve import EvaluationCurve
from vlfeedback.reports.learning_curves import SCALE
from vlfeedback.reports.published import MEAN, PUBLISHED
from vlfeedback.sweeps.folder import SweepFolder
from vlfeedback.sweeps.runs import Run, expand
from vlfeedback.sweeps.specification import Sweep

__all__ = ["summarise_sweep"]


def summarise_sweep(folder: SweepFolder) -> dict[str, Any]:
    """All figures of a sweep, as JSON values; the evaluations they come from are with them.

    A cell is a task (or the mean over tasks) with a source and learner. Its figures are
    success in %, or return, by two protocols: "best", the maximum over the training of the mean
    of 8 neighbouring evaluations, and "last", the mean of the last 8. A run that is not finished
    is missing: it is counted nowhere, and a mean over tasks is over those that have all seeds.

    Returns:
        `cells` by task and by "source/learner", `missing` ids and `why_missing`, `determinism`,
        `runs` and how all came about.
    """
    sweep = folder.sweep()
    runs = expand(sweep)
    rows = {run.id: row for run in runs if (row := folder.find("runs", run.id)) is not None}
    cells: dict[str, dict[str, Any]] = {}
    for task in sweep.tasks:
        cells[task] = {
            compared: _cell(sweep, task, compared, same, rows)
            for compared, same in _by_comparison(runs, task).items()
        }
    if len(sweep.tasks) > 1:
        cells[MEAN] = {
            compared: _mean_cell(sweep, compared, [cells[t][compared] for t in sweep.tasks])
            for compared in cells[sweep.tasks[0]]
        }
    return {
        "name": sweep.name,
        "claim": sweep.claim,
        "metric": sweep.evaluation.metric,
        "seeds": list(sweep.seeds),
        "cells": cells,
        "missing": [run.id for run in runs if run.id not in rows],
        "why_missing": {
            run.id: folder.failure(run.id) or "not finished yet"
            for run in runs
            if run.id not in rows
        },
        "determinism": _determinism(rows),
        "command": folder.command(),
        "versions": _latest(rows, "versions"),
        "hardware": _latest(rows, "hardware"),
        "commits": sorted({str(row["commit"]) for row in rows.values() if row["commit"]}),
        "runs": rows,
    }


def _by_comparison(runs: Sequence[Run], task: str) -> dict[str, list[Run]]:
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if run.task == task:
            groups.setdefault("/".join(run.compared), []).append(run)
    return groups


def _cell(
    sweep: Sweep, task: str, compared: str, runs: Sequence[Run], rows: Mapping[str, Any]
) -> dict[str, Any]:
    finished = [rows[run.id] for run in runs if run.id in rows]
    metric = sweep.evaluation.metric
    curves = [EvaluationCurve.from_json(row) for row in finished]
    values = {
        "best": [[SCALE[metric] * curve.best(of=metric) for curve in curves]],
        "last": [[SCALE[metric] * curve.last(metric) for curve in curves]],
    }
    feedback = [row["feedback"] for row in finished if row["feedback"]]
    return {
        "seeds": [row["settings"]["seed"] for row in finished],
        "of_seeds": len(runs),
        **_describe(values),
        "label_accuracy": _mean([f["accuracy"] for f in feedback if f.get("accuracy") is not None]),
        "label_cost": sum(f.get("cost", 0.0) for f in feedback),
        "cpu_hours": sum(r["cpu_seconds"] for r in finished if not r["same_labels_as"]) / 3600,
        "shared": sum(bool(row["same_labels_as"]) for row in finished),
        "paper": _paper(sweep, task, compared),
    }


def _mean_cell(sweep: Sweep, compared: str, cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means over tasks, seed by seed; only tasks that have all their seeds count."""
    whole = [cell for cell in cells if len(cell["seeds"]) == cell["of_seeds"]]
    return {
        "tasks": len(whole),
        "of_tasks": len(cells),
        **_describe({p: [cell[p]["values"] for cell in whole] for p in ("best", "last")}),
        "label_accuracy": _mean(
            [c["label_accuracy"] for c in whole if c["label_accuracy"] is not None]
        ),
        "label_cost": sum(cell["label_cost"] for cell in cells),
        "cpu_hours": sum(cell["cpu_hours"] for cell in cells),
        "shared": sum(cell["shared"] for cell in cells),
        "paper": _paper(sweep, MEAN, compared),
    }


def _describe(values: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, dict[str, Any]]:
    """Figures of (tasks, seeds) values by protocol, the interval of what papers report.

    Mean and deviation are over seeds, of the mean over tasks.
    """
    scores = {protocol: np.asarray(rows, dtype=np.float64) for protocol, rows in values.items()}
    figures = {protocol: _means(rows) for protocol, rows in scores.items()}
    low, high = None, None
    if scores["best"].size and scores["best"].shape[1] > 1:
        rng = np.random.default_rng(0)
        low, high = bootstrap_interval(scores["best"].T, interquartile_mean, rng=rng)
    figures["best"] |= {"low": low, "high": high}
    return figures


def _means(scores: np.ndarray) -> dict[str, Any]:
    if scores.size == 0:
        return {"mean": None, "std": None, "iqm": None, "values": []}
    by_seed = scores.mean(axis=0)
    return {
        "mean": float(by_seed.mean()),
        "std": float(by_seed.std(ddof=1)) if len(by_seed) > 1 else None,
        "iqm": interquartile_mean(scores),
        "values": by_seed.tolist(),
    }


def _paper(sweep: Sweep, task: str, compared: str) -> dict[str, Any] | None:
    reference = sweep.paper.get(compared)
    if reference is None:
        return None
    table, _, column = reference.partition("/")
    level = sweep.levels[0] if len(sweep.levels) == 1 else ""
    figure = PUBLISHED[table].figure(task, level, column, sweep.evaluation.metric)
    if figure is None:
        return None
    return {"table": PUBLISHED[table].title, "column": column} | asdict(figure)


def _determinism(rows: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Runs on labels that are the same, each trained alone: their evaluations must be too.

    Those that were trained on another device are not compared.
    """
    groups: dict[str, list[str]] = {}
    for name, row in rows.items():
        alone = not row["same_labels_as"] and row.get("trained_together", 1) == 1
        alone = alone and "trained_elsewhere" not in row
        if row["feedback"] and "digest" in row["feedback"] and alone:
            settings = {k: v for k, v in row["settings"].items() if k != "source"}
            key = json.dumps([settings, row["feedback"]["digest"]], sort_keys=True)
            groups.setdefault(key, []).append(name)
    pairs = [(group[0], other) for group in groups.values() for other in group[1:]]
    keys = ("steps", "successes", "returns")
    different = [
        [one, other]
        for one, other in pairs
        if any(rows[one][key] != rows[other][key] for key in keys)
    ]
    return {"compared": len(pairs), "different": different}


def _latest(rows: Mapping[str, dict[str, Any]], key: str) -> Any:
    return [row[key] for row in rows.values()][-1] if rows else None


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if len(values) else None
