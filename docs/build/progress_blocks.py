"""What the page on a reward's shape says: what the figures mean, and those of the bundled model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from results import is_there, load, machine, percent, table

from vlfeedback.evaluation.diagnosis.metrics import show_interval, show_value
from vlfeedback.evaluation.progress.clips import PROTOCOLS
from vlfeedback.evaluation.progress.figures import FIGURES, GOALS

__all__ = ["PROGRESS_BLOCKS"]

_GROUPS = {"unseen": "tasks that it never saw", "trained": "tasks that it was trained on"}
_BY_TASK = (
    "value_order",
    "moment_tau",
    "idle_share",
    "half_share",
    "success_cut",
    "success_run_on",
    "pause_rise",
)
_BESIDE = ("vlp", "picture-energy", "colour-change", "prior")


def progress_legend() -> str:
    """What each figure means, and what a reward that trains policies should reach."""
    rows = [
        [
            kind.title,
            kind.unit,
            "-" if kind.chance is None else show_value(kind.chance, kind.unit),
            _goal(name, kind.unit),
            kind.meaning,
        ]
        for name, kind in FIGURES.items()
    ]
    return "\n".join(table(["figure", "in", "guessing", "goal", "what it is"], rows))


def progress_protocols_legend() -> str:
    """How clips are made in each protocol."""
    rows = [[f"`{name}`", protocol.meaning] for name, protocol in PROTOCOLS.items()]
    return "\n".join(table(["protocol", "clips"], rows))


def progress_means() -> str:
    """Means over tasks of the bundled model, the environment's reward and rules."""
    result = load("vlp_progress")
    lines = []
    for group, words in _GROUPS.items():
        figures = result["figures"][group]
        names = list(figures["sources"])
        rows = []
        for key, kind in figures["legend"].items():
            cells = [_cell(figures["sources"][n]["figures"][key]["mean"], kind) for n in names]
            rows.append([f"{kind['title']}, {kind['unit']}", *cells])
        heads = [f"*{n}*" if figures["sources"][n]["is_rule"] else f"`{n}`" for n in names]
        n_tasks = len(figures["sources"]["vlp"]["figures"]["value_order"]) - 1
        lines += [f"{n_tasks} {words}:", "", *table(["mean over tasks", *heads], rows), ""]
    return "\n".join([*lines, _provenance(result)])


def progress_by_task() -> str:
    """Some figures of the bundled model by task, and the share of tasks that reach each goal."""
    result = load("vlp_progress")
    legend = result["figures"]["unseen"]["legend"]
    rows = []
    for group in _GROUPS:
        of_model = result["figures"][group]["sources"]["vlp"]
        for task in of_model["figures"]["value_order"]:
            cells = [_cell(of_model["figures"][key][task], legend[key]) for key in _BY_TASK]
            shown = f"**mean, {group}**" if task == "mean" else task
            rows.append([shown, *cells])
        reached = [percent(of_model["goals"].get(key)) for key in _BY_TASK]
        rows.append([f"tasks at the goal, {group}, %", *reached])
    heads = [f"{legend[key]['title']}, {legend[key]['unit']}" for key in _BY_TASK]
    return "\n".join([*table(["task", *heads], rows), "", _provenance(result)])


def progress_by_protocol() -> str:
    """Label accuracy by pairing and protocol on the tasks that the model never saw."""
    result = load("vlp_progress")
    of_protocols = result["figures"]["unseen"]["protocols"]
    names = list(of_protocols["legend"])
    rows = []
    for pairing, of_pairing in of_protocols["accuracy"].items():
        for source in (name for name in _BESIDE if name in of_pairing):
            cells = [_accuracy(of_pairing[source].get(name)) for name in names]
            rows.append([pairing, f"`{source}`" if source == "vlp" else f"*{source}*", *cells])
    note = (
        "Right of pairs in %, mean over tasks, with 95 % intervals over pairs; + better than "
        "picture energy by more than the interval of the difference. "
        f"{of_protocols['pairs']} pairs a task of {of_protocols['length']}-step segments."
    )
    head = ["pairing", "source", *(f"`{name}`" for name in names)]
    return "\n".join([*table(head, rows), "", f"{note} {_provenance(result)}"])


def progress_all() -> str:
    """The default weights on all tasks, which they were trained on: means, and the worst tasks."""
    if not is_there("vlp_progress_all"):
        return "Not measured yet."
    result = load("vlp_progress_all")
    of_model, legend = result["sources"]["vlp"], result["legend"]
    rows = []
    for key in ("value_order", "moment_tau", "idle_share", "half_share", "success_cut"):
        by_task = {t: m["value"] for t, m in of_model["figures"][key].items() if "value" in m}
        mean = _cell(of_model["figures"][key]["mean"], legend[key])
        del by_task["mean"]
        is_cost = GOALS.get(key, ("at least", 0))[0] == "at most"
        worst = sorted(by_task, key=lambda task: by_task[task], reverse=is_cost)[:3]
        shown = [f"{task} {show_value(by_task[task], legend[key]['unit'])}" for task in worst]
        reached = percent(of_model["goals"].get(key))
        rows.append([f"{legend[key]['title']}, {legend[key]['unit']}", mean, reached, *shown])
    heads = ["figure", "mean of 50 tasks", "tasks at the goal, %", "worst", "next", "next"]
    note = f"`{result['command']}`; {machine(result)}."
    return "\n".join([*table(heads, rows), "", note])


def _goal(name: str, unit: Any) -> str:
    if name not in GOALS:
        return "-"
    side, edge = GOALS[name]
    return f"{side} {show_value(edge, unit)}"


def _cell(metric: Mapping[str, Any], kind: Mapping[str, Any]) -> str:
    if "not_applicable" in metric:
        return "-"
    interval = show_interval(metric["interval"], kind["unit"])
    return f"{show_value(metric['value'], kind['unit'])} {interval}".strip()


def _accuracy(cell: Mapping[str, Any] | None) -> str:
    if cell is None or cell["mean"] is None:
        return "-"
    low, high = cell["interval"]
    mark = " +" if cell.get("beats_energy") else ""
    return f"{percent(cell['mean'])}{mark} [{100 * low:.0f}, {100 * high:.0f}]"


def _provenance(result: Mapping[str, Any]) -> str:
    settings = result["figures"]["unseen"]["settings"]
    episodes = settings["collections"]["rest"]["episodes"]
    steps = settings["collections"]["rest"]["horizon"]
    return (
        f"`vlp.{result['figures']['weights']}`; {episodes} fresh episodes of {steps} steps a task "
        f"and level, seed {result['seed']}; intervals over episodes of these tasks. "
        f"`{result['command']}`; {machine(dict(result))}."
    )


PROGRESS_BLOCKS: Mapping[str, Callable[[], str]] = {
    "progress-legend": progress_legend,
    "progress-protocols-legend": progress_protocols_legend,
    "progress-means": progress_means,
    "progress-by-task": progress_by_task,
    "progress-by-protocol": progress_by_protocol,
    "progress-all": progress_all,
}
"""By the name that a page calls them."""
