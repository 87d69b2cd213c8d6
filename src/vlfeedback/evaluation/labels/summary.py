"""From what sources said of every pair, in every task and repeat, to means with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from vlfeedback.data.calibration import (
    accuracy_by_gap,
    brier_score,
    expected_calibration_error,
    preference_probability,
    reliability_bins,
)
from vlfeedback.evaluation.labels.pairings import PAIRINGS, PairScores, describe_pairing
from vlfeedback.evaluation.statistics import (
    Estimate,
    mean_interval,
    paired_difference,
    wilson_interval,
)

__all__ = ["TaskResult", "summarise", "tidy"]


@dataclass(frozen=True, slots=True, eq=False)
class TaskResult:
    """One task in one repeat."""

    judged: Mapping[str, PairScores]  # by pairing
    language: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # evaluate_language's


Repeats = Sequence[Mapping[str, TaskResult]]


def summarise(
    repeats: Repeats, *, source: str, log_odds_scale: float | None = None
) -> dict[str, Any]:
    """All figures of an evaluation, ready for JSON: NaN becomes None, four decimals.

    Means over tasks leave out tasks where a figure is not defined. Intervals hold 95 %: with two
    repeats or more Student's t over repeats, with one Wilson's over pairs. A comparison is
    `source` minus a baseline on the same pairs; it ``beats`` where the whole interval is above 0.

    Args:
        repeats: one or more, all of the same tasks.
        source: name of the source that is evaluated; the others are its baselines.
        log_odds_scale: see `SegmentScorer`; None leaves calibration out.
    """
    tasks = list(repeats[0])
    figures: dict[str, Any] = {}
    for pairing in PAIRINGS:
        held = [t for t in tasks if all(pairing in r[t].judged for r in repeats)]
        if not held:
            continue
        names = [*repeats[0][held[0]].judged[pairing].scores, "prior"]
        accuracy = {name: _accuracy(repeats, held, pairing, name) for name in names}
        figures[f"{pairing}_pairs"] = _part(accuracy, lambda e: e.mean)
        figures.setdefault("intervals", {})[pairing] = _part(accuracy, lambda e: [e.low, e.high])
        figures.setdefault("comparisons", {})[pairing] = {
            name: _compare(repeats, held, pairing, source, name) for name in names if name != source
        }
        figures.setdefault("correlation", {})[pairing] = _correlation(repeats, held, pairing)
        if log_odds_scale is not None:
            calibration = figures.setdefault("calibration", {})
            calibration[pairing] = _calibration(repeats, held, pairing, source, log_odds_scale)
        if all(repeats[0][t].judged[pairing].returns is not None for t in held):
            gaps = figures.setdefault("accuracy_by_gap", {})
            gaps[pairing] = {n: _by_gap(repeats, held, pairing, n) for n in names if n != "prior"}
    accuracy_of_source = dict(figures["clustered_pairs"][source])
    figures["mean_label_accuracy"] = accuracy_of_source.pop("mean")
    figures["label_accuracy"] = accuracy_of_source
    if repeats[0][tasks[0]].language:
        figures["language"] = _language([{t: r[t].language for t in tasks} for r in repeats])
    figures["repeats"] = [{t: _raw(r[t]) for t in tasks} for r in repeats]
    return tidy(figures)  # type: ignore[no-any-return]


def tidy(value: Any) -> Any:
    """The same as JSON can hold it: numbers to four decimals, no NaN."""
    if isinstance(value, Mapping):
        return {str(key): tidy(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [tidy(item) for item in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 4)
    return value


_Accuracies = dict[str, Estimate]  # by task, and "mean"


def _accuracy(repeats: Repeats, tasks: list[str], pairing: str, name: str) -> _Accuracies:
    right = [{t: r[t].judged[pairing].right(name) for t in tasks} for r in repeats]
    shares = np.array([[_mean(row[t]) for t in tasks] for row in right])  # repeats x tasks
    if len(repeats) > 1:
        by_task = {t: _share_interval(shares[:, k]) for k, t in enumerate(tasks)}
        return {"mean": _share_interval(_over_tasks(shares)), **by_task}
    counts = [len(right[0][t]) for t in tasks]
    by_task = {t: wilson_interval(shares[0, k], counts[k]) for k, t in enumerate(tasks)}
    return {"mean": wilson_interval(float(_over_tasks(shares)[0]), sum(counts)), **by_task}


def _share_interval(shares: np.ndarray) -> Estimate:
    """Student's t interval, cut to where shares can lie."""
    e = mean_interval(shares)
    return Estimate(e.mean, float(np.maximum(e.low, 0.0)), float(np.minimum(e.high, 1.0)), e.n)


