"""What the page on a reward's shape says of trials on held-out tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import fmean
from typing import Any

from results import is_there, load, machine, number, table

__all__ = ["TRIAL_BLOCKS"]

_HEADS = {
    "random_pairs": "random pairs",
    "expert_pairs": "pairs of experts",
    "level_pairs": "pairs of two levels",
    "value_order": "scores with time",
    "idling": "what idling earns",
    "half_way": "what half an expert earns",
    "reversed": "clips and their reversals",
    "own_text": "own text",
    "success_by_score": "success, by score",
    "success_by_head": "success, by its head",
    "success_error": "calibration error",
}


def strangers() -> str:
    """Of tasks whose objects no other task has."""
    return _trials("vlp_trials_strangers")


def relatives() -> str:
    """Of tasks with relatives among those trained on, as the paper's have."""
    return _trials("vlp_trials_relatives")


def _trials(name: str) -> str:
    """One line a trial: means over the held-out tasks."""
    result = load(name)
    figures = result["figures"]
    rows = [
        [f"`{row['trial']}`" if row["trial"] else "as set", *_cells(row["mean"], _HEADS)]
        for row in figures["trials"]
    ]
    errors = figures["position_errors_cm"]
    seen = "; ".join(
        f"{what} {errors['held_out'][what]['median']:.1f} ({errors['trained'][what]['median']:.1f})"
        for what in errors["held_out"]
    )
    return "\n".join(
        [
            *table(["changed", *_HEADS.values()], rows),
            "",
            "; ".join(f"*{head}*: {figures['what'][name]}" for name, head in _HEADS.items()) + ".",
            f"Positions are seen with a median error, in cm, on held-out tasks (on trained ones), "
            f"of: {seen}. Held out: {', '.join(figures['held_out'])}. One seed. "
            f"`{result['command']}`; {machine(result)}.",
        ]
    )


def targets() -> str:
    """What a model that made no error would have, by the share of progress in its labels."""
    result = load("vlp_targets")
    by_share: Mapping[str, Mapping[str, dict[str, float]]] = result["figures"]["held_out"]
    names = list(next(iter(next(iter(by_share.values())).values())))
    rows = []
    for share, by_task in by_share.items():
        means = {name: fmean(figures[name] for figures in by_task.values()) for name in names}
        most = max(figures["idling"] for figures in by_task.values())
        rows.append([share, *_cells(means, names), number(most)])
    heads = ["`progress_share`", *(_HEADS[name] for name in names), "what idling earns, at most"]
    of = f"Means of {', '.join(next(iter(by_share.values())))}."
    return "\n".join([*table(heads, rows), "", f"{of} `{result['command']}`; {machine(result)}."])


def bounds() -> str:
    """What progress alone, read without an error, would have on the paper's tasks."""
    result = load("vlp_targets")
    by_task: Mapping[str, dict[str, float]] = result["figures"]["unseen"]["1.0"]
    names = list(next(iter(by_task.values())))
    rows = [[task, *_cells(figures, names)] for task, figures in by_task.items()]
    means = {name: fmean(figures[name] for figures in by_task.values()) for name in names}
    rows.append(["mean", *_cells(means, names)])
    heads = ["task (never trained on)", *(_HEADS[name] for name in names)]
    return "\n".join([*table(heads, rows), "", f"`{result['command']}`; {machine(result)}."])


def _cells(figures: Mapping[str, Any], names: Mapping[str, str] | list[str]) -> list[str]:
    return [number(figures[name]) for name in names]


def _if_measured(block: Callable[[], str], name: str) -> Callable[[], str]:
    def write() -> str:
        return block() if is_there(name) else "Not measured yet."

    return write


TRIAL_BLOCKS: Mapping[str, Callable[[], str]] = {
    "vlp-strangers": _if_measured(strangers, "vlp_trials_strangers"),
    "vlp-relatives": _if_measured(relatives, "vlp_trials_relatives"),
    "vlp-targets": _if_measured(targets, "vlp_targets"),
    "vlp-bounds": _if_measured(bounds, "vlp_targets"),
}
