"""An exam taken by several sources: clip after clip, then pair after pair, resumable."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vlfeedback.data.contents import CONTENTS, digests_of_source
from vlfeedback.data.foreign_files import path_inside
from vlfeedback.data.provenance import describe_machine
from vlfeedback.errors import InvalidValueError
from vlfeedback.evaluation.bench.answer_log import AnswerLog
from vlfeedback.evaluation.bench.baselines import BASELINES, make_baselines
from vlfeedback.evaluation.bench.exam import Exam, why_not_asked
from vlfeedback.evaluation.bench.extremes import PlacedClip, best_and_worst
from vlfeedback.evaluation.bench.figures import ClipScore, Marking
from vlfeedback.evaluation.bench.metrics import METRICS
from vlfeedback.evaluation.bench.sitting import Candidate, Sitting
from vlfeedback.evaluation.diagnosis.metrics import metric_to_json
from vlfeedback.evaluation.labels.sources import AnySource, make_sources
from vlfeedback.evaluation.labels.summary import tidy
from vlfeedback.types import Report, class_and_settings

__all__ = ["TakenExam", "take_exam"]

_EXTREMES = 2  # clips of either kind that a page shows
_VERSION = 1  # of what is kept of an answer


@dataclass(frozen=True, slots=True, eq=False)
class TakenExam:
    """What became of an exam.

    Attributes:
        results: all figures, JSON values, as `vlfeedback eval bench --out` writes them.
        exam: that was taken.
        best: by source, clips that it places well.
        worst: by source, clips that it places badly.
    """

    results: dict[str, Any]
    exam: Exam
    best: Mapping[str, Sequence[PlacedClip]]
    worst: Mapping[str, Sequence[PlacedClip]]


def take_exam(
    exam: Exam,
    sources: Mapping[str, AnySource | str] | Sequence[str] | str,
    *,
    clip_score: ClipScore = "last",
    seed: int = 0,
    answers: str | Path | None = None,
    device: str = "cpu",
    report: Report | None = None,
) -> TakenExam:
    """Ask sources about every clip and pair, and mark their answers; rules that know nothing too.

    A source that gives rewards is asked for scores, any other to compare pairs. One that reads what
    the clips have not is not asked; one that raises an error of this library's is asked no more,
    and has no figures. Clips that cannot be read count for nobody. All three are said in the
    results, with the reason.

    Args:
        exam: of one of the readers beside this module.
        sources: ids, or by the name that tables should give it an id or a source of either kind.
        clip_score: what the score of a clip is.
        seed: of chance and of resamples.
        answers: a folder that keeps each answer as it comes, a folder a source: who is asked again
            with the same settings goes on from there.
        device: where sources that are given by id compute.
        report: called with ("clips" or "pairs", how many are done, of how many, nan).

    Raises:
        UnknownNameError: there is no such source.
        InvalidTypeError: a source has neither ``rewards`` nor ``label``.
        InvalidValueError: two sources have the same name, or that of a rule; or a name that is no
            folder's.
        NeedsError: no clip can be read.
        FileFormatError: answers in the folder are of other settings, or damaged.
        BusyError: another process adds answers there.
    """
    begun = time.monotonic()
    asked = make_sources(sources, device=device)
    if taken := set(asked) & set(BASELINES):
        raise InvalidValueError(f"A source is called {taken.pop()!r}, like a rule beside it.")
    everyone: dict[str, AnySource] = {**asked, **make_baselines(seed)}
    with ExitStack() as stack:
        candidates = {}
        for name, source in everyone.items():
            home = _home(answers, name if name in asked else f".rules/{name}-{seed}")
            log = stack.enter_context(AnswerLog.opened(home, _settings(source)))
            candidates[name] = Candidate(source, log, why_not_asked(source.needs, exam))
        sitting = Sitting(exam, candidates, along=clip_score == "mean")
        sitting.ask_about_clips(report)
        sitting.ask_about_pairs(report)
    rows, best, worst = {}, {}, {}
    for name, candidate in candidates.items():
        rows[name] = _describe(name, candidate, name in asked)
        if candidate.why_not:
            continue
        marking = Marking(exam, candidate.answers, clip_score=clip_score, seed=seed)
        figures = marking.figures()
        json_figures = {key: metric_to_json(figure) for key, figure in figures.items()}
        rows[name] |= tidy({"figures": json_figures, "parts": marking.parts()})
        if name in asked:
            best[name], worst[name] = best_and_worst(exam, marking.leads(), at_most=_EXTREMES)
    results = {
        "exam": _describe_exam(exam, sitting.unreadable),
        "legend": {name: asdict(METRICS[name]) for name in exam.metrics},
        "sources": rows,
        "clip_score": clip_score,
        "seed": seed,
        "seconds": round(time.monotonic() - begun, 1),
        **describe_machine(),
    }
    return TakenExam(results, exam, best, worst)


def _home(answers: str | Path | None, name: str) -> Path | None:
    return None if answers is None else path_inside(Path(answers), name, where="A source's name")


def _settings(source: AnySource) -> dict[str, Any]:
    """All that an answer depends on beside the clip."""
    kind, settings = class_and_settings(source)
    contents = {CONTENTS: digests_of_source(source)}
    return {"version": _VERSION, "source": kind, "settings": settings, **contents}


def _describe(name: str, candidate: Candidate, asked: bool) -> dict[str, Any]:
    kind, settings = class_and_settings(candidate.source)
    row = {"class": kind, "settings": settings, "is_rule": not asked}
    return row | ({"not_asked": candidate.why_not} if candidate.why_not else {})


def _describe_exam(exam: Exam, unreadable: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": exam.name,
        "title": exam.title,
        "clips": len(exam.clips) - len(unreadable),
        "sets": sorted({clip.set for clip in exam.clips} - {""}),
        "tasks": len(exam.units),
        "pairs": len(exam.pairs),
        "rising": sum(clip.rises for clip in exam.clips),
        "tie_credit": exam.tie_credit,
        "settings": dict(exam.settings),
        "notes": list(exam.notes),
        "unreadable": dict(unreadable),
    }
