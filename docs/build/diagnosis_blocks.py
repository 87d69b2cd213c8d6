"""What the pages say of diagnoses: what the figures mean, how a verdict is made, an example."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from results import is_there, load, machine, table

from vlfeedback.evaluation.diagnosis.metrics import METRICS, show_interval, show_value
from vlfeedback.evaluation.diagnosis.verdict import describe_rule

__all__ = ["DIAGNOSIS_BLOCKS"]


def diagnosis_legend() -> str:
    """What each figure of a diagnosis means, and what guessing gives."""
    rows = []
    for kind in METRICS.values():
        scale = 100 if kind.unit == "%" else 1
        guess = "-" if kind.chance is None else f"{scale * kind.chance:g}"
        rows.append([kind.title, kind.unit, guess, kind.meaning])
    return "\n".join(table(["figure", "in", "guessing", "what it is"], rows))


def diagnosis_verdict() -> str:
    """The rule of a verdict, with its thresholds."""
    rule = describe_rule()
    words = [f"- **{word}**: {rule[word]}" for word in ("useless", "good", "weak", "inconclusive")]
    return (
        "\n".join(words)
        + f"\n\n{rule['beware']} Why the thresholds lie there is said beside them, "
        "in `vlfeedback.evaluation.diagnosis.verdict`."
    )


def diagnosis() -> str:
    """Verdicts and figures of several sources on one task."""
    result = load("diagnosis_drawer_close")
    sources = result["sources"]
    rows = [["verdict", *(f"**{row['verdict']}**" for row in sources.values())]]
    for key, kind in result["legend"].items():
        cells = (_cell(row["findings"][key], kind["unit"]) for row in sources.values())
        rows.append([f"{kind['title']}, {kind['unit']}", *cells])
    lines = table([result["task"], *(f"`{name}`" for name in sources)], rows)
    return "\n".join(lines) + (
        f"\n\n`{result['command']}`; {result['seconds']:.0f} s, other work beside it; "
        f"{machine(result)}."
    )


def _cell(metric: dict[str, Any], unit: Any) -> str:
    if "not_applicable" in metric:
        return "-"
    interval = show_interval(metric["interval"], unit)
    return f"{show_value(metric['value'], unit)} {interval}".strip()


_ELSEWHERE = ("pick-cube", "push-cube", "straighten-rope", "dress-sleeve")
_FIGURES = ("random_pairs", "clustered_pairs", "success_auc", "expert_over_random", "value_order")


def vlp_elsewhere() -> str:
    """What the bundled model is worth in worlds that it has never seen, beside picture energy."""
    names = {task: f"diagnosis_{task.replace('-', '_')}" for task in _ELSEWHERE}
    results = {task: load(name) for task, name in names.items() if is_there(name)}
    if not results:
        return "*Not measured yet.*"
    rows = [
        [task, f"`{source}`", f"**{row['verdict']}**"]
        + [_cell(row["findings"][key], METRICS[key].unit) for key in _FIGURES]
        for task, result in results.items()
        for source, row in result["sources"].items()
        if source != "env"
    ]
    heads = (f"{METRICS[key].title}, {METRICS[key].unit}" for key in _FIGURES)
    lines = table(["task", "source", "verdict", *heads], rows)
    made = " ".join(f"`{result['command']}`;" for result in results.values())
    return "\n".join(lines) + f"\n\n{made} {machine(next(iter(results.values())))}."


DIAGNOSIS_BLOCKS: Mapping[str, Callable[[], str]] = {
    "diagnosis-legend": diagnosis_legend,
    "diagnosis-verdict": diagnosis_verdict,
    "diagnosis": diagnosis,
    "vlp-elsewhere": vlp_elsewhere,
}
"""By the name that a page calls them."""
