"""The VLP paper's measure of labels, and harder ones, for any reward source or labeller.

Paper:    Liu et al. 2025, VLP, Table 15 (accuracy), Table 5 (correlation), Table 6 (other words)
Recipe:   1 draw five pairings of each task's segments, see `vlfeedback.evaluation.labels.pairings`;
          2 let every source compare every pair; 3 set beside it what needs no model, see
          `vlfeedback.evaluation.labels.baselines`; 4 means over tasks, intervals over repeats, see
          `vlfeedback.evaluation.labels.summary`
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vlfeedback.data.collection import Collection
from vlfeedback.data.pairings import RankedPairs
from vlfeedback.errors import InvalidValueError
from vlfeedback.evaluation.labels.answers import PairAnswers, Scorer, ask_sources
from vlfeedback.evaluation.labels.baselines import baseline_scorers
from vlfeedback.evaluation.labels.episodes import (
    TrajectoriesByTask,
    episodes_by_task,
    task_of,
)
from vlfeedback.evaluation.labels.language import evaluate_language
from vlfeedback.evaluation.labels.pairings import draw_pairings, picture_stride
from vlfeedback.evaluation.labels.sources import (
    AnySource,
    inapplicable_pairings,
    log_odds_scale,
    make_sources,
    ready_to_compare,
)
from vlfeedback.evaluation.labels.summary import TaskResult, summarise
from vlfeedback.scoring.segments import SegmentScorer
from vlfeedback.tasks import TaskSpec
from vlfeedback.types import EmbeddingSource, PreferenceSource, Report

__all__ = ["Inspect", "evaluate_labels"]

Inspect = Callable[[int, str, Mapping[str, RankedPairs], Mapping[str, PairAnswers]], None]
"""Called with the repeat (from 0), the task, and by pairing the pairs and what was said of them."""


def evaluate_labels(
    sources: Mapping[str, AnySource | str] | Sequence[str] | str,
    trajectories: TrajectoriesByTask
    | Collection
    | Callable[[int], TrajectoriesByTask | Collection],
    *,
    tasks: Sequence[str | TaskSpec] | None = None,
    n_pairs: int = 100,
    length: int = 50,
    repeats: int = 1,
    seed: int = 0,
    language: bool = False,
    device: str = "cpu",
    inspect: Inspect | None = None,
    report: Report | None = None,
) -> dict[str, dict[str, Any]]:
    """Measure how often labels are right, and how sure they are: many sources on the same pairs.

    A source that gives rewards is asked for the scores of both segments of each pair, any other
    for its labels. A tie or no answer is half right, as guessing would be.

    Args:
        sources: ids, such as ``"vlp.mt45"`` or ``"teacher.mistake"``, or by the name that figures
            should give it an id or a source: of rewards or of preferences, ours or anybody's.
        trajectories: by name of task, or a collection (see `vlfeedback.collecting`). They need
            rewards of the environment; pairings of experts are left out where no level is
            ``"expert"``. For fresh ones in each repeat a function of the repeat's seed.
        tasks: those that are measured, by name or as they are; default: all. The others serve
            `language`. What a name asks for stands in the collection, among the registered tasks,
            or in the trajectories (`Trajectory.instruction`).
        n_pairs: of each task and pairing (VLP paper: 100).
        length: steps of a segment (VLP paper, Table 8: 50).
        repeats: evaluations, on trajectories of their own if `trajectories` is a function, else
            on other pairs of the same.
        seed: of the first repeat; the next takes one more.
        language: also Table 6, of sources that score segments and read instructions; needs two
            tasks or more, of which unseen instructions are known.
        device: where sources that are given by id compute.
        inspect: is shown the pairs and answers of each task as soon as they are there.
        report: called with ("evaluating, seed <seed>", tasks done, tasks in all, nan).

    Returns:
        By source, the figures of `summarise`, in which all other sources and the baselines are
        what it is compared with. ``not_applicable`` says of pairings why the source is not asked
        about them; it is left out where there are none.

    Raises:
        UnknownNameError: there is no such source.
        InvalidTypeError: a source has neither ``rewards`` nor ``label``.
        InvalidValueError: two sources are the same, one is called like a baseline, or `repeats`
            is below 1.
        NeedsError: the trajectories lack what a source reads, a task has no trajectory or no
            instruction, or `language` has one task alone.
        ShapeError: no trajectory of a task has `length` steps.

    Source: VLP paper, appendix B, Tables 5, 6 and 15.
    """
    instances = make_sources(sources, device=device)
    if repeats < 1:
        raise InvalidValueError(f"repeats={repeats}; expected at least 1.")
    results = []
    for repeat in range(repeats):
        at_hand = trajectories(seed + repeat) if callable(trajectories) else trajectories
        tasks_by_name = {t.name if isinstance(t, TaskSpec) else t: t for t in tasks or ()}
        by_task = episodes_by_task(at_hand, [*tasks_by_name] or None, others=language)
        round_ = _Round(instances, by_task, [*(tasks_by_name or by_task)], seed + repeat, language)
        result = {}
        for task in round_.tasks:
            spec = task_of(tasks_by_name.get(task, task), at_hand, by_task[task])
            pairs = draw_pairings(
                by_task[task], spec, n_pairs=n_pairs, length=length, seed=seed + repeat
            )
            result[task] = round_.measure(task, pairs)
            if inspect is not None:
                inspect(repeat, task, pairs, result[task].answers)
            if report is not None:
                report(
                    f"evaluating, seed {round_.seed}", len(result), len(round_.tasks), float("nan")
                )
        results.append(result)
    figures = {}
    for name, source in instances.items():
        figures[name] = summarise(results, source=name, log_odds_scale=log_odds_scale(source))
        if reasons := inapplicable_pairings(source):
            figures[name]["not_applicable"] = reasons
    return figures


class _Round:
    """One repeat: sources that keep embeddings keep them from task to task."""

    def __init__(
        self,
        sources: Mapping[str, AnySource],
        trajectories: TrajectoriesByTask,
        tasks: Sequence[str],
        seed: int,
        language: bool,
    ) -> None:
        self.tasks = tasks
        self.seed = seed
        self._sources = sources
        self._trajectories = trajectories
        self._language = language
        self._kept: dict[tuple[str, int], Scorer | PreferenceSource] = {}

    def measure(self, task: str, pairs: Mapping[str, RankedPairs]) -> TaskResult:
        """What all sources and baselines say of these pairs, by pairing."""
        episodes = self._trajectories[task]
        stride = picture_stride(episodes)
        ready = {name: self._ready(name, stride) for name in self._sources}
        pictured = episodes[0].frames is not None
        baselines = baseline_scorers(stride if pictured else None, seed=self.seed)
        answers = {}
        for pairing, ranked in pairs.items():
            panel = {
                name: ready[name]
                for name, source in self._sources.items()
                if pairing not in inapplicable_pairings(source)
            }
            panel |= {name: b for name, b in baselines.items() if name not in self._sources}
            answers[pairing] = ask_sources(ranked, panel)
        return TaskResult(answers, self._in_other_words(task, pairs, ready))

    def _ready(self, name: str, stride: int) -> Scorer | PreferenceSource:
        """Embeddings are small and kept for all tasks; pictures go with the task."""
        source = self._sources[name]
        ready = self._kept.get((name, stride)) or ready_to_compare(source, stride)
        if isinstance(source, EmbeddingSource):
            self._kept[name, stride] = ready
        return ready

    def _in_other_words(
        self,
        task: str,
        pairs: Mapping[str, RankedPairs],
        ready: Mapping[str, Scorer | PreferenceSource],
    ) -> dict[str, dict[str, dict[str, Any]]]:
        """Table 6 by source, of those that it says something of."""
        if not self._language:
            return {}
        pools = {"test tasks": {t: self._trajectories[t] for t in self.tasks if t != task}}
        if set(self.tasks) != set(self._trajectories):
            others = {t: of for t, of in self._trajectories.items() if t != task}
            pools["all tasks at hand"] = others
        return {
            name: evaluate_language(
                scorer,
                pairs["clustered"],
                task,
                pools,
                random_pairs=pairs["random"],
                seed=self.seed,
            )
            for name, scorer in ready.items()
            if isinstance(scorer, SegmentScorer) and self._sources[name].needs.instruction
        }
