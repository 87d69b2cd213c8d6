"""What `vlfeedback eval bench` prints: all figures of all sources, and what papers print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["print_bench"]


def print_bench(results: Mapping[str, Any]) -> None:
    """A row a source or rule, a column a figure; below, the papers' figures by themselves."""
    from rich import box
    from rich.table import Table

    from vlfeedback.cli.console import console

    screen, exam, legend = console(), results["exam"], results["legend"]
    table = Table(title=exam["title"], box=box.SIMPLE_HEAD)
    table.add_column("source", no_wrap=True)
    for kind in legend.values():
        table.add_column(f"{kind['title']}, {kind['unit']}", justify="right")
    for name, row in results["sources"].items():
        if "figures" in row:
            cells = (_cell(row["figures"][key], kind["unit"]) for key, kind in legend.items())
            table.add_row(f"({name})" if row["is_rule"] else name, *cells)
    table.caption = (
        f"{exam['clips']} clips of {exam['tasks']} tasks, {exam['pairs']} pairs; 95 % intervals "
        "over tasks; -: not applicable; in parentheses: rules that know nothing"
    )
    screen.print(table)
    if results["published"]:
        papers = Table(title="Printed by papers, not measured here", box=box.SIMPLE_HEAD)
        for column in ("figure", "model", "value", "paper"):
            papers.add_column(column)
        for row in results["published"]:
            kind = legend[row["metric"]]
            papers.add_row(kind["title"], row["model"], _printed(row, kind), row["title"])
        screen.print(papers)
    for name, row in results["sources"].items():
        if "not_asked" in row:
            screen.print(f"{name} was left out. {row['not_asked']}", highlight=False)
    if exam["unreadable"]:
        clip, why = next(iter(exam["unreadable"].items()))
        screen.print(
            f"{len(exam['unreadable'])} clips could not be read and count for nobody, such as "
            f"{clip}: {why}",
            highlight=False,
        )


def _cell(metric: Mapping[str, Any], unit: Any) -> str:
    from vlfeedback.evaluation.diagnosis.metrics import show_interval, show_value

    if "not_applicable" in metric:
        return "-"
    value, interval = show_value(metric["value"], unit), show_interval(metric["interval"], unit)
    return f"{value}\n{interval}".strip()


def _printed(row: Mapping[str, Any], kind: Mapping[str, Any]) -> str:
    return f"{100 * row['value']:.1f} %" if kind["unit"] == "%" else f"{row['value']:.3f}"
