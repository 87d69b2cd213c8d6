"""Results of policies that papers print, to stand beside ours in a column of their own.

Tables 2 to 4 of VLP (Liu et al. 2025), Tables I and II of Offline RL-VLM-F (Venkataraman et al.).
The numbers are in ``published.toml``, as printed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Literal

__all__ = ["MEAN", "PUBLISHED", "Figure", "PublishedTable"]

MEAN = "mean"
"""Where a task's name would stand: the mean over all tasks."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One printed result."""

    mean: float  # success in %, or return
    std: float | None  # over seeds; None where the paper prints none


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """One table of a paper."""

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


def _read() -> Mapping[str, PublishedTable]:
    text = files("vlfeedback.reports").joinpath("published.toml").read_text(encoding="utf-8")
    return MappingProxyType(
        {
            name: PublishedTable(**(table | {"columns": tuple(table["columns"])}))
            for name, table in tomllib.loads(text).items()
        }
    )


PUBLISHED: Mapping[str, PublishedTable] = _read()
"""Tables by name, such as ``"vlp-2"``."""
