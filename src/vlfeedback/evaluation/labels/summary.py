"""From the answers to every pair, in every task and repeat, to means with intervals."""

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
    reliability_bins,
)
from vlfeedback.evaluation.labels.answers import UNANSWERED, PairAnswers, describe_pairing
from vlfeedback.evaluation.labels.pairings import PAIRINGS
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

    answers: Mapping[str, PairAnswers]  # by pairing
    # By source, what `evaluate_language` gives:
    language: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)


Repeats = Sequence[Mapping[str, TaskResult]]


def summarise(
    repeats: Repeats, *, source: str, log_odds_scale: float | None = None
) -> dict[str, Any]:
    """All figures of an evaluation, ready for JSON: NaN becomes None, four decimals.

    Means over tasks leave out tasks where a figure is not defined. Intervals hold 95 %: with two
    repeats or more Student's t over repeats, with one Wilson's over pairs. A comparison is
    `source` minus another on the same pairs; it ``beats`` where the whole interval is above 0.

    Pairings that the source was not asked about are left out. ``calibration`` is there where the
    source gives probabilities, ``outcomes`` (shares of pairs that it tied, and that came
    out as each `Outcome` but answered) where it gives labels alone.

    Args:
        repeats: one or more, all of the same tasks.
        source: name of the source that is evaluated; the others are compared with it.
        log_odds_scale: see `SegmentScorer`; None leaves calibration of scores out.
    """
    tasks = list(repeats[0])
    figures: dict[str, Any] = {}
    for pairing in PAIRINGS:
        answered_tasks = [
            t for t in tasks if all(_answered(r[t], pairing, source) for r in repeats)
        ]
        if not answered_tasks:
            continue
        names = [*repeats[0][answered_tasks[0]].answers[pairing].labels, "prior"]
        accuracy = {name: _accuracy(repeats, answered_tasks, pairing, name) for name in names}
        figures[f"{pairing}_pairs"] = _part(accuracy, lambda e: e.mean)
        figures.setdefault("intervals", {})[pairing] = _part(accuracy, lambda e: [e.low, e.high])
        figures.setdefault("comparisons", {})[pairing] = {
            name: _compare(repeats, answered_tasks, pairing, source, name)
            for name in names
            if name != source
        }
        figures.setdefault("correlation", {})[pairing] = _correlation(
            repeats, answered_tasks, pairing
        )
        calibration = _calibration(repeats, answered_tasks, pairing, source, log_odds_scale)
        if calibration:
            figures.setdefault("calibration", {})[pairing] = calibration
        if source not in repeats[0][answered_tasks[0]].answers[pairing].scores:
            outcomes = _outcomes(repeats, answered_tasks, pairing, source)
            figures.setdefault("outcomes", {})[pairing] = outcomes
        if all(repeats[0][t].answers[pairing].returns is not None for t in answered_tasks):
            gaps = figures.setdefault("accuracy_by_gap", {})
            gaps[pairing] = {
                n: _by_gap(repeats, answered_tasks, pairing, n) for n in names if n != "prior"
            }
    accuracy_of_source = dict(figures["clustered_pairs"][source])
    figures["mean_label_accuracy"] = accuracy_of_source.pop("mean")
    figures["label_accuracy"] = accuracy_of_source
    if source in repeats[0][tasks[0]].language:
        language = [{t: r[t].language[source] for t in tasks} for r in repeats]
        figures["language"] = _language(language)
    figures["repeats"] = [{t: _raw(r[t], source) for t in tasks} for r in repeats]
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
    right = [{t: r[t].answers[pairing].right(name) for t in tasks} for r in repeats]
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
            right = [[r[t].answers[pairing].right(name) for t in chosen] for r in repeats]
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
    rows = [[describe_pairing(r[t].answers[pairing]) for t in tasks] for r in repeats]
    kinds = [k for k in rows[0][0] if k.endswith(("pearson", "spearman", "both_orders"))]
    return {
        kind: {
            name: _mean_over([[row[kind][name] for row in r] for r in rows], tasks)
            for name in rows[0][0][kind]
        }
        for kind in kinds
    }


