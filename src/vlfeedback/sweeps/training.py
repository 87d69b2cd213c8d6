"""Runs: train policies on labels or rewards that are there, judge them, and describe both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from vlfeedback.data.learning_episodes import env_options_of, episodes_to_learn, forget_stops
from vlfeedback.data.provenance import describe_machine
from vlfeedback.offline.evaluation import PolicyEvaluator
from vlfeedback.offline.train import train_policy
from vlfeedback.offline.train_together import PolicyRun, train_policies
from vlfeedback.sweeps.data import describe_data, load_task
from vlfeedback.sweeps.feedback import read_labels, read_rewards
from vlfeedback.sweeps.folder import SweepFolder
from vlfeedback.sweeps.runs import Run
from vlfeedback.sweeps.specification import Sweep

__all__ = ["data_of", "describe_run", "evaluator_of", "options_of", "train"]


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


def train(sweep: Sweep, runs: Sequence[Run], folder: SweepFolder) -> list[dict[str, Any]]:
    """Train and judge one policy, or several of one learner together; returns their rows.

    What was stopped goes on from its last evaluation. Each has an equal share of the time that
    several took, in all processes.
    """
    descriptions = [describe_run(sweep, run, folder) for run in runs]  # first: of what is read
    learner = runs[0].learner
    progress = folder.progress(runs[0].id)

    def report(stage: str, step: int, _total: int, _loss: float) -> None:
        if stage in ("train", "diffusion"):  # and not the reward model before it
            progress.write_text(str(step), encoding="utf-8")

    progress.parent.mkdir(parents=True, exist_ok=True)
    evaluators = {run.task: evaluator_of(sweep, run.task) for run in runs}  # one for all of a task
    data = [
        replace(
            data_of(sweep, run, folder),
            evaluator=evaluators[run.task],
            out=folder.unfinished(run.id),
        )
        for run in runs
    ]
    options = options_of(sweep, runs[0]) | {"n_threads": 1, "report": report}
    if len(runs) == 1:
        policies = [
            train_policy(
                learner.learner,
                trajectories=data[0].trajectories,
                preferences=data[0].preferences,
                seed=data[0].seed,
                evaluator=data[0].evaluator,
                out=data[0].out,
                **options,
            )
        ]
    else:
        policies = train_policies(learner.learner, data, **options)
    return [
        description
        | {
            "same_labels_as": None,
            "trained_together": len(runs),
            **describe_machine(),
            "wall_seconds": policy.seconds,
            "cpu_seconds": policy.cpu_seconds,
            "training": policy.config,
            "notes": policy.notes,
            **policy.curve.to_json(),
        }
        for description, policy in zip(descriptions, policies, strict=True)
    ]


def options_of(sweep: Sweep, run: Run) -> dict[str, Any]:
    """How its learner is trained: arguments of `train_policy` that are no data."""
    return {
        "preset": run.learner.preset,
        "n_steps": run.steps,
        "eval_every": run.learner.every or sweep.evaluation.every,
        **run.learner.settings,
    }


def data_of(sweep: Sweep, run: Run, folder: SweepFolder) -> PolicyRun:
    """What a run learns from."""
    trajectories = load_task(sweep, run.task)
    preferences = None
    feedback = run.feedback
    if feedback is not None and feedback.source.gives == "labels":
        shown = forget_stops(trajectories) if sweep.rest else trajectories
        preferences = read_labels(feedback, folder, shown)
    elif feedback is not None:
        trajectories = read_rewards(feedback, folder, trajectories)
    return PolicyRun(
        seed=run.seed,
        trajectories=episodes_to_learn(
            trajectories, rest=sweep.rest, levels=run.learner.levels, where=sweep.data
        ),
        preferences=preferences,
    )


def evaluator_of(sweep: Sweep, task: str) -> PolicyEvaluator:
    """Judges policies of a task, in the environment that its data were recorded in, or as set."""
    spec, settings = sweep.task(task), sweep.evaluation
    recorded = env_options_of(load_task(sweep, task), where=sweep.data)
    return PolicyEvaluator(
        spec.env_id,
        seeds=range(settings.episodes),
        horizon=settings.horizon,
        stop_at_success=settings.stop_at_success,
        success_key=spec.success_key,
        env_options={**recorded, **settings.env_options},
    )
