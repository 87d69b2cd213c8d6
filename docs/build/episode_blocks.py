"""What the pages say of episodes that are collected to train rewards on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from results import load, machine, percent, table

__all__ = ["EPISODE_BLOCKS"]


def flawed_episodes() -> str:
    """How often each flaw ends in success all the same, and what it is worth."""
    result = load("flawed_episodes")
    figures = result["figures"]
    rows = [
        (
            f"`{flaw}`",
            str(of["tasks"]),
            percent(of["succeeds"]),
            percent(of["succeeds at the end"]),
            percent(of["median share of the expert's return"]),
        )
        for flaw, of in figures["flaws"].items()
    ]
    head = (
        "flaw",
        "tasks that can have it",
        "the task is done at some step, %",
        "at the last step, %",
        "median return, % of the expert's",
    )
    speeds = figures["episodes per CPU-second"]
    said = ", ".join(f"{speed:.1f} {name}" for name, speed in speeds.items())
    return "\n".join(
        [
            *table(head, rows),
            "",
            f"{figures['episodes of each task and flaw']} episodes of each task and flaw. Episodes "
            f"of 150 steps and 23 pictures per CPU-second, by level and looks: {said}. "
            f"(`{result['command']}`; {machine(result)}.)",
        ]
    )


EPISODE_BLOCKS: Mapping[str, Callable[[], str]] = {"flawed-episodes": flawed_episodes}
"""By the name that a page calls them."""
