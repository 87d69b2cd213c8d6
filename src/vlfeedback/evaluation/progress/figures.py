"""The figures of a reward's shape: the title, meaning and value by chance of each, and its goal."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from vlfeedback.evaluation.diagnosis.metrics import METRICS, MetricKind

__all__ = ["FIGURES", "GOALS", "VIEWS"]

VIEWS: Mapping[str, str] = MappingProxyType(
    {
        "camera": "seen by another camera",
        "colours": "in other colours: hues turned by 60 degrees",
        "dark": "in less light: 60 % of it",
        "bright": "in more light: 140 % of it, cut at white",
    }
)
"""Other views of the same states, by name."""

_ALONG: Mapping[str, MetricKind] = {
    "value_order": METRICS["value_order"],
    "moment_tau": MetricKind(
        "moments of one episode",
        "correlation",
        0.0,
        "Kendall's tau: of two moments of one episode whose environment's rewards differ by at "
        "least 5 % of the task's range, how often the higher one scores higher, minus how often "
        "lower; mean over episodes of all levels.",
    ),
    "reversed_order": MetricKind(
        "scores with time, experts backwards",
        "correlation",
        0.0,
        "The value-order correlation of an expert's pictures up to its success, played backwards. "
        "Below 0 where undoing the task costs.",
    ),
    "pause_rise": MetricKind(
        "rise in a pause",
        "%",
        None,
        "By how much the score rises while an expert that is half-way holds still for as long as a "
        "clip, as a share of its rise from the reset to its success, both means over episodes. 0 "
        "or less where waiting is not progress.",
    ),
    "pause_rises": MetricKind(
        "pauses that raise the score",
        "%",
        None,
        "Share of experts of which the score is higher after that pause than before it.",
    ),
}

_RETURNS: Mapping[str, MetricKind] = {
    "episode_tau": MetricKind(
        "episodes of one task",
        "correlation",
        0.0,
        "Kendall's tau: of two episodes of different return, how often the one of the higher "
        "return is paid more, minus how often less.",
    ),
    "idle_share": MetricKind(
        "what idling earns",
        "%",
        None,
        "The mean pay of the reset's picture held all episode, as a share of the way from random "
        "actions (0) to experts (100). Above 100 a policy learns to do nothing. Not defined where "
        "experts are not paid more than random actions, beyond chance: a share of hardly any way "
        "would be any number.",
    ),
    "half_share": MetricKind(
        "what half an expert earns",
        "%",
        None,
        "The same for an expert that holds still from half of the way to its success.",
    ),
    "half_between": MetricKind(
        "half between nothing and all",
        "%",
        None,
        "Share of experts of which the half is paid more than the reset held, and less than the "
        "whole.",
    ),
    "expert_over_random": METRICS["expert_over_random"],
    "expert_over_rest": METRICS["expert_over_rest"],
    "expert_over_half": METRICS["expert_over_half"],
}

_SUCCESS: Mapping[str, MetricKind] = {
    "success_cut": MetricKind(
        "success in the clip, cut there",
        "%",
        0.5,
        "Area under the ROC curve: share of pairs of a clip that ends with an expert's success and "
        "a clip without any, in which the former scores higher.",
    ),
    "success_run_on": MetricKind(
        "success in the clip, which runs on",
        "%",
        0.5,
        "The same for clips that go on after it, with the success still in them, as the expert "
        "acts on.",
    ),
    "success_rest": MetricKind(
        "success in the clip, then rest",
        "%",
        0.5,
        "The same for clips that go on after it while the expert rests.",
    ),
    "run_on_loss": MetricKind(
        "lost as clips run on",
        "%",
        None,
        "The first of these minus the second, in percentage points.",
    ),
}

_OF_VIEWS: Mapping[str, MetricKind] = {
    **{
        f"{view}_order": MetricKind(
            f"scores with time, {view}",
            "correlation",
            0.0,
            f"The value-order correlation of some of the experts, {words}.",
        )
        for view, words in VIEWS.items()
    },
    **{
        f"{view}_agreement": MetricKind(
            f"as before, {view}",
            "correlation",
            None,
            "Spearman's rank correlation of the scores of the same moments of some episodes, "
            f"as recorded and {words}.",
        )
        for view, words in VIEWS.items()
    },
}

FIGURES: Mapping[str, MetricKind] = MappingProxyType(
    {**_ALONG, **_RETURNS, **_SUCCESS, **_OF_VIEWS}
)
"""By name, in the order they are shown."""

GOALS: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        # Robometer on Meta-World, trained on far more: 0.90.
        "value_order": ("at least", 0.8),
        "idle_share": ("at most", 0.2),  # our choice, untested
        "pause_rise": ("at most", 0.1),  # our choice, untested
        "success_cut": ("at least", 0.95),  # our choice, untested
        "success_run_on": ("at least", 0.95),  # our choice, untested
        "run_on_loss": ("at most", 0.02),  # our choice, untested
    }
)
"""What a reward that is to train policies should reach in every task."""
