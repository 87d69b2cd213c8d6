"""One run: train a policy on labels or rewards that are there, judge it, and describe both."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from vlfeedback.data.learning_episodes import env_options_of, episodes_to_learn
from vlfeedback.data.provenance import describe_machine
from vlfeedback.offline.evaluation import PolicyEvaluator
from vlfeedback.offline.train import train_policy
from vlfeedback.sweeps.data import describe_data, load_task
from vlfeedback.sweeps.feedback import read_labels, read_rewards
from vlfeedback.sweeps.folder import SweepFolder
from vlfeedback.sweeps.runs import Run
from vlfeedback.sweeps.specification import Sweep

__all__ = ["describe_run", "train"]


def describe_run(sweep: Sweep, run: Run, folder: SweepFolder) -> dict[str, Any]:
    """What a row says of a run before it is trained: settings, labels, and the command."""
    data = describe_data(sweep, run.task)
    feedback = run.feedback
    row = None
    if feedback is not None:
        row = folder.row("feedback", feedback.id, feedback.settings(sweep, data))
    return {
        "id": run.id,
        "compared": "/".join(run.compared),
        "settings": run.settings(sweep, data),
        "feedback": row and {key: value for key, value in row.items() if key != "settings"},
        "command": folder.command(),
    }


def train(sweep: Sweep, run: Run, folder: SweepFolder) -> dict[str, Any]:
    """Train and judge one policy; returns its row."""
    start = time.perf_counter(), time.process_time()
    description = describe_run(sweep, run, folder)  # first: of the data that are read
    trajectories = load_task(sweep, run.task)
    preferences = None
    feedback = run.feedback
    if feedback is not None and feedback.source.gives == "labels":
        preferences = read_labels(feedback, folder, trajectories)
    elif feedback is not None:
        trajectories = read_rewards(feedback, folder, trajectories)
    progress = folder.progress(run.id)

    def report(stage: str, step: int, _total: int, _loss: float) -> None:
        if stage in ("train", "diffusion"):  # and not the reward model before it
            progress.write_text(str(step), encoding="utf-8")

    progress.parent.mkdir(parents=True, exist_ok=True)
    policy = train_policy(
        run.learner.learner,
        trajectories=episodes_to_learn(
            trajectories, rest=sweep.rest, levels=run.learner.levels, where=sweep.data
        ),
        preferences=preferences,
        preset=run.learner.preset,
        n_steps=run.steps,
        seed=run.seed,
        evaluator=_evaluator(sweep, run.task, env_options_of(trajectories, where=sweep.data)),
        eval_every=run.learner.every or sweep.evaluation.every,
        n_threads=1,
        report=report,
        **run.learner.settings,
    )
    return description | {
        "same_labels_as": None,
        **describe_machine(),
        "wall_seconds": time.perf_counter() - start[0],
        "cpu_seconds": time.process_time() - start[1],
        "training": policy.config,
        "notes": policy.notes,
        **policy.curve.to_json(),
    }


def _evaluator(sweep: Sweep, task: str, options: Mapping[str, Any]) -> PolicyEvaluator:
    spec, settings = sweep.task(task), sweep.evaluation
    return PolicyEvaluator(
        spec.env_id,
        seeds=range(settings.episodes),
        horizon=settings.horizon,
        stop_at_success=settings.stop_at_success,
        success_key=spec.success_key,
        env_options=options,
    )
