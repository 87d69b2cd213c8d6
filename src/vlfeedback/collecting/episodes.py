"""Episodes of tasks into a folder: what is missing there, by worker processes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from vlfeedback.collecting import rollout
from vlfeedback.collecting.rollout import Policy, check_policy, name_policy
from vlfeedback.collecting.seeds import first_seed
from vlfeedback.collecting.settings import complete_settings, steps_of, unusable_settings
from vlfeedback.collecting.worker_pool import worker_pool
from vlfeedback.data.collection import Collection
from vlfeedback.data.locks import locked_file
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.data.unfinished import noted_as_unfinished
from vlfeedback.data.whole_files import delete_partials
from vlfeedback.data.writable import check_writable
from vlfeedback.errors import InvalidValueError, NeedsError, UnknownNameError
from vlfeedback.registry import load_target, suggest
from vlfeedback.tasks import TaskSpec, get_task
from vlfeedback.types import Report

__all__ = ["collect", "collect_level", "levels_of"]

_RANDOM = "random"  # the level that every environment has


def collect(
    out: str | Path,
    tasks: Iterable[str | TaskSpec],
    *,
    settings: Mapping[str, Any] | None = None,
    workers: int = 1,
    levels: Iterable[str] | None = None,
    policies: Mapping[str, str | Policy] | None = None,
    report: Report | None = None,
) -> int:
    """Collect the episodes that are missing in a folder, one file a task and level.

    Each task's levels are acted out by its `TaskSpec.rollout`; level ``"random"`` of a task that
    has none samples the environment's actions. The same call after an interruption goes on. What
    a task is that only this program knows, and who acted, is noted in ``TASK/task.json``.

    Args:
        out: the folder, read by `vlfeedback.data.collection.Collection`.
        tasks: names, or tasks such as those of `vlfeedback.own_task`.
        settings: see `vlfeedback.collecting.complete_settings`.
        workers: processes; 0 collects in this one.
        levels: to collect; by default those of each task and of `policies`, without its
            `TaskSpec.more_levels`.
        policies: who acts in place of a task's own script, by level: ``"module:function"``; a
            folder of `vlfeedback train`, a ``.d3`` file of d3rlpy or a ``.zip`` of
            stable-baselines3; or what takes an observation and gives an action, which acts in
            this process.
        report: called after each file, with stage ``"collect TASK"`` and numbers of episodes.

    Returns:
        How many trajectories were made.

    Raises:
        UnknownNameError: there is no such task, level, setting, environment or policy.
        InvalidValueError: a setting is out of range, or the tasks have different defaults.
        NeedsError: a task names no environment, or one without a time limit.
        FileNotFoundError: there is no such file of a policy.
        CheckpointError: a policy's file cannot be read, or is of another environment.
        FileFormatError: `out` was begun with other settings, or a file in it is damaged.
        BusyError: another process collects one of the tasks into `out`.
        WriteError: `out` cannot be written.
        OSError: a worker was killed; every finished file is kept.
    """
    out = Path(out)
    specs = list({spec.name: spec for spec in map(get_task, tasks)}.values())
    if not specs:
        raise NeedsError("There is no task to collect; name at least one.")
    acting = dict(policies or {})
    plan = [(spec, k) for spec in specs for k in _check_levels(spec, levels, acting)]
    whole = complete_settings(specs, settings or {})
    for name, problem in unusable_settings(specs, whole).items():
        raise InvalidValueError(f"{name}: {problem}")
    is_done = all(Collection(out, whole).path(spec.name, k).exists() for spec, k in plan)
    if not is_done:
        check_writable(out, folder=True)
    collection = Collection.create(out, whole)
    with ExitStack() as locks:
        for spec in [] if is_done else specs:  # one that is finished may lie where nobody writes
            locks.enter_context(locked_file(out / spec.name, what="collects episodes into"))
        for spec in specs:
            collection.note_task(spec, {k: name_policy(policy) for k, policy in acting.items()})
        missing = [
            (spec, level, collection.path(spec.name, level), whole, acting.get(level))
            for spec, level in plan
            if not collection.has(spec.name, level)
        ]
        for _, _, path, _, _ in missing:
            delete_partials(path)  # of a command that was killed
        each, total = int(whole["episodes"]), len(missing) * int(whole["episodes"])
        n_done = 0

        def tell(spec: TaskSpec) -> None:
            nonlocal n_done
            n_done += each
            if report is not None:
                report(f"collect {spec.name}", n_done, total, math.nan)

        for spec in specs:
            to_come = [level for other, level, *_ in missing if other is spec]
            locks.enter_context(noted_as_unfinished(out / spec.name, to_come))
        _do(missing, workers, tell)
    return total


def levels_of(
    spec: TaskSpec, policies: Mapping[str, str | Policy] | None = None
) -> tuple[str, ...]:
    """Levels that are collected by default: of a task's script, of policies, or random ones."""
    own = spec.levels or (_RANDOM,)
    return tuple(dict.fromkeys([*(policies or {}), *own]))


