"""Trains the missing runs of a sweep, those of a learner as one, and keeps actors on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from actors import ActorWriter, actor_of, check_fit, describe_learner
from packing import read_sweep

from vlfeedback.data.provenance import describe_machine
from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.offline.evaluation import PolicyEvaluation
from vlfeedback.offline.learners import LEARNERS, get_learner
from vlfeedback.offline.presets import get_preset
from vlfeedback.offline.train_together import train_policies
from vlfeedback.offline.trained_policy import TrainedPolicy
from vlfeedback.sweeps.data import load_task
from vlfeedback.sweeps.folder import SweepFolder
from vlfeedback.sweeps.groups import group_runs
from vlfeedback.sweeps.runs import Run, expand
from vlfeedback.sweeps.specification import Sweep
from vlfeedback.sweeps.training import data_of, options_of

Say = Callable[[str], None]


class Recorder:
    """An evaluator that judges nothing: it keeps the actors of these steps."""

    def __init__(self, steps: Sequence[int]) -> None:
        self._steps = steps
        self.actors: dict[int, np.ndarray] = {}

    def evaluate(self, policy: Any) -> PolicyEvaluation:
        if policy.grad_step in self._steps:
            self.actors[policy.grad_step] = actor_of(policy)
        return PolicyEvaluation(np.zeros(0, np.bool_), np.zeros(0), np.zeros(0, np.int64))


def train(
    root: Path,
    out: Path,
    *,
    device: str,
    steps: int | None = None,
    learners: Sequence[str] = (),
    n_actors: int | None = None,
    say: Say = print,
) -> None:
    """Train all runs that have no row, and fill `out` with their actors.

    Args:
        root: folder of the sweep, see `read_sweep`.
        out: a new folder. After a stop it has the groups of runs that were finished.
        device: torch's name of it.
        steps: of each run, for a trial.
        learners: names, as the sweep has them; none: all.
        n_actors: at most so many of each run, evenly spread; None: one for each evaluation.
        say: told what happens.

    Raises:
        NeedsError: labels are lacking, or nothing is to be trained.
        InvalidValueError: the actors would not fit, `out` is not empty, or there is no such
            learner or device.
    """
    if torch.device(device).type == "cuda" and not torch.cuda.is_available():
        raise InvalidValueError(f"There is no device {device!r}; pass --device cpu for a trial.")
    sweep, folder = read_sweep(root), SweepFolder(root)
    runs = _missing(sweep, folder, learners, say)
    runs = [run if steps is None else replace(run, steps=steps) for run in runs]
    kept = {run.id: _kept_steps(sweep, run, n_actors) for run in runs}
    sizes = {task: _sizes(sweep, task) for task in {run.task for run in runs}}
    check_fit([_n_parameters(run, *sizes[run.task]) for run in runs for _ in kept[run.id]])
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    writer = ActorWriter(
        out, {"sweep": sweep.name, "device": name, "precision": "float16", **describe_machine()}
    )
    for group in group_runs(sweep, runs, at_most=len(runs), n_workers=1):
        for told in _halved(group, lambda some: _train(sweep, folder, some, kept, device, writer)):
            writer.write()
            say(told)


def _missing(sweep: Sweep, folder: SweepFolder, learners: Sequence[str], say: Say) -> list[Run]:
    """The runs to train."""
    known = [learner.name for learner in sweep.learners]
    for name in learners:
        if name not in known:
            raise InvalidValueError(f"The sweep has no learner {name!r}; it has {known}.")
    runs = [run for run in expand(sweep) if folder.find("runs", run.id) is None]
    runs = [run for run in runs if not learners or run.learner.name in learners]
    together = [run for run in runs if get_learner(run.learner.learner).together]
    if apart := sorted({run.learner.name for run in runs if run not in together}):
        say(f"Left to `vlfeedback sweep`, since they are not trained together: {', '.join(apart)}.")
    if not together:
        raise NeedsError("No run is to be trained: all that can be trained together are finished.")
    for run in together:
        if run.feedback is not None and folder.find("feedback", run.feedback.id) is None:
            raise NeedsError(
                f"{folder.root} lacks labels or rewards of {run.feedback.id}; run the sweep until "
                "they are there."
            )
    return together


def _kept_steps(sweep: Sweep, run: Run, n_actors: int | None) -> list[int]:
    every = options_of(sweep, run)["eval_every"]
    steps = [*range(every, run.steps, every), run.steps]
    if n_actors is None or n_actors >= len(steps):
        return steps
    if n_actors < 1:
        raise InvalidValueError(f"--actors is {n_actors}; expected at least 1.")
    return [steps[round((k + 1) * len(steps) / n_actors) - 1] for k in range(n_actors)]


def _sizes(sweep: Sweep, task: str) -> tuple[int, int]:
    first = load_task(sweep, task)[0]
    return first.observations.shape[1], first.actions.shape[1]


def _n_parameters(run: Run, n_observed: int, n_acted: int) -> int:
    """Of an actor, or a few more."""
    name = LEARNERS.entry(run.learner.learner).name
    settings = get_preset(run.learner.preset).settings(name, run.steps, run.learner.settings)
    widths = [n_observed, *settings.get("hidden", [256, 256]), n_acted]
    return sum((n + 1) * m for n, m in pairwise(widths)) + n_acted


def _halved(runs: Sequence[Run], work: Callable[[Sequence[Run]], str]) -> Iterator[str]:
    """What `work` says of all runs together, or of each half where the device is too small."""
    try:
        said = work(runs)
    except torch.OutOfMemoryError:
        if len(runs) == 1:
            raise
        said = ""
    if said:
        yield said
        return
    torch.cuda.empty_cache()
    middle = len(runs) // 2
    for half in (runs[:middle], runs[middle:]):
        yield from _halved(half, work)


def _train(
    sweep: Sweep,
    folder: SweepFolder,
    runs: Sequence[Run],
    kept: dict[str, list[int]],
    device: str,
    writer: ActorWriter,
) -> str:
    """Train these runs as one; their actors are added to the writer."""
    start = time.perf_counter(), time.process_time()
    recorders = [Recorder(kept[run.id]) for run in runs]
    policies: list[TrainedPolicy] = train_policies(
        runs[0].learner.learner,
        [
            replace(data_of(sweep, run, folder), evaluator=recorder)
            for run, recorder in zip(runs, recorders, strict=True)
        ],
        device=device,
        **options_of(sweep, runs[0]),
    )
    wall, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
    for run, recorder, policy in zip(runs, recorders, policies, strict=True):
        facts = {
            "trained_together": len(runs),
            "wall_seconds": wall / len(runs),
            "cpu_seconds": cpu / len(runs),
            "evaluations": len(policy.curve),
            "training": policy.config,
            "notes": policy.notes,
            "learner": describe_learner(policy.algo),
        }
        writer.add(run.id, recorder.actors, facts)
    learner = runs[0].learner.name
    return f"{learner}: {len(runs)} runs of {runs[0].steps:,} steps in {wall:.0f} s"
