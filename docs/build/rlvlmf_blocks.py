"""What the page on offline data says of RL-VLM-F's tasks: random episodes, and what is learnt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import mean, stdev

from results import is_there, load, machine, percent, table

from vlfeedback.reports.published import PUBLISHED

__all__ = ["RLVLMF_BLOCKS"]

DRAWER = "rlvlmf-drawer-open"
_NAMES = {
    "bc": "cloning",
    "iql": "IQL, true reward",
    "iql, paper": "IQL, true reward, the paper's settings",
}
_OF_PAPER = {"bc": "BC"}  # columns of its Table I; else
_TRUE_REWARD = "IQL-GT"
_LAST = 4  # evaluations, of eight


def rlvlmf_random() -> str:
    """Which share of random episodes succeeds, in each task and in its stock one."""
    if not is_there("rlvlmf_random"):
        return "*Not measured yet.*"
    result = load("rlvlmf_random")
    figures = result["figures"]
    rows = [
        [
            f"`{name}`" if kind == "variant" else f"`{name.removeprefix('rlvlmf-')}`, stock",
            _share(row["success"]),
            str(row["episodes"]),
            f"{row['return']:,.0f} ({row['standard deviation']:,.0f})",
        ]
        for name, kinds in figures["random"].items()
        for kind, row in kinds.items()
    ]
    lines = table(["random actions in", "success, % [95 %]", "episodes", "return (sd)"], rows)
    lines += [
        "",
        f"Actions drawn from the whole box, {figures['horizon']} steps an episode; success at any "
        f"step, with Wilson's interval. `{result['command']}`; {machine(result)}.",
    ]
    return "\n".join(lines)


def rlvlmf_policies() -> str:
    """What IQL on the true reward and cloning make of the drawer's random episodes."""
    if not is_there("rlvlmf_random"):
        return "*Not measured yet.*"
    figures = load("rlvlmf_random")["figures"]
    data = figures["random"][DRAWER]["variant"]
    floor, ceiling = data["return"], figures["script's return"]
    rows = [["random actions, the data", _share(data["success"]), "-", "0.00", "-", "-", "-"]]
    for learner in dict.fromkeys(row["learner"] for row in figures["policies"]):
        runs = [row for row in figures["policies"] if row["learner"] == learner]
        last = [mean(run["curve"]["success"][-_LAST:]) for run in runs]
        returns = [mean(run["curve"]["return"][-_LAST:]) for run in runs]
        drawn = [run["drawn actions"]["success"] for run in runs if "drawn actions" in run]
        paper = PUBLISHED["offline-rl-vlm-f-1"].figure(
            DRAWER, "random", _OF_PAPER.get(learner, _TRUE_REWARD), "success"
        )
        rows.append(
            [
                _NAMES[learner],
                _spread([100 * share for share in last], 1),
                _spread([100 * share for share in drawn], 1) if drawn else "-",
                _spread([(r - floor) / (ceiling - floor) for r in returns], 2),
                f"{runs[0]['gradient steps']:,}",
                f"{mean(run['cpu minutes'] for run in runs):.1f}",
                "-" if paper is None else f"{paper.mean:.0f} ± {paper.std:.0f}",
            ]
        )
    head = ["", "success of likeliest actions, %", "of drawn actions, %", "normalised return"]
    lines = table([*head, "gradient steps", "CPU-minutes a seed", "paper's Table I"], rows)
    seeds = len({row["seed"] for row in figures["policies"]})
    episodes = next(
        r["drawn actions"]["episodes"] for r in figures["policies"] if r["learner"] == "iql"
    )
    lines += [
        "",
        f"{seeds} seeds, ± their standard deviation, on {data['transitions']:,} random "
        "transitions; settings of the sweep below. The paper has its own, and a million steps. "
        f"Likeliest actions: the last {_LAST} of eight evaluations, an episode each, since nothing "
        f"varies. Drawn actions: {episodes} episodes of the last policy. A normalised return is 0 "
        "for random actions and 1 for Meta-World's script.",
    ]
    return "\n".join(lines)


def _share(estimate: Mapping[str, float]) -> str:
    low, high = percent(estimate["low"]), percent(estimate["high"])
    return f"{percent(estimate['mean'])} [{low}, {high}]"


def _spread(values: Sequence[float], digits: int) -> str:
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{mean(values):.{digits}f} ± {stdev(values):.{digits}f}"


RLVLMF_BLOCKS: Mapping[str, Callable[[], str]] = {
    "rlvlmf-random": rlvlmf_random,
    "rlvlmf-policies": rlvlmf_policies,
}
"""By the name that a page calls them."""