def collect_level(
    task: TaskSpec,
    level: str,
    path: Path,
    settings: Mapping[str, Any],
    policy: str | Policy | None = None,
) -> None:
    """Write one file: all episodes of a task and level.

    Args:
        task: whose episodes.
        level: one of `levels_of`, or of `TaskSpec.more_levels`.
        path: of the file.
        settings: of `vlfeedback.collecting.complete_settings`.
        policy: who acts in place of the task's own script.
    """
    first = first_seed(task.name, level, settings["seed"])
    seeds = range(first, first + settings["episodes"])
    if policy is not None or level not in task.scripted_levels:
        episodes = rollout.roll_out(task, level, seeds, settings, policy=policy)
    else:
        script = load_target(task.rollout, what=f"The rollout of task {task.name!r}")
        episodes = script(task, level, seeds, settings)
    write_trajectories(path, list(episodes))  # a killed worker then leaves no half file behind


def _check_levels(
    spec: TaskSpec, levels: Iterable[str] | None, policies: Mapping[str, str | Policy]
) -> list[str]:
    """The levels to collect, each of which somebody acts out."""
    own_levels = levels_of(spec, policies)
    names = list(dict.fromkeys(own_levels if levels is None else levels))
    own_levels = (*own_levels, *spec.more_levels)
    for level in names:
        if level not in (*own_levels, _RANDOM):
            raise UnknownNameError(
                f"Task {spec.name!r} has no level {level!r}. {suggest(level, own_levels)}It has "
                f"{', '.join(own_levels)}; give a policy for another."
            )
        scripted = level not in policies and level in spec.scripted_levels
        if not scripted:
            if not spec.env_id:
                raise NeedsError(
                    f"Task {spec.name!r} names no environment to collect episodes of; give its "
                    "TaskSpec an env_id."
                )
            steps_of(spec.env_id)
    for level, policy in policies.items():
        if isinstance(policy, str) and level in names:
            check_policy(policy, what=f"The policy of level {level!r}")
    return names


_Job = tuple[TaskSpec, str, Path, Mapping[str, Any], str | Policy | None]


def _do(jobs: Sequence[_Job], workers: int, tell: Callable[[TaskSpec], None]) -> None:
    """Run all jobs, in any order; `tell` is called with the task of each as it finishes."""
    local_jobs = [job for job in jobs if workers == 0 or callable(job[-1])]
    pool_jobs = [job for job in jobs if job not in local_jobs]
    for job in local_jobs:
        collect_level(*job)
        tell(job[0])
    if not pool_jobs:
        return
    with worker_pool(min(workers, len(pool_jobs))) as pool:
        submitted = {pool.submit(collect_level, *job): job for job in pool_jobs}
        try:
            for future in as_completed(submitted):
                future.result()
                tell(submitted[future][0])
        except BrokenProcessPool as error:
            raise ChildProcessError(
                "A worker was killed, most likely because memory ran out. Finished files are kept; "
                "go on with the same command and fewer --workers."
            ) from error