def _compare(
    repeats: Repeats, tasks: list[str], pairing: str, ours: str, theirs: str
) -> dict[str, dict[str, Any]]:
    def difference(chosen: list[str]) -> dict[str, Any]:
        columns = []
        for name in (ours, theirs):
            right = [[r[t].judged[pairing].right(name) for t in chosen] for r in repeats]
            if len(repeats) > 1:
                shares = np.array([[_mean(values) for values in row] for row in right])
                columns.append(_over_tasks(shares))
            else:
                columns.append(np.concatenate(right[0]))
        estimate = paired_difference(*columns)
        return {
            "difference": estimate.mean,
            "interval": [estimate.low, estimate.high],
            "beats": estimate.is_above_zero,
        }

    return {"mean": difference(tasks), **{t: difference([t]) for t in tasks}}


def _correlation(repeats: Repeats, tasks: list[str], pairing: str) -> dict[str, Any]:
    rows = [[describe_pairing(r[t].judged[pairing]) for t in tasks] for r in repeats]
    kinds = [k for k in rows[0][0] if k.endswith(("pearson", "spearman", "both_orders"))]
    result: dict[str, Any] = {}
    for kind in kinds:
        for name in rows[0][0][kind]:
            values = np.array([[row[kind][name] for row in repeat] for repeat in rows])
            by_task = {t: mean_interval(values[:, k]).mean for k, t in enumerate(tasks)}
            mean = mean_interval(_over_tasks(values)).mean
            result.setdefault(kind, {})[name] = {"mean": mean, **by_task}
    return result


def _calibration(
    repeats: Repeats, tasks: list[str], pairing: str, source: str, scale: float
) -> dict[str, Any]:
    judged = [r[t].judged[pairing] for r in repeats for t in tasks]
    truth = np.concatenate([j.prefer_second for j in judged])
    gaps = np.concatenate([j.gap(source) for j in judged])
    probability = preference_probability(gaps, scale)
    bins = reliability_bins(probability, truth)
    return {
        "expected_calibration_error": expected_calibration_error(bins),
        "brier_score": brier_score(probability, truth),
        "bins": [asdict(b) for b in bins],
    }


def _by_gap(repeats: Repeats, tasks: list[str], pairing: str, name: str) -> list[dict[str, Any]]:
    parts = []
    for task in tasks:
        judged = [r[task].judged[pairing] for r in repeats]
        gap = [
            abs(np.diff(j.returns, axis=1)[j.ordered, 0]) for j in judged if j.returns is not None
        ]
        parts.append((np.concatenate(gap), np.concatenate([j.right(name) for j in judged])))
    return [asdict(b) for b in accuracy_by_gap(parts)]


def _language(repeats: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Figures of Table 6: mean over tasks, its interval over repeats, and each task's mean."""

    def gather(path: tuple[str, ...]) -> Any:
        first: Any = repeats[0][tasks[0]]
        for key in path:
            first = first[key]
        if isinstance(first, Mapping):
            return {key: gather((*path, key)) for key in first}
        values = np.array([[_dig(r[t], path) for t in tasks] for r in repeats])
        estimate = mean_interval(_over_tasks(values))
        by_task = {t: mean_interval(values[:, k]).mean for k, t in enumerate(tasks)}
        return {"mean": estimate.mean, "interval": [estimate.low, estimate.high], **by_task}

    tasks = list(repeats[0])
    return {kind: gather((kind,)) for kind in repeats[0][tasks[0]]}


def _raw(result: TaskResult) -> dict[str, Any]:
    raw: dict[str, Any] = {pairing: describe_pairing(j) for pairing, j in result.judged.items()}
    return raw | ({"language": result.language} if result.language else {})


def _part(accuracy: Mapping[str, _Accuracies], of: Callable[[Estimate], Any]) -> dict[str, Any]:
    return {name: {key: of(e) for key, e in row.items()} for name, row in accuracy.items()}


def _dig(tree: Any, path: tuple[str, ...]) -> float:
    for key in path:
        tree = tree[key]
    return float(tree)


def _over_tasks(values: np.ndarray) -> np.ndarray:
    """Mean of each row over the tasks where it is defined; NaN where it is defined in none."""
    defined = ~np.isnan(values)
    counts = defined.sum(axis=1)
    sums = np.where(defined, values, 0.0).sum(axis=1)
    return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else math.nan
