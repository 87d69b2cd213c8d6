"""Numbers that papers print, to stand beside ours in a column of their own.

Of policies: Tables 2 to 4 of VLP (Liu et al. 2025), Tables I and II of Offline RL-VLM-F
(Venkataraman et al.). Of labels: Tables 5, 6, 13 to 15 and 18 of VLP. Of exams of reward models:
LLM-as-a-Verifier, RoboReward, RynnValue and Robometer. The numbers are in ``published.toml``, as
printed, but for shares in [0, 1].
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal

__all__ = [
    "EXAM_TABLES",
    "LABEL_TABLES",
    "MEAN",
    "PUBLISHED",
    "ExamTable",
    "Figure",
    "LabelTable",
    "PublishedTable",
    "published_figures",
    "vlp_label_tables",
    "vlp_tables_of_training",
]

MEAN = "mean"
"""Where a task's name would stand: the mean over all tasks."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One printed result."""

    mean: float  # success in %, or return
    std: float | None  # over seeds; None where the paper prints none


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """One table of a paper about policies."""

    title: str  # "VLP, Table 2"
    source: str  # authors, seeds and protocol
    unit: Literal["%", "share"]  # of success
    columns: tuple[str, ...]
    rows: Mapping[str, list[list[float]]]  # by task, or by "task level": [mean, std] a column

    def figure(
        self, task: str, level: str, column: str, metric: Literal["success", "return"]
    ) -> Figure | None:
        """What is printed for a task, and for data of this level; None where there is nothing."""
        row = self.rows.get(f"{task} {level}", self.rows.get(task))
        if row is None:
            return None
        scale = 100.0 if (metric, self.unit) == ("success", "share") else 1.0
        mean, *std = (scale * number for number in row[self.columns.index(column)])
        return Figure(mean, std[0] if std else None)


@dataclass(frozen=True, slots=True)
class LabelTable:
    """One table of a paper about labels: a number for each row and column."""

    title: str  # "VLP, Table 15"
    source: str  # authors, and what is measured
    unit: str  # "share" in [0, 1], "correlation", or those of several columns
    columns: tuple[str, ...]
    rows: Mapping[str, list[float]]  # by task, kind of instruction or setting

    def column(self, name: str) -> dict[str, float]:
        """One column, by row."""
        place = self.columns.index(name)
        return {row: numbers[place] for row, numbers in self.rows.items()}

    def row(self, name: str) -> dict[str, float]:
        """One row, by column."""
        return dict(zip(self.columns, self.rows[name], strict=True))


@dataclass(frozen=True, slots=True)
class ExamTable:
    """What a paper prints of an exam of reward models."""

    title: str  # "RynnValue"
    source: str  # authors, and on how many clips
    exam: str  # as `vlfeedback eval bench` knows it
    rows: Mapping[str, Mapping[str, float]]  # by model, then by figure


def _read(kind: str) -> dict[str, Any]:
    text = files("vlfeedback.reports").joinpath("published.toml").read_text(encoding="utf-8")
    tables: dict[str, Any] = tomllib.loads(text)[kind]
    for table in tables.values():
        table["rows"] = MappingProxyType(table["rows"])
        if "columns" in table:
            table["columns"] = tuple(table["columns"])
    return tables


PUBLISHED: Mapping[str, PublishedTable] = MappingProxyType(
    {name: PublishedTable(**table) for name, table in _read("policies").items()}
)
"""Results of policies: tables by name, such as ``"vlp-2"``."""

LABEL_TABLES: Mapping[str, LabelTable] = MappingProxyType(
    {name: LabelTable(**table) for name, table in _read("labels").items()}
)
"""Results of labels: tables by name, such as ``"vlp-15"``."""

EXAM_TABLES: Mapping[str, ExamTable] = MappingProxyType(
    {name: ExamTable(**table) for name, table in _read("exams").items()}
)
"""Results of exams: tables by name, such as ``"rynnvalue"``."""


def published_figures(exam: str) -> list[dict[str, Any]]:
    """What papers print of an exam: JSON values, best first within each figure.

    Returns:
        For each figure ``metric``, ``model``, ``value``, ``title`` and ``source`` of the paper.
    """
    rows = [
        {"metric": metric, "model": model, "value": value, "title": t.title, "source": t.source}
        for t in EXAM_TABLES.values()
        if t.exam == exam
        for model, figures in t.rows.items()
        for metric, value in figures.items()
    ]
    return sorted(rows, key=lambda row: -float(str(row["value"])))


def vlp_label_tables() -> dict[str, Any]:
    """What the VLP paper prints of labels, by what is measured, as evaluations of labels keep it.

    Returns:
        ``label_accuracy`` and ``label_correlation`` of VLP by task (the mean of Table 18 is
        ``"mean_ml45"``), ``baseline_label_accuracy`` and ``baseline_correlation`` by method and
        task, and ``language`` by kind of instruction and figure. Shares are in [0, 1].
    """
    accuracy, correlation = LABEL_TABLES["vlp-15"], LABEL_TABLES["vlp-5"]
    ml45 = LABEL_TABLES["vlp-18"].column("VLP")
    mean = ml45.pop(MEAN)
    language = LABEL_TABLES["vlp-6"]
    return {
        "label_accuracy": accuracy.column("VLP") | ml45 | {"mean_ml45": mean},
        "baseline_label_accuracy": _baselines(accuracy),
        "baseline_correlation": _baselines(correlation),
        "label_correlation": correlation.column("VLP"),
        "language": {kind: language.row(kind) for kind in language.rows},
    }


def vlp_tables_of_training() -> tuple[
    dict[tuple[float, float], dict[str, float]], dict[float, dict[str, float]]
]:
    """Tables 13 and 14 of VLP: figures by the weights of (ILP, IVP), and by the share of data."""
    weights, shares = LABEL_TABLES["vlp-13"], LABEL_TABLES["vlp-14"]
    by_weights = {}
    for name in weights.rows:
        ilp, ivp = map(float, name.split())
        by_weights[ilp, ivp] = weights.row(name)
    return by_weights, {float(name): shares.row(name) for name in shares.rows}


def _baselines(table: LabelTable) -> dict[str, dict[str, float]]:
    return {name: table.column(name) for name in table.columns if name != "VLP"}
