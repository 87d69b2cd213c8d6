"""What the pages say of sweeps: the tables of their reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from statistics import mean, stdev
from typing import Any

from results import is_there, load, table

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


def weights_table(name: str) -> str:
    """What the policies' weights sat on, means over the runs of each row that notes it."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for run in load(name)["runs"].values():
        if "weights" in run["notes"]:
            key = (run["settings"]["task"], run["compared"])
            found.setdefault(key, []).append(run["notes"]["weights"])
    head = ("task", "source / learner", *_WEIGHTS)
    rows = [
        [task, compared.replace("/", " / "), *(_mean(map(get, notes)) for get in _WEIGHTS.values())]
        for (task, compared), notes in found.items()
    ]
    return "\n".join(table(head, rows))


_WEIGHTS: Mapping[str, Callable[[dict[str, Any]], float | None]] = {
    "effective share of the steps": lambda w: w["effective_share"],
    "share clipped": lambda w: w["clipped"],
    "experts' share of the weight": lambda w: w["weight_by_level"].get("expert"),
    "experts' share of the steps": lambda w: w["steps_by_level"].get("expert"),
    "mean value": lambda w: w["mean_value"],
    "mean advantage": lambda w: w["mean_advantage"],
    "mean reward": lambda w: w.get("mean_reward"),
    "its deviation": lambda w: w.get("reward_deviation"),
}


def if_measured(block: Callable[[str], str], name: str) -> str:
    """The block, or that there are no figures yet."""
    if not is_there(name):
        return f"Not measured yet: there is no `benchmarks/results/{name}.json`."
    return block(name)


def _mean(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{mean(known):.3g}" if known else "-"


def _spread(returns: list[float]) -> str:
    return (
        f"{mean(returns):,.0f} ± {stdev(returns):,.0f}"
        if len(returns) > 1
        else f"{returns[0]:,.0f}"
    )


SWEEP_BLOCKS: Mapping[str, Callable[[], str]] = {
    "sweep-cartpole": partial(sweep_table, "sweep_cartpole"),
    "sweep-vlp-table-two": partial(sweep_table, "sweep_vlp_table_2"),
    "sweep-vlp-choices": partial(if_measured, sweep_table, "sweep_vlp_table_2_choices"),
    "sweep-vlp-more-pairs": partial(if_measured, sweep_table, "sweep_vlp_table_2_more_pairs"),
    "sweep-vlp-table-two-cpl": partial(if_measured, sweep_table, "sweep_vlp_table_2_cpl"),
    "sweep-anchors": partial(if_measured, sweep_table, "sweep_vlp_table_2_anchors"),
    "sweep-causes": partial(if_measured, sweep_table, "sweep_causes"),
    "sweep-cartpole-expert": partial(if_measured, sweep_table, "sweep_cartpole_expert"),
    "sweep-cartpole-medium": partial(if_measured, sweep_table, "sweep_cartpole_medium"),
    "sweep-causes-half-way": partial(if_measured, sweep_table, "sweep_causes_half_way"),
    "sweep-causes-half-way-rest": partial(if_measured, sweep_table, "sweep_causes_half_way_rest"),
    "sweep-causes-one-start": partial(if_measured, sweep_table, "sweep_causes_one_start"),
    "sweep-causes-rest": partial(if_measured, sweep_table, "sweep_causes_rest"),
    "sweep-causes-weights": partial(if_measured, weights_table, "sweep_causes"),
    "sweep-dressing-rewards": partial(if_measured, sweep_table, "sweep_dressing_rewards"),
    "sweep-drawer-open": partial(table_with_returns, "sweep_drawer_open"),
    "sweep-judged-cartpole": partial(if_measured, sweep_table, "sweep_judged_cartpole"),
    "sweep-judged-dressing": partial(if_measured, sweep_table, "sweep_judged_dressing"),
    "sweep-judged-drawer-open": partial(if_measured, sweep_table, "sweep_judged_drawer_open"),
    "sweep-judged-plare": partial(if_measured, sweep_table, "sweep_judged_plare"),
    "sweep-judged-rope": partial(if_measured, sweep_table, "sweep_judged_rope"),
    "sweep-soccer-iql": partial(if_measured, sweep_table, "sweep_soccer_iql"),
    "sweep-soccer": partial(if_measured, table_with_returns, "sweep_soccer"),
}
