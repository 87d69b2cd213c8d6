"""What the pages say of diagnoses: what the figures mean, how a verdict is made, an example."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from results import load, versions

from vlfeedback.evaluation.diagnosis.metrics import METRICS
from vlfeedback.evaluation.diagnosis.verdict import THRESHOLDS

__all__ = ["DIAGNOSIS_BLOCKS"]


def diagnosis_legend() -> str:
    """What each figure of a diagnosis means, and what guessing gives."""
    lines = ["| figure | in | guessing | what it is |", "|---|---|---|---|"]
    for kind in METRICS.values():
        scale = 100 if kind.unit == "%" else 1
        guess = "-" if kind.chance is None else f"{scale * kind.chance:g}"
        lines.append(f"| {kind.title} | {kind.unit} | {guess} | {kind.meaning} |")
    return "\n".join(lines)


def diagnosis_verdict() -> str:
    """The rules of a verdict, with its thresholds."""
    at = {name: f"{100 * value:g} %" for name, value in THRESHOLDS.items()}
    return (
        f"- **useless**: neither of *{METRICS['random_pairs'].title}* and "
        f"*{METRICS['success_auc'].title}* has its whole interval above {at['chance']}; for the "
        "former, above the prior where always preferring the same side is right more often.\n"
        f"- **good**: the former's interval lies above {at['good_random_pairs']}, the latter's "
        f"above {at['good_success_auc']}, and nothing holds the source back: that it pays random "
        "actions as much as experts, cannot tell the right instruction from a wrong one or "
        "forwards from backwards, or falls as experts progress.\n"
        "- **weak**: everything in between.\n\n"
        f"A rank correlation across wordings or cameras below {THRESHOLDS['steady_correlation']:g} "
        "is a warning and holds no verdict back. Why the thresholds lie there is said beside them, "
        "in `vlfeedback.evaluation.diagnosis.verdict`."
    )


def diagnosis() -> str:
    """Verdicts and figures of several sources on one task."""
    result = load("diagnosis_drawer_close")
    sources = result["sources"]
    lines = [
        f"| {result['task']} | " + " | ".join(f"`{name}`" for name in sources) + " |",
        "|---" * (len(sources) + 1) + "|",
        "| verdict | " + " | ".join(f"**{row['verdict']}**" for row in sources.values()) + " |",
    ]
    for key, kind in result["legend"].items():
        cells = (_finding(row["findings"][key], kind["unit"]) for row in sources.values())
        lines.append(f"| {kind['title']}, {kind['unit']} | {' | '.join(cells)} |")
    hardware = result["hardware"]
    return "\n".join(lines) + (
        f"\n\n`{result['command']}`; {result['seconds']:.0f} s, other work beside it; "
        f"{hardware['processor']}, {hardware['cores']} cores; {versions(result)}."
    )


def _finding(finding: dict[str, Any], unit: str) -> str:
    if "not_applicable" in finding:
        return "-"
    if unit == "a second":
        return f"{float(format(finding['value'], '.2g')):,g}"
    scale, digits = (100, 0) if unit == "%" else (1, 2)
    low, high = (f"{scale * edge:.{digits}f}" for edge in finding["interval"])
    return f"{scale * finding['value']:.{digits}f} [{low}, {high}]"


DIAGNOSIS_BLOCKS: Mapping[str, Callable[[], str]] = {
    "diagnosis-legend": diagnosis_legend,
    "diagnosis-verdict": diagnosis_verdict,
    "diagnosis": diagnosis,
}
"""By the name that a page calls them."""
