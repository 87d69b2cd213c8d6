"""What the page on exams says: what the figures mean, what papers print, our own clips."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from results import load, machine, table

from vlfeedback.evaluation.bench.metrics import METRICS
from vlfeedback.evaluation.diagnosis.metrics import show_interval, show_value
from vlfeedback.reports.published import EXAM_TABLES

__all__ = ["EXAM_BLOCKS"]

_EXAMS = {
    "preference_accuracy": "roborewardbench, rbm-eval-ood, own",
    "ties": "the same",
    "kendall_tau": "rbm-eval-ood, own",
    "mae": "roborewardbench",
    "mae_of_sets": "roborewardbench",
    "mae_fitted": "roborewardbench",
    "voc": "all",
    "voc_pearson": "rbm-eval-ood, own",
}


def exam_legend() -> str:
    """What each figure of an exam means."""
    rows = []
    for name, kind in METRICS.items():
        rows.append([kind.title, kind.unit, _EXAMS[name], kind.meaning])
    return "\n".join(table(["figure", "in", "exam", "what it is"], rows))


def exam_published() -> str:
    """What papers print of the exams, a row a model."""
    rows = []
    for paper in EXAM_TABLES.values():
        for model, figures in paper.rows.items():
            printed = [_printed(name, value) for name, value in figures.items()]
            rows.append([paper.exam, model, "; ".join(printed), paper.source])
    return "\n".join(table(["exam", "model", "printed", "by"], rows))


def exam_own() -> str:
    """Figures of several sources and of the rules on our own clips, and the papers' beside them."""
    result = load("exam_own_clips")
    legend = result["legend"]
    rows = []
    for name, row in result["sources"].items():
        shown = f"*{name}*" if row["is_rule"] else f"`{name}`"
        cells = (_cell(row["figures"][key], kind["unit"]) for key, kind in legend.items())
        rows.append([shown, *cells, ""])
    for paper in result["published"]:
        printed = f"{_printed(paper['metric'], paper['value'])} ({paper['source']})"
        rows.append([paper["model"], *([""] * len(legend)), printed])
    heads = [f"{kind['title']}, {kind['unit']}" for kind in legend.values()]
    lines = table(["source", *heads, "printed by papers"], rows)
    exam = result["exam"]
    collection = exam["settings"]["collection"]
    return "\n".join(lines) + (
        f"\n\nIn italics: rules that know nothing. {exam['clips']} clips of {exam['tasks']} tasks, "
        f"{exam['pairs']} pairs; collected with seed {collection['seed']}, by `vlfeedback collect "
        f"--episodes {collection['episodes']} --seed {collection['seed']} --levels "
        "expert,medium,random --tasks button-press,door-close,drawer-close,faucet-close,"
        f"window-open,door-open`. `{result['command']}`; {machine(result)}."
    )


def _cell(metric: Mapping[str, Any], unit: Any) -> str:
    if "not_applicable" in metric:
        return "-"
    interval = show_interval(metric["interval"], unit)
    return f"{show_value(metric['value'], unit)} {interval}".strip()


def _printed(metric: str, value: float) -> str:
    kind = METRICS[metric]
    number = f"{100 * value:.1f} %" if kind.unit == "%" else f"{value:.3f}"
    return f"{kind.title}: {number}"


EXAM_BLOCKS: Mapping[str, Callable[[], str]] = {
    "exam-legend": exam_legend,
    "exam-published": exam_published,
    "exam-own": exam_own,
}
"""By the name that a page calls them."""
