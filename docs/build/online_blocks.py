"""What the page on online learning says: success with few labels, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from results import is_there, load, machine, table

__all__ = ["NAMES", "ONLINE_BLOCKS", "mean_and_spread"]

NAMES = {
    "none": "the environment's own reward",
    "teacher": "teacher",
    "teacher-0.1": "teacher, 1 label of 10 wrong",
    "teacher-0.3": "teacher, 3 of 10 wrong",
    "rime-0.3": "the same, with RIME's filter",
    "vlp": "`vlp`: no person",
    "vlp-1000": "`vlp`: no person",
    "prefvlm": "`vlp`, and a teacher for its doubts",
}


def online_success() -> str:
    """Success at some steps, of every labeller, beside the true reward at equal steps."""
    if not is_there("online_pebble"):
        return "*Not measured yet.*"
    result = load("online_pebble")
    runs = result["figures"]["runs"]
    steps = runs[0]["curve"]["steps"]
    shown = [k for k in range(len(steps)) if k % 2 == 1 or k == len(steps) - 1]
    rows = []
    for key in dict.fromkeys((run["task"], run["labeller"]) for run in runs):
        of_key = [run for run in runs if (run["task"], run["labeller"]) == key]
        success = np.array([np.mean(run["curve"]["successes"], axis=1) for run in of_key])
        cells = [mean_and_spread(100 * success[:, k]) for k in shown]
        rows.append([key[0], NAMES[key[1]], _labels(of_key[0]), str(len(of_key)), *cells])
    head = ["task", "paid by labels of", "labels", "seeds"]
    lines = table([*head, *(f"{steps[k] // 1000}k" for k in shown)], rows)
    seconds = np.mean([run["cpu_seconds"] for run in runs if run["labeller"] != "none"])
    lines += [
        "",
        "Success of the best actions in %: ten episodes with fixed seeds, mean over the seeds of "
        "the training, in brackets the least and the most. "
        "stable-baselines3's SAC with its default network; the published budgets of these tasks, "
        f"whose papers train for a million steps. A run took {seconds / 60:.0f} CPU-minutes. "
        f"`{result['command']}`; {machine(result)}.",
    ]
    return "\n".join(lines)


def online_classic() -> str:
    """Returns of classic control, of every labeller, beside the true reward at equal steps."""
    if not is_there("online_classic"):
        return "*Not measured yet.*"
    result = load("online_classic")
    runs = result["figures"]["runs"]
    steps = runs[0]["curve"]["steps"]
    shown = [k for k in range(len(steps)) if (k + 1) % 3 == 0]
    rows = []
    for name in dict.fromkeys(run["labeller"] for run in runs):
        of_name = [run for run in runs if run["labeller"] == name]
        returns = np.array([np.mean(run["curve"]["returns"], axis=1) for run in of_name])
        cells = [mean_and_spread(returns[:, k]) for k in shown]
        rows.append([NAMES[name], _labels(of_name[0]), str(len(of_name)), *cells])
    lines = table(["paid by", "labels", "seeds", *(f"{steps[k] // 1000}k" for k in shown)], rows)
    seconds = np.mean([run["cpu_seconds"] for run in runs])
    lines += [
        "",
        "The same on Pendulum-v1, whose episodes last 200 steps: true return of the best actions "
        "in ten episodes, mean over the seeds, in brackets the least and the most. No paper has "
        f"this protocol; a run took {seconds / 60:.0f} CPU-minutes. "
        f"`{result['command']}`; {machine(result)}.",
    ]
    return "\n".join(lines)


def _labels(run: Mapping[str, Any]) -> str:
    if run.get("n_human") is not None:
        return f"{run['n_asked']}, {run['n_human']} of the teacher"
    return str(run["n_asked"] or "-")


def mean_and_spread(values: np.ndarray) -> str:
    """Of seeds, in brackets the least and the most."""
    if len(values) == 1:
        return f"{values[0]:.0f}"
    return f"{values.mean():.0f} [{values.min():.0f}, {values.max():.0f}]"


def online_speed() -> str:
    """Steps of PEBBLE against those of plain SAC, and of the obvious loop."""
    if not is_there("online_speed"):
        return "*Not measured yet.*"
    result = load("online_speed")
    figures = result["figures"]
    rate = {name: row["per_cpu_second"] for name, row in figures["steps"].items()}
    rows = {name: row["per_cpu_second"] for name, row in figures["rows"].items()}
    ratio = {name: figures[name]["per_cpu_second"] for name in figures if "/" in name}
    return (
        f"Between two sessions PEBBLE takes {rate['PEBBLE']:.0f} steps a CPU-second with an update "
        f"each, plain SAC {rate['SAC']:.0f} ({ratio['PEBBLE / SAC']:.2f} times as many). With the "
        f"labeller `vlp`, which looks at pictures, {rate['PEBBLE, labeller vlp']:.0f}; a loop that "
        f"renders every step with default settings and scores it, {rate['every picture']:.1f}: "
        f"{ratio['labeller vlp / every picture']:.0f} times fewer. A million rows are paid anew in "
        f"{1e6 / rows['ours']:.1f} CPU-seconds, in blocks of 200 in "
        f"{1e6 / rows['blocks of 200']:.1f} (`{result['command']}`; {machine(result)})."
    )


ONLINE_BLOCKS: Mapping[str, Callable[[], str]] = {
    "online-success": online_success,
    "online-classic": online_classic,
    "online-speed": online_speed,
}
