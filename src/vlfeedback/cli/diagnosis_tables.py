"""What `vlfeedback eval source` prints: verdicts, and a table of all figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["print_tables"]

_COLOURS = {"good": "green", "weak": "yellow", "useless": "red", "inconclusive": "cyan"}


def print_tables(results: Mapping[str, Any]) -> None:
    """Verdicts with their reasons, then all figures of all sources."""
    from rich import box
    from rich.table import Table

    from vlfeedback.cli.console import console, styled

    screen = console()
    for name, row in results["sources"].items():
        colour = _COLOURS[row["verdict"]]
        verdict = styled(row["sentence"], f"bold {colour}")
        screen.print(styled(f"{name}: ", "bold") + verdict)
        for reason in row["reasons"]:
            screen.print(f"  {reason}", highlight=False)
        if "goal" in row:
            screen.print(f"  {row['goal']}", highlight=False)
    title = f"{results['task']}: “{results['instruction']}”"
    table = Table(title=title, box=box.SIMPLE_HEAD)
    table.add_column("figure")
    for name in results["sources"]:
        table.add_column(name, justify="right")
    for key, kind in results["legend"].items():
        metrics = (row["findings"][key] for row in results["sources"].values())
        table.add_row(
            f"{kind['title']}, {kind['unit']}",
            *(_cell(metric, kind["unit"]) for metric in metrics),
        )
    prior = next(iter(results["sources"].values()))["priors"]["random"]
    table.caption = "95 % intervals over episodes; -: not applicable" + (
        "" if prior is None else f"; prior of random pairs: {100 * prior:.0f} %"
    )
    screen.print(table)


def _cell(metric: Mapping[str, Any], unit: Any) -> str:
    from vlfeedback.evaluation.diagnosis.metrics import show_interval, show_value

    if "not_applicable" in metric:
        return "-"
    interval = show_interval(metric["interval"], unit)
    return f"{show_value(metric['value'], unit)} {interval}".strip()
