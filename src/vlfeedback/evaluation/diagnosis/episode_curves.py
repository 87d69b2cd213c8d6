"""Scores along one episode of each level, forwards and with the pictures backwards: to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float32, Int64

from vlfeedback.evaluation.diagnosis.episode_scores import (
    played_backwards,
    scores_of_episode,
    steps_to_score,
)
from vlfeedback.evaluation.diagnosis.inputs import LEVELS, DiagnosisInputs
from vlfeedback.scoring.curves import ScoreCurve
from vlfeedback.scoring.paced import PacedSource
from vlfeedback.types import Trajectory

__all__ = ["episode_curves", "until_success"]


def episode_curves(
    paced_source: PacedSource,
    inputs: DiagnosisInputs,
    along: Mapping[Trajectory, Float32[np.ndarray, " E"]],
) -> dict[str, ScoreCurve]:
    """By level, the scores of one episode; the expert's also backwards, up to its success.

    The expert is the first that succeeds, the others the first that fail, if there are such.

    Args:
        paced_source: scores.
        inputs: has the episodes.
        along: their scores, see `scores_of_episode`.
    """
    curves = {}
    for level in LEVELS:
        episodes = inputs.of_level(level)
        if not episodes:
            continue
        episode = _typical(episodes, succeeds=level == "expert")
        steps = steps_to_score(episode, paced_source)
        backwards = None
        if level == "expert" and paced_source.needs.frames:
            last = int(steps[until_success(episode, steps)][-1])
            reversed_episode = played_backwards(episode, last)
            backwards = scores_of_episode(paced_source, reversed_episode, inputs.instruction)
        curves[level] = ScoreCurve(episode, steps, along[episode], backwards)
    return curves


def until_success(trajectory: Trajectory, steps: Int64[np.ndarray, " E"]) -> Bool[np.ndarray, " E"]:
    """Which of these steps come before the first success, or are the first to see it."""
    success = trajectory.first_success
    if success is None:
        return np.ones(len(steps), dtype=bool)
    return np.asarray(np.arange(len(steps)) <= np.searchsorted(steps, success))


def _typical(episodes: Sequence[Trajectory], *, succeeds: bool) -> Trajectory:
    fitting = [t for t in episodes if (t.first_success is not None) == succeeds]
    return (fitting or list(episodes))[0]