def _outcomes(repeats: Repeats, tasks: list[str], pairing: str, source: str) -> dict[str, Any]:
    """Shares of pairs that tie, or have no answer and why; means over tasks and repeats."""
    rows = [[describe_pairing(r[t].answers[pairing]) for t in tasks] for r in repeats]
    return {
        outcome: _mean_over([[row[outcome][source] for row in r] for r in rows], tasks)
        for outcome in ("ties", *(o.word for o in UNANSWERED))
    }


def _mean_over(values: list[list[float]], tasks: list[str]) -> dict[str, float]:
    """Means of a figure over repeats (rows), of all tasks (columns) and of each."""
    table = np.array(values)
    by_task = {t: mean_interval(table[:, k]).mean for k, t in enumerate(tasks)}
    return {"mean": mean_interval(_over_tasks(table)).mean, **by_task}


def _calibration(
    repeats: Repeats, tasks: list[str], pairing: str, source: str, scale: float | None
) -> dict[str, Any]:
    """Of all tasks and repeats together; nothing where the source gives no probabilities."""
    answers = [r[t].answers[pairing] for r in repeats for t in tasks]
    probabilities = [a.probabilities(source, scale) for a in answers]
    parts = [
        (a.prefer_second, p) for a, p in zip(answers, probabilities, strict=True) if p is not None
    ]
    if not parts:
        return {}
    truth, probability = (np.concatenate(column) for column in zip(*parts, strict=True))
    answered = ~np.isnan(probability)
    truth, probability = truth[answered], probability[answered]
    bins = reliability_bins(probability, truth)
    return {
        "expected_calibration_error": expected_calibration_error(bins),
        "brier_score": brier_score(probability, truth),
        "bins": [asdict(b) for b in bins],
    }


def _by_gap(repeats: Repeats, tasks: list[str], pairing: str, name: str) -> list[dict[str, Any]]:
    parts = []
    for task in tasks:
        answers = [r[task].answers[pairing] for r in repeats]
        gap = np.concatenate([a.return_gap for a in answers])
        parts.append((gap, np.concatenate([a.right(name) for a in answers])))
    return [asdict(b) for b in accuracy_by_gap(parts)]


def _language(repeats: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Figures of Table 6: mean over tasks, its interval over repeats, and each task's mean.

    Those that every repeat has: one whose folder of clips has more tasks compares with them too.
    """

    def gather(path: tuple[str, ...]) -> Any:
        first: Any = repeats[0][tasks[0]]
        for key in path:
            first = first[key]
        if isinstance(first, Mapping):
            paths = [(*path, key) for key in first]
            return {
                p[-1]: gather(p) for p in paths if all(_has(r[t], p) for r in repeats for t in r)
            }
        values = np.array([[_dig(r[t], path) for t in tasks] for r in repeats])
        estimate = mean_interval(_over_tasks(values))
        by_task = {t: mean_interval(values[:, k]).mean for k, t in enumerate(tasks)}
        return {"mean": estimate.mean, "interval": [estimate.low, estimate.high], **by_task}

    tasks = list(repeats[0])
    return {kind: gather((kind,)) for kind in repeats[0][tasks[0]]}


def _raw(result: TaskResult, source: str) -> dict[str, Any]:
    raw: dict[str, Any] = {name: describe_pairing(a) for name, a in result.answers.items()}
    return raw | ({"language": result.language[source]} if source in result.language else {})


def _answered(result: TaskResult, pairing: str, source: str) -> bool:
    return pairing in result.answers and source in result.answers[pairing].labels


def _part(accuracy: Mapping[str, _Accuracies], of: Callable[[Estimate], Any]) -> dict[str, Any]:
    return {name: {key: of(e) for key, e in row.items()} for name, row in accuracy.items()}


def _has(tree: Any, path: tuple[str, ...]) -> bool:
    for key in path:
        if key not in tree:
            return False
        tree = tree[key]
    return True


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
