"""What the pages say of ropes, cloth and a sleeve: speed, and what scripts and levels are worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from results import load, machine, percent, table

__all__ = ["DEFORMABLE_BLOCKS"]


def deformables_speed() -> str:
    """What is simulated, rendered and learnt in a second of one core."""
    result = load("deformables")
    speed = dict(result["figures"]["speed"])
    policies = speed.pop("policies on clouds")
    names = list(next(iter(speed.values())))
    rows = [[what, *(_rate(world[what]) for world in speed.values())] for what in names]
    lines = table(["on one core, per CPU-second", *(f"`{name}`" for name in speed)], rows)
    steps = "; ".join(f"{what}: {_rate(figures)}" for what, figures in policies.items())
    return "\n".join(
        [*lines, "", f"{steps}. `python benchmarks/deformables.py`; {machine(result)}."],
    )


def deformables_levels() -> str:
    """Returns, lengths and successes of every level."""
    result = load("deformables")
    rows = []
    for task, levels in result["figures"]["levels"].items():
        for level, row in levels.items():
            ratio = row.get("ratio at the end")
            rows.append(
                [
                    f"`{task}`",
                    level,
                    f"{row['return']:.2f} ({row['standard deviation']:.2f})",
                    "-" if ratio is None else f"{ratio:.2f}",
                    percent(row["success at the end"]),
                    percent(row["stopped"]),
                    f"{row['steps']:.1f}",
                ]
            )
    head = ["task", "level", "return (sd)", "dressed ratio at the end", "success at the end, %"]
    lines = table([*head, "stopped by force, %", "steps"], rows)
    n_episodes = result["figures"]["episodes of a level"]
    return "\n".join([*lines, "", f"{n_episodes} episodes each; {_command(result)}."])


def deformables_policies() -> str:
    """How well scripts, random actions and none do the tasks."""
    result = load("deformables")
    rows = [
        [
            f"`{task}`",
            policy,
            f"{row['normalized performance']:.2f} ({row['standard deviation']:.2f})",
            percent(row["success"]),
            str(row["episodes"]),
            str(row["broken"]),
        ]
        for task, policies in result["figures"]["policies"].items()
        for policy, row in policies.items()
    ]
    head = ["task", "actions", "normalized performance at the end (sd)", "success at the end, %"]
    lines = table([*head, "episodes", "simulations that failed"], rows)
    misses = result["figures"]["targets of diagonal folds off by"]
    off = ", ".join(f"{worth:.2f} at {miss}" for miss, worth in misses.items())
    return "\n".join(
        [
            *lines,
            "",
            f"Diagonal folds whose targets are off by N(0, miss) in x and in z: {off} (40 each). "
            f"{_command(result)}.",
        ]
    )


def _command(result: Mapping[str, Any]) -> str:
    """What was run, and which figures were kept."""
    earlier = [f"`{name}`" for name in result["figures"].get("tasks of an earlier run", [])]
    kept = f" (figures of {', '.join(earlier)} are of an earlier run of all)" if earlier else ""
    return f"`{result['command']}`{kept}"


def _rate(figures: Mapping[str, Any]) -> str:
    rate = figures["per_cpu_second"]
    return f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}"


DEFORMABLE_BLOCKS: Mapping[str, Callable[[], str]] = {
    "deformables-speed": deformables_speed,
    "deformables-levels": deformables_levels,
    "deformables-policies": deformables_policies,
}
"""By the name that a page calls them."""
