"""What the page on ManiSkill says: how often scripts succeed, and how fast it all is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from results import load, machine, percent, table

__all__ = ["MANISKILL_BLOCKS"]


def maniskill_experts() -> str:
    """Successes of scripts and of random actions."""
    result = load("maniskill")
    figures = result["figures"]
    rows = []
    for task, row in figures["experts"].items():
        steps = row["median steps to success"]
        random = figures["random actions"][task]
        rows.append(
            [
                f"`{task}`",
                percent(row["success"]),
                "-" if steps is None else f"{steps:g}",
                percent(random["success"]),
            ]
        )
    lines = table(["task", "script succeeds, %", "in so many steps", "random actions, %"], rows)
    note = (
        f"{figures['episodes']} episodes each, within ManiSkill's time limits and without noise, "
        "on seeds that no script was tried on before; steps are the median. "
        f"`{result['command']}`; {machine(result)}."
    )
    return "\n".join([*lines, "", note])


def maniskill_speed() -> str:
    """Steps and pictures a second."""
    result = load("maniskill")
    speed: Mapping[str, Any] = result["figures"]["speed"]
    rows = [
        [what, f"{row['per_cpu_second']:.0f}", f"{row['per_wall_second']:.1f}"]
        for what, row in speed.items()
    ]
    lines = table(["", "per CPU-second", "per second of the clock"], rows)
    first = result["figures"]["seconds for the first picture of a process"]
    note = (
        f"The first picture of a process took {first:.0f} s. Mesa's lavapipe on a machine that did "
        f"other work besides, its load {result['hardware']['load_average']:.0f} on 2 cores: what a "
        f"second of the clock has is a lower bound. `{result['command']}`."
    )
    return "\n".join([*lines, "", note])


MANISKILL_BLOCKS: Mapping[str, Callable[[], str]] = {
    "maniskill-experts": maniskill_experts,
    "maniskill-speed": maniskill_speed,
}
"""By the name that a page calls them."""
