"""What `vlfeedback eval progress` prints: means, some figures by task, and pairs by protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vlfeedback.cli.console import console

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["print_progress"]

_BY_TASK = ("value_order", "idle_share", "half_share", "success_run_on")


def print_progress(figures: Mapping[str, Any]) -> None:
    """Print what `vlfeedback.evaluation.progress.evaluate_progress` returns."""
    screen = console()
    if figures["sources"]:
        screen.print(_means(figures))
        for name, row in figures["sources"].items():
            if not row["is_rule"]:
                screen.print(_by_task(name, row, figures["legend"]))
                screen.print(f"{name}: {_goals(row, figures)}.", highlight=False)
    for pairing, of_pairing in figures.get("protocols", {}).get("accuracy", {}).items():
        screen.print(_by_protocol(pairing, of_pairing, list(figures["protocols"]["legend"])))
    for name, meaning in figures.get("protocols", {}).get("legend", {}).items():
        screen.print(f"{name}: {meaning}.", highlight=False)


def _means(figures: Mapping[str, Any]) -> Table:
    table = _table("figure", title="Mean over tasks; the last ones are rules that know nothing")
    for name, row in figures["sources"].items():
        table.add_column(name, justify="right", style="dim" if row["is_rule"] else None)
    for key, kind in figures["legend"].items():
        cells = [
            _cell(row["figures"][key]["mean"], kind["unit"]) for row in figures["sources"].values()
        ]
        if set(cells) != {"-"}:
            table.add_row(f"{kind['title']}, {kind['unit']}", *cells)
    table.caption = "[95 % interval over episodes of these tasks]; -: not applicable"
    return table


def _goals(row: Mapping[str, Any], figures: Mapping[str, Any]) -> str:
    """In how many of the tasks each goal is reached."""
    reached = [
        f"{figures['legend'][key]['title']} {goal} in {100 * row['goals'][key]:.0f} % of tasks"
        for key, goal in figures["goals"].items()
    ]
    return "; ".join(reached)


def _by_task(name: str, row: Mapping[str, Any], legend: Mapping[str, Any]) -> Table:
    table = _table("task", title=f"{name}, by task")
    for key in _BY_TASK:
        table.add_column(f"{legend[key]['title']}, {legend[key]['unit']}", justify="right")
    for task in row["figures"][_BY_TASK[0]]:
        cells = [_cell(row["figures"][key][task], legend[key]["unit"]) for key in _BY_TASK]
        table.add_row(task, *cells)
    return table


def _by_protocol(pairing: str, of_pairing: Mapping[str, Any], protocols: list[str]) -> Table:
    table = _table("source", title=f"Label accuracy of {pairing} pairs by protocol, %")
    for protocol in protocols:
        table.add_column(protocol, justify="right")
    for name, of_source in of_pairing.items():
        table.add_row(name, *(_share(of_source.get(protocol)) for protocol in protocols))
    table.caption = "[95 % interval]; + better than picture energy by more than its interval"
    return table


def _share(cell: Mapping[str, Any] | None) -> str:
    if cell is None or cell["mean"] is None:
        return "-"
    mark = " +" if cell.get("beats_energy") else ""
    low, high = (100 * edge for edge in cell["interval"])
    return f"{100 * cell['mean']:.1f}{mark}\n[{low:.0f}, {high:.0f}]"


def _cell(metric: Mapping[str, Any], unit: Any) -> str:
    from vlfeedback.evaluation.diagnosis.metrics import show_interval, show_value

    if "not_applicable" in metric:
        return "-"
    interval = show_interval(metric["interval"], unit)
    return f"{show_value(metric['value'], unit)} {interval}".strip()


def _table(first: str, *, title: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, collapse_padding=True)
    table.add_column(first)
    return table
