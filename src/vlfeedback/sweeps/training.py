"""One run: train a policy on labels or rewards that are there, judge it, and describe both."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from vlfeedback.offline.evaluation import Policy, PolicyEvaluation, PolicyEvaluator
from vlfeedback.sweeps.data import describe_data, load_task
from vlfeedback.sweeps.feedback import read_labels, read_rewards
from vlfeedback.sweeps.folder import SweepFolder
from vlfeedback.sweeps.provenance import describe_machine
from vlfeedback.sweeps.runs import Run
from vlfeedback.sweeps.specification import Sweep
from vlfeedback.tasks import get_task

__all__ = ["describe_run", "train"]


def describe_run(sweep: Sweep, run: Run, folder: SweepFolder) -> dict[str, Any]:
    """What a row says of a run before it is trained: settings, labels, and the command."""
    data = describe_data(sweep)
    feedback = run.feedback
    said = None
    if feedback is not None:
        said = folder.row("feedback", feedback.id, feedback.settings(sweep, data))
    return {
        "id": run.id,
        "compared": "/".join(run.compared),
        "settings": run.settings(sweep, data),
        "feedback": said and {key: value for key, value in said.items() if key != "settings"},
        "command": folder.command(),
    }


def train(sweep: Sweep, run: Run, folder: SweepFolder) -> dict[str, Any]:
    """Train and judge one policy; returns its row."""
    from vlfeedback.offline import train_policy

    begun = time.perf_counter(), time.process_time()
    every = min(sweep.evaluation.every, run.steps)
    trajectories = load_task(sweep, run.task)
    preferences = None
    feedback = run.feedback
    if feedback is not None and feedback.source.gives == "labels":
        preferences = read_labels(feedback, folder, trajectories)
    elif feedback is not None:
        trajectories = read_rewards(feedback, folder, trajectories)
    trained = train_policy(
        run.learner.learner,
        trajectories=trajectories,
        preferences=preferences,
        preset=run.learner.preset,
        n_steps=run.steps,
        seed=run.seed,
        evaluator=_Evaluator(sweep, run.task, every, folder.progress(run.id)),
        eval_every=every,
        n_threads=1,
        **run.learner.settings,
    )
    return describe_run(sweep, run, folder) | {
        "same_labels_as": None,
        **describe_machine(),
        "wall_seconds": time.perf_counter() - begun[0],
        "cpu_seconds": time.process_time() - begun[1],
        **trained.curve.to_json(),
    }


class _Evaluator(PolicyEvaluator):
    """Writes down after each evaluation how many gradient steps are done."""

    def __init__(self, sweep: Sweep, task: str, every: int, progress: Path) -> None:
        spec, settings = get_task(task), sweep.evaluation
        super().__init__(
            spec.env_id,
            seeds=range(settings.episodes),
            horizon=settings.horizon,
            stop_at_success=settings.stop_at_success,
            success_key=spec.success_key,
        )
        self._every, self._progress = every, progress
        self._done = 0

    def evaluate(self, policy: Policy) -> PolicyEvaluation:
        """Run one episode for each seed; see `PolicyEvaluator`."""
        seen = super().evaluate(policy)
        self._done += self._every
        self._progress.parent.mkdir(parents=True, exist_ok=True)
        self._progress.write_text(str(self._done), encoding="utf-8")
        return seen
