"""What the pages say of labellers before a judge whose error and bias are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from results import load, machine, percent, table

__all__ = ["JUDGE_BLOCKS"]


def judge_accuracy() -> str:
    """Of the same pairs, how many are ordered rightly, and by how many questions."""
    result = load("simulated_judge")
    figures = result["figures"]
    rows = [
        [
            name,
            f"{row['questions a pair']:g}",
            _interval(row["rightly ordered"]),
            percent(row["not decided"]),
        ]
        for name, row in figures["of the same pairs"].items()
    ]
    head = [f"of the same {figures['pairs']} pairs", "questions a pair"]
    lines = table([*head, "ordered rightly, %", "not decided, %"], rows)
    (gain,) = [figure for name, figure in figures.items() if " less " in name]
    found = figures["bias for the first"]["one question"]
    lines += [
        "",
        "What is not decided is half right. With four questions a pair each, grades order "
        f"{_interval(gain)} % more pairs rightly than choices in both orders. The share of answers "
        f"for the first, beyond a half: {_interval(found['bias'])} % found, "
        f"{percent(figures['bias for the first']['planted'])} planted. "
        f"`{result['command']}`; {machine(result)}.",
    ]
    return "\n".join(lines)


def judge_ranking() -> str:
    """With as many questions in all, how well labels rank segments."""
    figures = load("simulated_judge")["figures"]
    ranking = figures["rank correlation"]
    names = list(next(iter(ranking.values())))
    rows = [
        [budget, *(f"{row[name]['mean']:.3f} ({row[name]['pairs']})" for name in names)]
        for budget, row in ranking.items()
    ]
    head = [f"rank correlation over {figures['segments']} segments (pairs asked about)", *names]
    return "\n".join(table(head, rows))


def _interval(figure: Mapping[str, Any]) -> str:
    return f"{percent(figure['mean'])} [{percent(figure['low'])}, {percent(figure['high'])}]"


JUDGE_BLOCKS: Mapping[str, Callable[[], str]] = {
    "judge-accuracy": judge_accuracy,
    "judge-ranking": judge_ranking,
}
