"""From a source's answers to its figures: each with an interval, and by data set or task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float64

from vlfeedback.evaluation.bench.answers import ClipAnswer
from vlfeedback.evaluation.bench.exam import Exam
from vlfeedback.evaluation.bench.metrics import (
    fitted_scores,
    kendall_tau_of_tiers,
    pair_credits,
    scores_on_the_scale,
)
from vlfeedback.evaluation.diagnosis.metrics import MetricValue, NotApplicable
from vlfeedback.evaluation.resampling import Bootstrap, estimate_mean, estimate_mean_of_groups
from vlfeedback.evaluation.statistics import Estimate

__all__ = ["ClipScore", "Marking", "SourceAnswers"]

ClipScore = Literal["last", "mean"]
"""The score of a clip: what a source says when it is over, or the mean of what it says along it."""

_OF_SETS = ("kendall_tau", "mae_of_sets")  # means over data sets of their means
_MOST_TASKS = 60  # beyond, figures are not given by task


@dataclass(frozen=True, slots=True)
class SourceAnswers:
    """What one source said.

    Attributes:
        clips: by place in `Exam.clips`, of those that could be read; none of a labeller.
        pairs: by place in `Exam.pairs`: 1 the better clip was preferred, -1 the other, 0 neither;
            of a labeller alone.
    """

    clips: Mapping[int, ClipAnswer] = field(default_factory=dict)
    pairs: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Items:
    """A figure before it is averaged."""

    values: Float64[np.ndarray, " N"]
    units: Sequence[tuple[str, str]]  # set and task of each


class Marking:
    """One source's answers to an exam, marked.

    Args:
        exam: what was asked.
        answers: of the source.
        clip_score: what a clip's score is.
        seed: of the resamples, and of the fifths that scores are fitted on.
    """

    def __init__(
        self, exam: Exam, answers: SourceAnswers, *, clip_score: ClipScore = "last", seed: int = 0
    ) -> None:
        self._exam = exam
        self._answers = answers
        self._clip_score = clip_score
        self._seed = seed

    def figures(self) -> dict[str, MetricValue]:
        """Every figure that the exam is made for."""
        bootstrap = Bootstrap(self._exam.units, rng=np.random.default_rng(self._seed))
        return {name: self._figure(name, bootstrap) for name in self._exam.metrics}

    def parts(self) -> dict[str, dict[str, float]]:
        """By figure, its mean in each data set, or in each task of a small exam without sets."""
        sets = {clip.set for clip in self._exam.clips}
        of_sets = len(sets) > 1
        if not of_sets and len(self._exam.units) > _MOST_TASKS:
            return {}
        parts: dict[str, dict[str, float]] = {}
        for name in self._exam.metrics:
            items = self._items(name)
            if isinstance(items, _Items):
                names = np.array([unit[0] if of_sets else unit[1] for unit in items.units])
                parts[name] = {
                    str(part): float(items.values[names == part].mean())
                    for part in dict.fromkeys(names.tolist())
                }
        return parts

    def score(self, place: int) -> float:
        """The score of the clip at this place."""
        answer = self._answers.clips[place]
        return answer.last if self._clip_score == "last" else answer.mean

    def leads(self) -> dict[int, float]:
        """By place of a pair, by how much the better clip leads; below 0 where it does not."""
        known, leads = self._answers.clips, dict(self._answers.pairs)
        for place, pair in enumerate(self._exam.pairs):
            if pair.better in known and pair.worse in known:
                leads[place] = self.score(pair.better) - self.score(pair.worse)
        return leads

    def _figure(self, name: str, bootstrap: Bootstrap) -> MetricValue:
        items = self._items(name)
        if isinstance(items, NotApplicable):
            return items
        weights = bootstrap.weights(items.units)
        if name in _OF_SETS:
            estimate = estimate_mean_of_groups(items.values, weights, [u[0] for u in items.units])
        else:
            estimate = estimate_mean(items.values, weights)
        if len(set(items.units)) < 2:  # one task drawn again and again is no interval
            return Estimate(estimate.mean, np.nan, np.nan, estimate.n)
        return estimate

    def _items(self, name: str) -> _Items | NotApplicable:
        makers: Mapping[str, Callable[[], _Items | NotApplicable]] = {
            "kendall_tau": self._taus,
            "preference_accuracy": lambda: self._of_pairs(ties=False),
            "ties": lambda: self._of_pairs(ties=True),
            "mae": lambda: self._errors(fitted=False),
            "mae_of_sets": lambda: self._errors(fitted=False),
            "mae_fitted": lambda: self._errors(fitted=True),
            "voc": lambda: self._orders("spearman"),
            "voc_pearson": lambda: self._orders("pearson"),
        }
        if not self._answers.clips and name not in ("preference_accuracy", "ties"):
            return NotApplicable("It compares clips, and gives none of them a score.")
        return makers[name]()

    def _of_pairs(self, *, ties: bool) -> _Items | NotApplicable:
        leads = self.leads()
        if not leads:
            return NotApplicable("No two clips of a task are known to differ.")
        rows = np.array(list(leads.values()))
        values = (rows == 0).astype(float) if ties else pair_credits(rows, self._exam.tie_credit)
        units = [self._exam.clips[self._exam.pairs[place].better].unit for place in leads]
        return _Items(values, units)

    def _taus(self) -> _Items | NotApplicable:
        tasks: dict[tuple[str, str], list[int]] = {}
        for place in self._answers.clips:
            if self._exam.clips[place].tier is not None:
                tasks.setdefault(self._exam.clips[place].unit, []).append(place)
        taus = {unit: self._tau(places) for unit, places in tasks.items()}
        defined = {unit: tau for unit, tau in taus.items() if not np.isnan(tau)}
        if not defined:
            return NotApplicable("No task has clips of two tiers.")
        return _Items(np.array(list(defined.values())), list(defined))

    def _tau(self, places: Sequence[int]) -> float:
        tiers = np.array([self._exam.clips[place].tier for place in places], dtype=np.int64)
        return kendall_tau_of_tiers(tiers, np.array([self.score(place) for place in places]))

    def _errors(self, *, fitted: bool) -> _Items | NotApplicable:
        truth = {p: s for p in self._answers.clips if (s := self._exam.clips[p].score) is not None}
        if not truth:
            return NotApplicable("No clip has a score to compare with.")
        scores = np.array([self.score(place) for place in truth])
        wanted = np.array(list(truth.values()), dtype=np.float64)
        units = [self._exam.clips[place].unit for place in truth]
        if fitted:
            given = fitted_scores(scores, wanted, units, rng=np.random.default_rng(self._seed))
            if np.isnan(given).any():
                return NotApplicable("There is one task, and so none to learn from.")
        elif (on_the_scale := scores_on_the_scale(scores)) is None:
            return NotApplicable("Its scores do not lie in [0, 1].")
        else:
            given = on_the_scale
        return _Items(np.abs(given - wanted), units)

    def _orders(self, kind: Literal["spearman", "pearson"]) -> _Items | NotApplicable:
        rows = {
            place: float(getattr(answer, kind))
            for place, answer in self._answers.clips.items()
            if answer.n_rising
        }
        defined = {place: value for place, value in rows.items() if not np.isnan(value)}
        if not defined:
            return NotApplicable("No clip is known to get on from its beginning to its end.")
        units = [self._exam.clips[place].unit for place in defined]
        return _Items(np.array(list(defined.values())), units)
