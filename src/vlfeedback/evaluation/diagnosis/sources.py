"""Is this reward any good here? Several sources on the same episodes of one task."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlfeedback.data.provenance import describe_machine
from vlfeedback.data.trajectories import with_pictures_in_memory
from vlfeedback.evaluation.diagnosis.diagnose import Diagnosis, diagnose
from vlfeedback.evaluation.diagnosis.episodes import choose_episodes
from vlfeedback.evaluation.diagnosis.fresh_episodes import (
    collect_fresh,
    fresh_settings,
)
from vlfeedback.evaluation.diagnosis.inputs import DiagnosisInputs, prepare_diagnosis
from vlfeedback.evaluation.diagnosis.other_camera import retake_probed
from vlfeedback.evaluation.diagnosis.prepared_sources import PreparedSources
from vlfeedback.evaluation.diagnosis.results import describe_diagnosis, describe_inputs
from vlfeedback.evaluation.diagnosis.source_choice import SourceChoice
from vlfeedback.tasks import TaskSpec, get_task
from vlfeedback.types import Report, RewardSource, Trajectory

__all__ = ["DiagnosedSources", "diagnose_sources"]


@dataclass(frozen=True, slots=True, eq=False)
class DiagnosedSources:
    """The figures of several sources, and what a page draws beside them.

    Attributes:
        results: all figures, as `vlfeedback eval source --json` writes them.
        diagnoses: by source, with curves.
        inputs: the episodes and pairs that all of them were measured on.
    """

    results: dict[str, Any]
    diagnoses: Mapping[str, Diagnosis]
    inputs: DiagnosisInputs


def diagnose_sources(
    sources: Mapping[str, RewardSource | SourceChoice],
    task: str | TaskSpec,
    *,
    trajectories: Sequence[Trajectory] | None = None,
    episodes: int = 8,
    n_pairs: int = 200,
    length: int = 50,
    seed: int = 0,
    horizon: int | None = None,
    frame_size: int = 112,
    camera: str = "",
    clips: str | Path | None = None,
    goals: str | Path | None = None,
    device: str = "cpu",
    workers: int = 1,
    report: Report | None = None,
) -> DiagnosedSources:
    """Say of each source whether it is worth a training run on a task.

    Every source is measured on the same episodes: those given, or fresh ones of the task's own
    scripts. A source that compares with a picture of the goal, and is chosen without one, gets
    the last picture of an expert's episode that is not evaluated.

    Args:
        sources: by what tables call them; live ones, or choices that are made here.
        task: a name of `vlfeedback.tasks`, or a task of one's own.
        trajectories: of the task, with levels ``"expert"`` and ``"random"``, the environment's
            rewards, and pictures if a source reads them. None: fresh ones are collected.
        episodes: evaluated of each level, at least 2.
        n_pairs: pairs of segments of each pairing.
        length: steps of a segment (VLP paper, Table 8: 50).
        seed: the same gives the same episodes and pairs.
        horizon: steps of a fresh episode; None: as the task is collected.
        frame_size: side of pictures of fresh episodes, px.
        camera: another one, as the environment calls it, that episodes are seen again by; "":
            none. Of a task without `TaskSpec.retake` none is had.
        clips: folder that keeps fresh episodes, to be used again; None: they are not kept.
        goals: folder for the picture of the goal; None: it is not kept.
        device: of the sources that are made here.
        workers: processes that collect.
        report: called with the stages ``"collect TASK"``, ``"seen by CAMERA"``, and the name of
            each source.

    Returns:
        Figures with 95 % intervals and verdicts, as JSON values, and what they were drawn from.

    Raises:
        UnknownNameError: there is no such source, setting or task.
        NeedsError: the task has no scripted expert and there are no trajectories, or these lack
            a level, rewards, pictures, or what a source reads.
        ShapeError: no episode has `length` steps.
        SourceAnswerError: a source returned something that is no finite reward a step.
    """
    start = time.monotonic()
    spec = get_task(task)
    settings: dict[str, Any] = {"episodes": episodes, "pairs": n_pairs, "length": length}
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        prepared = stack.enter_context(closing(PreparedSources(sources, device)))
        if trajectories is None:
            settings["collected"] = fresh_settings(
                spec,
                prepared.needs,
                episodes=episodes,
                horizon=horizon,
                frame_size=frame_size,
                seed=seed,
            )
            trajectories = collect_fresh(
                clips or scratch, spec, settings["collected"], workers=workers, report=report
            )
            if clips is None:  # the curves are drawn after the files are gone
                trajectories = [with_pictures_in_memory(t) for t in trajectories]
        evaluated, others = choose_episodes(trajectories, episodes)
        evaluated = prepared.add_goals(evaluated, others, goals or scratch)
        retaken = retake_probed(evaluated, spec, camera, report=report)
        inputs = prepare_diagnosis(
            evaluated,
            spec,
            n_pairs=n_pairs,
            length=length,
            seed=seed,
            retaken=retaken.episodes,
            camera=camera,
            why_not_retaken=retaken.why_none,
        )
        diagnoses = {
            name: diagnose(source, inputs, report=_named(name, report))
            for name, source in prepared.live.items()
        }
        rows = {
            name: prepared.describe(name) | describe_diagnosis(diagnosis)
            for name, diagnosis in diagnoses.items()
        }
    results = {
        "verdicts": {name: row["verdict"] for name, row in rows.items()},
        "sources": rows,
        **describe_inputs(inputs),
        **describe_machine(),
        "seed": seed,
        "settings": settings,
        "seconds": round(time.monotonic() - start, 1),
    }
    return DiagnosedSources(results, diagnoses, inputs)


def _named(name: str, report: Report | None) -> Report | None:
    """Progress of one source: its name is the stage."""
    if report is None:
        return None
    return lambda _, done, total, loss: report(name, done, total, loss)
