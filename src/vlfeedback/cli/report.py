"""`vlfeedback report`: what a sweep has found, beside what the paper prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from vlfeedback.cli.output_options import file_to_write

__all__ = ["report"]


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Made by `vlfeedback sweep`.")],
    out: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            callback=file_to_write,
            help="Page to write; default: report.html inside of DIR.",
        ),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            "--results",
            dir_okay=False,
            callback=file_to_write,
            help="JSON of all figures and evaluations; default: results.json beside the page.",
        ),
    ] = None,
) -> None:
    """Write the table of a sweep, its learning curves, and all figures as JSON.

    Runs that are not finished are shown as missing, with the reason. The page needs no other
    file; the same table stands beside it as Markdown.

    Example: vlfeedback report outputs/vlp-table-2 --results benchmarks/results/vlp-table-2.json
    """
    from vlfeedback.data.whole_files import new_file
    from vlfeedback.data.writable import check_writable
    from vlfeedback.optional import require
    from vlfeedback.reports.sweep_page import html_page, markdown_table
    from vlfeedback.sweeps.folder import SweepFolder
    from vlfeedback.sweeps.results import summarise_sweep

    require("matplotlib", extra="vision", needed_by="A report")
    page = out or folder / "report.html"
    check_writable(page)
    figures = summarise_sweep(SweepFolder(folder))
    table = page.with_suffix(".md")
    figures_path = results or page.with_name("results.json")
    for path, text in (
        (page, html_page(figures)),
        (table, markdown_table(figures)),
        (figures_path, _as_json(figures)),
    ):
        with new_file(path) as partial:
            partial.write_text(text, encoding="utf-8")
    finished, missing = len(figures["runs"]), len(figures["missing"])
    typer.echo(
        f"{finished} of {finished + missing} runs are finished. Open {page}; the table is in "
        f"{table}, all figures are in {figures_path}."
    )


def _as_json(figures: dict[str, Any]) -> str:
    """Figures over several lines, each run on one: hundreds of evaluations would fill a page."""
    rows = ",\n".join(
        f"    {json.dumps(name)}: {json.dumps(row)}" for name, row in figures["runs"].items()
    )
    others = json.dumps({key: value for key, value in figures.items() if key != "runs"}, indent=2)
    return f'{others[:-2]},\n  "runs": {{\n{rows}\n  }}\n}}\n'
