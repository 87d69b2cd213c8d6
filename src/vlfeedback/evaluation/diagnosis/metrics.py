"""The figures of a diagnosis: the title, meaning and value by chance of each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from vlfeedback.evaluation.statistics import Estimate

__all__ = [
    "METRICS",
    "MetricKind",
    "MetricValue",
    "NotApplicable",
    "metric_to_json",
    "show_interval",
    "show_value",
]

Unit = Literal["%", "correlation", "points", "a second"]


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """A figure that is not defined for this source or this data."""

    reason: str  # why, as a sentence


MetricValue = Estimate | NotApplicable


@dataclass(frozen=True, slots=True)
class MetricKind:
    """The title of a figure, its unit, its value by chance, and its meaning."""

    title: str
    unit: Unit
    chance: float | None  # of a source that knows nothing
    meaning: str


METRICS: Mapping[str, MetricKind] = MappingProxyType(
    {
        "random_pairs": MetricKind(
            "better of two random clips",
            "%",
            0.5,
            "Share of pairs of clips, cut from any two episodes, in which the source scores that "
            "clip higher which has the higher return. Ties count half.",
        ),
        "clustered_pairs": MetricKind(
            "better of two clips, one of each cluster",
            "%",
            0.5,
            "The same for the VLP paper's pairs, one clip of each of two K-means clusters. Always "
            "preferring the same cluster is right nearly as often: see the prior.",
        ),
        "success_auc": MetricKind(
            "success above failure",
            "%",
            0.5,
            "Area under the ROC curve: share of pairs of one successful and one failed episode in "
            "which the successful one is paid more, all scores of an episode summed.",
        ),
        "expert_over_random": MetricKind(
            "expert above random actions",
            "%",
            0.5,
            "Share of pairs of an expert's and a random episode in which the expert is paid more.",
        ),
        "expert_over_rest": MetricKind(
            "expert above doing nothing",
            "%",
            0.5,
            "Share of experts' episodes that are paid more than the picture of their reset, held "
            "for as long. Below guessing, a policy learns to stay where it is.",
        ),
        "expert_over_half": MetricKind(
            "expert above half of it, then nothing",
            "%",
            0.5,
            "The same against the episode up to half of the way to its success, whose last picture "
            "is then held. Below guessing, a policy learns to stop before it is done.",
        ),
        "return_correlation": MetricKind(
            "scores with returns",
            "correlation",
            0.0,
            "Spearman's rank correlation of the clips' scores with their returns.",
        ),
        "value_order": MetricKind(
            "scores with time, experts",
            "correlation",
            0.0,
            "Value-order correlation: Spearman's rank correlation of scores with time along an "
            "expert's episode up to its first success, mean over episodes.",
        ),
        "reversed_clips": MetricKind(
            "forwards above backwards",
            "%",
            0.5,
            "Share of an expert's clips that near success and score higher than when their "
            "pictures are played backwards.",
        ),
        "right_instruction": MetricKind(
            "right above wrong instruction",
            "%",
            0.5,
            "Share of an expert's clips that score higher under the task's instruction than under "
            "that of another task.",
        ),
        "wording_correlation": MetricKind(
            "across wordings",
            "correlation",
            None,
            "Spearman's rank correlation of scores under the task's instruction with those of the "
            "same clips under another wording of it, mean over wordings.",
        ),
        "camera_correlation": MetricKind(
            "across cameras",
            "correlation",
            None,
            "Spearman's rank correlation of scores of the same states seen by two cameras.",
        ),
        "segments_per_second": MetricKind(
            "clips scored",
            "a second",
            None,
            "From raw pictures, on the wall clock of this machine, one at a time or a few.",
        ),
    }
)
"""By name, in the order they are shown."""


def metric_to_json(metric: MetricValue) -> dict[str, Any]:
    """``{"value": ..., "interval": [low, high], "n": ...}``, or ``{"not_applicable": why}``."""
    if isinstance(metric, NotApplicable):
        return {"not_applicable": metric.reason}
    if math.isnan(metric.mean):
        return {"not_applicable": "In these episodes there is nothing to compare."}
    has_interval = not math.isnan(metric.low)
    return {
        "value": metric.mean,
        "interval": [metric.low, metric.high] if has_interval else None,
        "n": metric.n,
    }


def show_value(value: float, unit: Unit) -> str:
    """A value as every table shows it: whole %, speeds to three digits, all else to two decimals.

    >>> show_value(0.934, "%"), show_value(-0.3, "correlation"), show_value(32456.7, "a second")
    ('93', '-0.30', '32,500')
    """
    if unit == "%":
        return f"{100 * value:.0f}"
    if unit in ("correlation", "points"):
        return f"{value:.2f}"
    return f"{value:.3g}" if value < 100 else f"{float(f'{value:.3g}'):,.0f}"


def show_interval(interval: Sequence[float] | None, unit: Unit) -> str:
    """Its ends beside it; nothing where there is no interval.

    >>> show_interval([0.84, 0.98], "%")
    '[84, 98]'
    """
    if interval is None:
        return ""
    return f"[{', '.join(show_value(end, unit) for end in interval)}]"
