"""One page of a collected dataset: where it is from, what its levels reach, all contact sheets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vlfeedback._version import __version__
from vlfeedback.figures.episode_sheet import STOPPED_COLOUR, SUCCESS_COLOUR
from vlfeedback.reports.pages import render_page
from vlfeedback.types import Trajectory

__all__ = ["LevelSummary", "collection_page", "summarise_levels"]


@dataclass(frozen=True, slots=True)
class LevelSummary:
    """Figures of all trajectories of one task and level; None where the data does not say."""

    level: str
    n: int
    successful: float | None  # share that succeeds at any step, 0 to 1
    success_step: float | None  # mean first step of success, of those that succeed
    stop_step: float | None  # mean step from which nothing was done, of those stopped early
    mean_return: float | None  # of the environment's own reward
    last_reward: float | None  # mean reward of the last step


def summarise_levels(trajectories: Sequence[Trajectory]) -> list[LevelSummary]:
    """One row a level, in the order the levels first occur."""
    levels = dict.fromkeys(t.level for t in trajectories)
    return [_summarise(level, [t for t in trajectories if t.level == level]) for level in levels]


def collection_page(
    sheets: Mapping[str, str],
    summaries: Mapping[str, Sequence[LevelSummary]],
    settings: Mapping[str, object],
    *,
    title: str,
    instructions: Mapping[str, str],
) -> str:
    """The page: what the data was made with, a table of all tasks, and every sheet.

    Args:
        sheets: file name of each task's sheet, beside the page.
        summaries: of each of these tasks.
        settings: the collection's, shown as they are.
        title: what was looked through, such as the folder's name.
        instructions: of those tasks that have one.
    """
    return render_page(
        "collection",
        title=title,
        settings={str(name): json.dumps(value) for name, value in settings.items()},
        rows=[_table_row(task, row, summaries[task]) for task in sheets for row in summaries[task]],
        tasks=[
            {"name": task, "instruction": instructions.get(task), "sheet": sheet}
            for task, sheet in sheets.items()
        ],
        success=f"rgb{SUCCESS_COLOUR}",
        stopped=f"rgb{STOPPED_COLOUR}",
        version=__version__,
    )


def _summarise(level: str, trajectories: Sequence[Trajectory]) -> LevelSummary:
    rewards = [t.env_rewards for t in trajectories if t.env_rewards is not None]
    successes = [t.successes for t in trajectories if t.successes is not None]
    stops = [float(stop) for t in trajectories if (stop := t.rests_from) is not None]
    return LevelSummary(
        level,
        len(trajectories),
        _mean([float(s.any()) for s in successes]),
        _mean([float(np.argmax(s)) for s in successes if s.any()]),
        _mean(stops),
        _mean([float(r.sum()) for r in rewards]),
        _mean([float(r[-1]) for r in rewards]),
    )


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _share_done(row: LevelSummary, summaries: Sequence[LevelSummary]) -> str:
    """When a stopped level is stopped, in % of the time that the best of the others needs."""
    others = (s for s in summaries if s.stop_step is None and s.success_step)
    best = max(others, key=lambda s: s.successful or 0, default=None)
    if row.stop_step is None or best is None or not best.success_step:
        return ""
    return f"{100 * row.stop_step / best.success_step:.0f} %"


def _table_row(task: str, row: LevelSummary, summaries: Sequence[LevelSummary]) -> dict[str, Any]:
    highest = max(s.mean_return or 0.0 for s in summaries)
    bar = 100 * max(row.mean_return or 0.0, 0.0) / highest if highest > 0 else 0.0
    return {
        "task": task,
        "begins": row is summaries[0],
        "levels": len(summaries),
        "cells": (
            row.level,
            str(row.n),
            "" if row.successful is None else f"{100 * row.successful:.0f} %",
            _number(row.success_step, 0),
            _number(row.stop_step, 0),
            _share_done(row, summaries),
            _number(row.last_reward, 2),
        ),
        "bar": f"{bar:.0f}",
        "return_": _number(row.mean_return, 1),
    }


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
