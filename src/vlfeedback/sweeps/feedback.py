"""The labels or rewards of one source, made once and read by every run that learns from them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vlfeedback.data.contents import file_digest
from vlfeedback.data.foreign_files import reading
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.whole_files import new_file
from vlfeedback.errors import FileFormatError, VLFeedbackError
from vlfeedback.evaluation.labels.truth import true_labels
from vlfeedback.preferences import make_preference_source
from vlfeedback.preferences.accuracy import label_accuracy
from vlfeedback.rewards import make_reward_source
from vlfeedback.scoring.labelling import label_pairs
from vlfeedback.scoring.readable import check_pairs_readable
from vlfeedback.scoring.relabel import Between, check_readable, relabel
from vlfeedback.sweeps.data import draw_pairs, load_task
from vlfeedback.sweeps.folder import SweepFolder
from vlfeedback.sweeps.runs import Feedback
from vlfeedback.sweeps.specification import SourceSpec, Sweep
from vlfeedback.types import PreferenceSource, RewardSource, Trajectory

_BETWEEN: Between = "hold"  # pictures of collections are some steps apart

__all__ = ["check_source", "make_feedback", "read_labels", "read_rewards"]

_ADVICE = "Delete it and the .json beside it, and the same command makes both again."


def check_source(
    sweep: Sweep, spec: SourceSpec, trajectories: Mapping[str, list[Trajectory]]
) -> None:
    """Make a source, and see whether it can read what it is to label or reward; it is not asked.

    A wrong name or setting, pictures that were not taken or an instruction that is lacking then
    fail before any run.

    Args:
        sweep: whose source it is.
        spec: the source.
        trajectories: of each task.

    Raises:
        NeedsError: the trajectories of a task lack what the source reads.
        ShapeError: no segments are that long.
        whatever a source raises when it is made.
    """
    source: RewardSource | PreferenceSource | None = None
    try:
        for task, episodes in trajectories.items():
            where = f"{spec.gives} of {spec.name!r}, task {task!r}"
            # One that is the same for all tasks is made once; encoders take seconds to load.
            if source is None or spec.tasks:
                make = make_preference_source if spec.gives == "labels" else make_reward_source
                source = make(spec.source, **spec.config_for(task))
            if spec.gives == "labels":
                pairs = draw_pairs(sweep, task, sweep.seeds[0], episodes)
                check_pairs_readable(pairs, source.needs, spec.instruction_for(task))
            elif isinstance(source, RewardSource):
                instruction = spec.instruction_for(task)
                check_readable(episodes, source, instruction=instruction, between=_BETWEEN)
    except VLFeedbackError as error:
        error.add_note(f"It is about the {where} of {sweep.name}.")
        raise


def make_feedback(sweep: Sweep, feedback: Feedback, folder: SweepFolder) -> dict[str, Any]:
    """Have a source label its pairs, or reward its trajectories; returns what a row says of it.

    What was answered before an interruption is not asked again.
    """
    start = time.perf_counter(), time.process_time()
    trajectories = load_task(sweep, feedback.task)
    make = _label if feedback.source.gives == "labels" else _reward
    description = make(sweep, feedback, folder, trajectories)
    return description | {
        "wall_seconds": time.perf_counter() - start[0],
        "cpu_seconds": time.process_time() - start[1],
    }


def read_labels(
    feedback: Feedback, folder: SweepFolder, trajectories: list[Trajectory]
) -> PreferenceDataset:
    """The labels that `make_feedback` made.

    Raises:
        FileFormatError: they are no longer those, or of other trajectories.
    """
    path = _labels_path(feedback, folder)
    dataset = PreferenceDataset.load(path, trajectories)
    _check_unchanged(path, _row(feedback, folder).get("digest"), dataset.digest())
    return dataset


def read_rewards(
    feedback: Feedback, folder: SweepFolder, trajectories: list[Trajectory]
) -> list[Trajectory]:
    """The trajectories with the rewards that `make_feedback` made.

    Raises:
        FileFormatError: they are no longer those, or of other trajectories.
    """
    path = _rewards_path(feedback, folder)
    _check_unchanged(path, _row(feedback, folder).get("file"), file_digest(path))
    with reading(path, "file of rewards", advice=_ADVICE):
        rewards = np.load(path)
    ends = np.cumsum([len(trajectory) for trajectory in trajectories])
    if len(rewards) != ends[-1]:
        raise FileFormatError(
            f"{path} holds {len(rewards)} rewards and the trajectories of {feedback.task!r} have "
            f"{ends[-1]} steps; the data has changed. Use another folder."
        )
    parts = np.split(rewards, ends[:-1])
    return [replace(t, rewards=part) for t, part in zip(trajectories, parts, strict=True)]


def _label(
    sweep: Sweep, feedback: Feedback, folder: SweepFolder, trajectories: list[Trajectory]
) -> dict[str, Any]:
    assert feedback.seed is not None
    pairs = draw_pairs(sweep, feedback.task, feedback.seed, trajectories)
    dataset = label_pairs(
        pairs,
        make_preference_source(feedback.source.source, **feedback.source.config_for(feedback.task)),
        instruction=feedback.source.instruction_for(feedback.task),
        save_to=_labels_path(feedback, folder),
    )
    dataset.check_trainable()
    truth = true_labels(pairs)
    accuracy = math.nan if truth is None else label_accuracy(dataset.labels, truth)
    return {
        "digest": dataset.digest(),
        "pairs": len(dataset),
        "answered": int(dataset.labels.answered.sum()),
        "ties": int(np.sum(dataset.labels.answered & (dataset.labels.prefer_second == 0.5))),
        "accuracy": None if math.isnan(accuracy) else accuracy,
        "cost": float(dataset.cost.sum()),
    }


def _reward(
    sweep: Sweep, feedback: Feedback, folder: SweepFolder, trajectories: list[Trajectory]
) -> dict[str, Any]:
    source = feedback.source
    relabelled = relabel(
        trajectories,
        make_reward_source(source.source, **source.config_for(feedback.task)),
        instruction=source.instruction_for(feedback.task),
        between=_BETWEEN,
        resume=folder.path("feedback", feedback.id, ".relabelled"),
    )
    rewards = np.concatenate([t.rewards for t in relabelled if t.rewards is not None])
    path = _rewards_path(feedback, folder)
    with new_file(path) as partial, partial.open("wb") as file:
        np.save(file, rewards)
    return {
        "steps": len(rewards),
        "mean_reward": float(rewards.mean(dtype=np.float64)),
        "file": file_digest(path),
    }


def _row(feedback: Feedback, folder: SweepFolder) -> dict[str, Any]:
    """What is known of the labels or rewards; earlier releases noted less."""
    return folder.find("feedback", feedback.id) or {}


def _check_unchanged(path: Path, noted: str | None, digest: str) -> None:
    if noted not in (None, digest):
        raise FileFormatError(f"{path} has changed since it was made. {_ADVICE}")


def _labels_path(feedback: Feedback, folder: SweepFolder) -> Path:
    return folder.path("feedback", feedback.id, ".parquet")


def _rewards_path(feedback: Feedback, folder: SweepFolder) -> Path:
    return folder.path("feedback", feedback.id, ".npy")
