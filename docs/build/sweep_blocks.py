"""What the pages say of sweeps: the tables of their reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from statistics import mean, stdev

from results import load

from vlfeedback.reports.sweep_page import markdown_table

__all__ = ["SWEEP_BLOCKS"]


def sweep_table(name: str) -> str:
    """The table of a sweep, as its report has it."""
    return markdown_table(load(name)).strip()


def table_with_returns(name: str) -> str:
    """The same, and the returns of the last half of each run's evaluations in a line below."""
    result = load(name)
    runs: dict[str, list[float]] = {}
    for run in result["runs"].values():
        last = run["returns"][len(run["returns"]) // 2 :]
        runs.setdefault(run["compared"], []).append(mean(map(mean, last)))
    spreads = "; ".join(f"{compared} {_spread(returns)}" for compared, returns in runs.items())
    return f"{sweep_table(name)}\n\nReturns, mean over the last half of the evaluations: {spreads}."


def _spread(returns: list[float]) -> str:
    return (
        f"{mean(returns):,.0f} ± {stdev(returns):,.0f}"
        if len(returns) > 1
        else f"{returns[0]:,.0f}"
    )


SWEEP_BLOCKS: Mapping[str, Callable[[], str]] = {
    "sweep-cartpole": partial(sweep_table, "sweep_cartpole"),
    "sweep-vlp-table-two": partial(sweep_table, "sweep_vlp_table_2"),
    "sweep-drawer-open": partial(table_with_returns, "sweep_drawer_open"),
}
