"""From a sweep to finished rows: labels first, then policies, each in a process of its own.

Sources that agree on every pair of a task and seed train the same policy: pairs, batches and
weights are drawn from task and seed alone. Such a policy is trained once, and the other source's
row says whose labels it shares; with ``share=False`` both are trained, and have to come out bit
for bit the same, which the report checks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vlfeedback.sweeps.data import check_data, describe_data, load_task
from vlfeedback.sweeps.feedback import check_source
from vlfeedback.sweeps.folder import Kind, SweepFolder
from vlfeedback.sweeps.groups import group_runs
from vlfeedback.sweeps.processes import Event, Job, run_jobs
from vlfeedback.sweeps.runs import Feedback, Run, expand
from vlfeedback.sweeps.specification import Sweep
from vlfeedback.sweeps.training import describe_run

__all__ = ["Planned", "check", "execute", "plan"]


@dataclass(frozen=True, slots=True)
class Planned:
    """A run, and its row if it is finished."""

    run: Run
    row: dict[str, Any] | None


def check(sweep: Sweep) -> None:
    """Check before anything runs that all is there, and that the sources can read the data.

    Raises:
        FileFormatError, UnknownNameError: see `vlfeedback.sweeps.runs.expand`.
        NeedsError, FileNotFoundError: see `vlfeedback.sweeps.data.check_data`.
        NeedsError, ShapeError: see `vlfeedback.sweeps.feedback.check_source`.
        whatever a source raises when it is made.
    """
    expand(sweep)
    check_data(sweep)
    trajectories = {task: load_task(sweep, task) for task in sweep.tasks}
    for source in (*sweep.labels, *sweep.rewards):
        check_source(sweep, source, trajectories)


def plan(sweep: Sweep, folder: SweepFolder) -> list[Planned]:
    """All runs, and which of them are finished.

    Raises:
        FileFormatError: a row is damaged, or of other settings.
    """
    return [
        Planned(
            run,
            folder.row("runs", run.id, run.settings(sweep, describe_data(sweep, run.task))),
        )
        for run in expand(sweep)
    ]


def execute(
    sweep: Sweep, folder: SweepFolder, *, n_workers: int, share: bool = True, together: int = 1
) -> Iterator[Event]:
    """Finish what is not finished, and say what happens.

    Args:
        sweep: what `SweepFolder.begin` gave.
        folder: where rows are kept.
        n_workers: processes, of one thread each.
        share: train policies of equal labels once.
        together: at most so many runs of a learner are one job; see `vlfeedback.sweeps.groups`.

    Raises:
        FileFormatError: a row is damaged, or of other settings.
    """
    for event in _execute(sweep, folder, n_workers, share, together):
        if event.kind in ("failed", "done", "shared"):
            folder.note_failure(event.job.id, event.reason if event.kind == "failed" else "")
        yield event


def _execute(
    sweep: Sweep, folder: SweepFolder, n_workers: int, share: bool, together: int
) -> Iterator[Event]:
    planned = plan(sweep, folder)
    waiting = [p.run for p in planned if p.row is None]
    broken: dict[str, str] = {}  # why there are no labels, by their id
    for event in run_jobs(_missing_feedback(sweep, folder, waiting), n_workers):
        if event.kind == "failed":
            broken[event.job.id] = event.reason
        yield event
    ready = []
    for run in waiting:
        reason = broken.get(run.feedback.id) if run.feedback else None
        if reason is None:
            ready.append(run)
        else:
            yield Event("failed", _run_job(folder, run), reason=reason)
    leaders = _leaders(sweep, folder, planned) if share else {}
    followers: dict[str, list[Run]] = {}
    to_train = []
    for run in ready:
        leader = leaders.get(run.id, run)
        if leader == run:
            to_train.append(run)
        else:
            followers.setdefault(leader.id, []).append(run)
    finished = [p.run for p in planned if p.row is not None]
    for event in (Event("done", _run_job(folder, run)) for run in finished):
        yield from _follow(event, followers.get(event.job.id, []), sweep, folder)
    groups = group_runs(sweep, to_train, at_most=together, n_workers=n_workers)
    for event in _run_groups(groups, folder, n_workers):
        yield event
        yield from _follow(event, followers.get(event.job.id, []), sweep, folder)


def _run_groups(
    groups: Sequence[Sequence[Run]], folder: SweepFolder, n_workers: int
) -> Iterator[Event]:
    """Train each group as one job, and the runs of a group that fails each for itself."""
    by_id = {group[0].id: group for group in groups}
    apart: list[Run] = []
    for event in run_jobs([_group_job(folder, group) for group in groups], n_workers):
        group = by_id[event.job.id]
        if event.kind == "failed" and len(group) > 1:
            apart += group
            reason = f"{event.reason}; it was trained with others and is now trained alone"
            event = replace(event, kind="retried", reason=reason)
        for run in group:
            yield replace(event, job=replace(event.job, id=run.id))
    yield from run_jobs([_run_job(folder, run) for run in apart], n_workers)


def _missing_feedback(sweep: Sweep, folder: SweepFolder, waiting: Sequence[Run]) -> list[Job]:
    """Labels and rewards that these runs need and nobody has made yet."""
    needed = {f.id: f for run in waiting if (f := run.feedback) is not None}
    return [
        _job(folder, "feedback", name, 0)
        for name, feedback in needed.items()
        if _feedback_row(sweep, folder, feedback) is None
    ]


def _feedback_row(sweep: Sweep, folder: SweepFolder, feedback: Feedback) -> dict[str, Any] | None:
    settings = feedback.settings(sweep, describe_data(sweep, feedback.task))
    return folder.row("feedback", feedback.id, settings)


def _leaders(sweep: Sweep, folder: SweepFolder, planned: Sequence[Planned]) -> dict[str, Run]:
    """For each run on labels, the run that is trained for all with equal labels; often itself."""
    groups: dict[tuple[Any, ...], list[Planned]] = {}
    for member in planned:
        feedback = member.run.feedback
        row = feedback and _feedback_row(sweep, folder, feedback)
        if row and "digest" in row:
            key = (member.run.task, member.run.seed, member.run.learner.name, row["digest"])
            groups.setdefault(key, []).append(member)
    return {
        member.run.id: next((p for p in group if p.row is not None), group[0]).run
        for group in groups.values()
        for member in group
    }


def _follow(
    event: Event, followers: Sequence[Run], sweep: Sweep, folder: SweepFolder
) -> Iterator[Event]:
    """Once a run has ended, end those that share its labels as it did."""
    if event.kind not in ("done", "failed"):
        return
    for run in followers:
        job = _run_job(folder, run)
        if event.kind == "failed":
            yield Event("failed", job, reason=f"{event.job.id}, whose labels it shares, failed")
            continue
        row = json.loads(folder.path("runs", event.job.id).read_text(encoding="utf-8"))
        leader = row["same_labels_as"] or row["id"]
        row |= describe_run(sweep, run, folder) | {"same_labels_as": leader}
        folder.write_row("runs", run.id, row)
        yield Event("shared", job, run.steps, reason=f"same labels as {leader}")


def _group_job(folder: SweepFolder, group: Sequence[Run]) -> Job:
    """One process for all; it is done once the row of the last is there."""
    job = _run_job(folder, group[0])
    more = tuple(run.id for run in group[1:])
    return replace(
        job,
        arguments=(*job.arguments, *more),
        result=folder.path("runs", group[-1].id),
    )


def _run_job(folder: SweepFolder, run: Run) -> Job:
    return _job(folder, "runs", run.id, run.steps)


def _job(folder: SweepFolder, kind: Kind, name: str, steps: int) -> Job:
    return Job(
        id=name,
        arguments=("-m", "vlfeedback.sweeps.worker", str(folder.root), kind, name),
        result=folder.path(kind, name),
        log=folder.log(name),
        progress=folder.progress(name),
        steps=steps,
    )
