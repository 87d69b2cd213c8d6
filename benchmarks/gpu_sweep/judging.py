"""Judges saved actors as the sweep says, and writes the rows that its own trainings would."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from actors import SavedActors

from vlfeedback.data.provenance import describe_machine
from vlfeedback.data.store import check_same_settings
from vlfeedback.errors import FileFormatError
from vlfeedback.offline.curve import EvaluationCurve
from vlfeedback.offline.evaluation import PolicyEvaluation
from vlfeedback.offline.learners import LEARNERS, LearnerInputs
from vlfeedback.offline.presets import get_preset
from vlfeedback.offline.train import Evaluator, describe_training
from vlfeedback.offline.train_together import PolicyRun
from vlfeedback.sweeps.data import describe_data
from vlfeedback.sweeps.folder import SweepFolder
from vlfeedback.sweeps.processes import Job, run_jobs
from vlfeedback.sweeps.runs import Run, expand
from vlfeedback.sweeps.specification import Sweep
from vlfeedback.sweeps.training import data_of, describe_run, evaluator_of, options_of
from vlfeedback.sweeps.worker import end_with_standard_input


def evaluate(actors: Path, root: Path, n_workers: int) -> int:
    """Judge all runs that have actors and no row, in processes; returns how many failed.

    After a stop the same call goes on with the runs that have no row yet.

    Raises:
        FileNotFoundError: there are no actors, or no sweep.
        FileFormatError: the actors, or rows, are of another sweep.
        BusyError: the sweep runs in this folder.
    """
    folder, saved = SweepFolder(root), SavedActors(actors)
    sweep = folder.sweep()
    by_id = {run.id: run for run in expand(sweep)}
    if foreign := sorted(saved.runs.keys() - by_id.keys()):
        raise FileFormatError(
            f"{actors} has actors of {foreign[0]}, which is no run of the sweep in {root}; name "
            "the folder that was packed."
        )
    with folder.locked():
        missing = [
            name for name in by_id if name in saved.runs and not _row(sweep, by_id[name], folder)
        ]
        n_jobs = min(n_workers, len(missing))
        ends = [round(k * len(missing) / max(n_jobs, 1)) for k in range(n_jobs + 1)]
        parts = [missing[a:b] for a, b in pairwise(ends)]
        jobs = [_job(saved, folder, number, names) for number, names in enumerate(parts)]
        n_failed = 0
        for event in run_jobs(jobs, n_workers):
            n_failed += event.kind == "failed"
            about = f"{event.steps} of {event.job.steps} actors"
            print(f"{event.job.id}: {event.kind}, {event.reason or about}", flush=True)
    n_judged = sum(folder.path("runs", name).is_file() for name in saved.runs)
    print(f"{n_judged} of {len(saved.runs)} runs are judged. Next: vlfeedback report {root}")
    return n_failed


def judge(actors: Path, root: Path, progress: Path, names: Sequence[str]) -> None:
    """Judge these runs, one after the other; the process ends with its standard input."""
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    torch.set_num_threads(1)
    folder, saved = SweepFolder(root), SavedActors(actors)
    sweep = folder.sweep()
    by_id = {run.id: run for run in expand(sweep)}
    evaluators: dict[str, Evaluator] = {}  # by task; environments take long to make
    n_judged = 0
    for name in names:
        if _row(sweep, by_id[name], folder) is None:
            row = judged_row(sweep, by_id[name], folder, saved, evaluators)
            folder.write_row("runs", name, row)
            folder.note_failure(name, "")
        n_judged += len(saved.runs[name]["actors"])
        progress.write_text(str(n_judged), encoding="utf-8")


def judged_row(
    sweep: Sweep,
    run: Run,
    folder: SweepFolder,
    saved: SavedActors,
    evaluators: dict[str, Evaluator],
) -> dict[str, Any]:
    """The row of a run whose actors are there.

    Raises:
        FileFormatError: it was trained on other data or labels, or with other settings.
    """
    facts, data = saved.runs[run.id], data_of(sweep, run, folder)
    check_same_settings(
        facts["training"],
        _describe(sweep, run, data),
        where=f"The training of {run.id} in {saved.folder}",
        advice="Pack this sweep as it is, and train it again.",
    )
    if run.task not in evaluators:
        evaluators[run.task] = evaluator_of(sweep, run.task)
    evaluator = evaluators[run.task]
    start = time.perf_counter(), time.process_time()
    evaluations: list[tuple[int, PolicyEvaluation]] = [
        (step, evaluator.evaluate(policy)) for step, policy in saved.policies(run.id)
    ]
    wall, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
    elsewhere = ("device", "precision", "commit", "versions", "hardware")
    return {
        **describe_run(sweep, run, folder),
        "same_labels_as": None,
        "trained_together": facts["trained_together"],
        **describe_machine(),
        "wall_seconds": facts["wall_seconds"] + wall,
        "cpu_seconds": facts["cpu_seconds"] + cpu,
        "training": facts["training"],
        "notes": facts["notes"],
        **EvaluationCurve.from_evaluations(evaluations).to_json(),
        "trained_elsewhere": {
            **{name: saved.description[name] for name in elsewhere},
            "wall_seconds": facts["wall_seconds"],
            "evaluations_left_out": facts["evaluations"] - len(evaluations),
        },
    }


def _describe(sweep: Sweep, run: Run, data: PolicyRun) -> dict[str, Any]:
    """What a training of this run depends on, as `train_policy` describes it."""
    options = options_of(sweep, run)
    preset, n_steps, eval_every = (options.pop(k) for k in ("preset", "n_steps", "eval_every"))
    learner = LEARNERS.entry(run.learner.learner).name
    settings = get_preset(preset).settings(learner, n_steps, options)
    episodes = None if data.trajectories is None else list(data.trajectories)
    inputs = LearnerInputs(episodes, data.preferences, settings, data.seed)
    return describe_training(learner, preset, n_steps, eval_every, inputs)


def _row(sweep: Sweep, run: Run, folder: SweepFolder) -> dict[str, Any] | None:
    return folder.row("runs", run.id, run.settings(sweep, describe_data(sweep, run.task)))


def _job(saved: SavedActors, folder: SweepFolder, number: int, names: Sequence[str]) -> Job:
    name = f"judge-{number}"
    progress = folder.progress(name)
    arguments = map(str, (Path(__file__).parent, "judge", saved.folder, folder.root, progress))
    return Job(
        id=name,
        arguments=(*arguments, *names),
        result=folder.path("runs", names[-1]),
        log=folder.log(name),
        progress=progress,
        steps=sum(len(saved.runs[name]["actors"]) for name in names),
    )
