"""What `vlfeedback eval source` shows: verdicts and a table in the terminal, and the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vlfeedback.evaluation.diagnosis.diagnose import Diagnosis
    from vlfeedback.evaluation.diagnosis.inputs import DiagnosisInputs

__all__ = ["print_tables", "write_page"]

_COLOURS = {"good": "green", "weak": "yellow", "useless": "red"}


def print_tables(results: Mapping[str, Any]) -> None:
    """Verdicts with their reasons, then all figures of all sources."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    for name, row in results["sources"].items():
        colour = _COLOURS[row["verdict"]]
        console.print(f"[bold]{escape(name)}[/]: [bold {colour}]{escape(row['sentence'])}[/]")
        for reason in row["reasons"]:
            console.print(f"  {escape(reason)}", highlight=False)
        if "goal" in row:
            console.print(f"  {escape(row['goal'])}", highlight=False)
    title = f"{results['task']}: “{results['instruction']}”"
    table = Table(title=title, box=box.SIMPLE_HEAD)
    table.add_column("figure")
    for name in results["sources"]:
        table.add_column(escape(name), justify="right")
    for key, kind in results["legend"].items():
        rows = (row["findings"][key] for row in results["sources"].values())
        table.add_row(
            f"{kind['title']}, {kind['unit']}", *(_cell(row, kind["unit"]) for row in rows)
        )
    prior = next(iter(results["sources"].values()))["priors"]["random"]
    table.caption = "95 % intervals over episodes; -: not applicable" + (
        "" if prior is None else f"; prior of random pairs: {100 * prior:.0f} %"
    )
    console.print(table)


def write_page(
    path: Path, results: Mapping[str, Any], found: Mapping[str, Diagnosis], exam: DiagnosisInputs
) -> None:
    """Draw every film and write the page.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    from vlfeedback.figures.inline_picture import data_uri
    from vlfeedback.figures.level_curves import draw_cameras, draw_levels, draw_views
    from vlfeedback.reports.diagnosis_page import diagnosis_page

    cameras = results["cameras"]
    films = {
        name: data_uri(draw_levels(diagnosis.curves, unit="score"), dpi=100)
        for name, diagnosis in found.items()
    }
    scatters = {
        name: data_uri(draw_cameras(seen.ours, seen.other, cameras=(cameras[0], cameras[1])))
        for name, diagnosis in found.items()
        if (seen := diagnosis.cameras) is not None
    }
    views = None
    if exam.retaken:
        views = data_uri(draw_views(*next(iter(exam.retaken.items())), names=cameras))
    page = diagnosis_page(results, films=films, scatters=scatters, views=views)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def _cell(finding: Mapping[str, Any], unit: str) -> str:
    if "not_applicable" in finding:
        return "-"
    value, interval = finding["value"], finding["interval"]
    if unit == "a second":
        return f"{value:.3g}" if value < 100 else f"{float(f'{value:.3g}'):,.0f}"
    scale, digits = (100, 0) if unit == "%" else (1, 2)
    text = f"{scale * value:.{digits}f}"
    if interval is None:
        return text
    low, high = (f"{scale * edge:.{digits}f}" for edge in interval)
    return f"{text} \\[{low}, {high}]"
