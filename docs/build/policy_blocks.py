"""What plain SAC learns from the bundled model, and what leads it astray."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from online_blocks import mean_and_spread
from results import is_there, load, machine, table

__all__ = ["POLICY_BLOCKS"]

_UNTOUCHED = 0.01  # m, as the benchmark has it
_MISREAD = 0.05  # m


def vlp_policies() -> str:
    """Success of plain SAC on the bundled model's reward, beside the true one at equal steps."""
    parts = [
        _policies(load(name), trained)
        for name, trained in (
            ("vlp_policies", "which was trained on none of these tasks"),
            ("vlp_policies_all", "which was trained on these tasks and all others"),
        )
        if is_there(name)
    ]
    return "\n\n".join(parts) or "*Not measured yet.*"


def _policies(result: Mapping[str, Any], trained: str) -> str:
    runs = result["figures"]["runs"]
    rows = []
    for task, reward in dict.fromkeys((run["task"], run["reward"]) for run in runs):
        of_key = [run for run in runs if (run["task"], run["reward"]) == (task, reward)]
        curves = [run["curve"] for run in of_key]
        success = np.array([[np.mean(point["successes"]) for point in curve] for curve in curves])
        returns = np.array([np.mean(curve[-1]["returns"]) for curve in curves])
        learned = np.array([curve[-1]["learned_return"] for curve in curves])
        rows.append(
            [
                task,
                "`vlp`" if reward == "vlp" else "the environment's own",
                str(len(of_key)),
                mean_and_spread(100 * success[:, -1]),
                mean_and_spread(100 * success.mean(axis=1)),
                mean_and_spread(100 * success.max(axis=1)),
                mean_and_spread(returns),
                mean_and_spread(learned) if reward == "vlp" else "",
            ]
        )
    head = ["task", "reward", "seeds", "success, last, %", "mean", "best", "true return, last"]
    steps = result["figures"]["steps"]
    weights = next(run["weights"] for run in runs if run["weights"])
    seconds = np.mean([run["cpu_seconds"] for run in runs])
    return "\n".join(
        [
            *table([*head, "learned return, last"], rows),
            "",
            f"{steps:,} steps; the reward is that of `vlp.{weights}`, {trained}. "
            "Ten episodes with fixed seeds at each of ten evaluations: the last, their mean and "
            "the best; mean over the seeds of the training, in brackets the least and the most. A "
            f"run took {seconds / 60:.0f} CPU-minutes. `{result['command']}`; {machine(result)}.",
        ]
    )


def vlp_untouched() -> str:
    """What an arm earns that goes somewhere and touches nothing, and what is seen there."""
    if not is_there("vlp_untouched"):
        return "*Not measured yet.*"
    result = load("vlp_untouched")
    rows, shares = [], {"well": [], "badly": []}
    for weights, tasks in result["figures"].items():
        for row in tasks:
            still = [place for place in row["places"] if place["moved_m"] < _UNTOUCHED]
            if not still:
                continue
            best = max(still, key=lambda place: place["share"])
            for place in still:
                seen = "badly" if place["seen_off_m"] > _MISREAD else "well"
                shares[seen].append(place["share"])
            rows.append(
                [
                    row["task"],
                    f"`{weights}`",
                    f"{len(still)} of {len(row['places'])}",
                    f"{100 * np.mean([place['share'] for place in still]):.0f}",
                    f"{100 * best['share']:.0f}",
                    f"({', '.join(f'{value:g}' for value in best['place'])})",
                    f"{100 * best['seen_off_m']:.0f}",
                ]
            )
    head = [
        "task",
        "weights",
        "places without touch",
        "mean, % of the expert",
        "most",
        "hand there at, m",
        "object seen off by, cm",
    ]
    well, badly = (np.array(shares[key]) for key in ("well", "badly"))
    return "\n".join(
        [
            *table(head, rows),
            "",
            f"0 % is doing nothing, 100 % the scripted expert. Where the object is seen within "
            f"{100 * _MISREAD:.0f} cm of its place ({len(well)} cases) such an arm gets "
            f"{100 * well.mean():.0f} % on the mean; where it is not ({len(badly)} cases), "
            f"{100 * badly.mean():.0f} %. `{result['command']}`; {machine(result)}.",
        ]
    )


POLICY_BLOCKS: Mapping[str, Callable[[], str]] = {
    "vlp-policies": vlp_policies,
    "vlp-untouched": vlp_untouched,
}
"""By the name that a page calls them."""
