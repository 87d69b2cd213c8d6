"""Scores along an episode, what a policy would be paid for it, and episodes played backwards."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float32, Int64

from vlfeedback.errors import NeedsError
from vlfeedback.scoring.pictures import pictures_of
from vlfeedback.scoring.steps import score_along
from vlfeedback.scoring.timing import steps_with_pictures
from vlfeedback.types import ArrayFrames, RewardSource, Trajectory

__all__ = ["episode_score", "played_backwards", "scores_of_episode", "steps_to_score"]

_PREFIXES = 8  # scores along an episode of a source that reads whole episodes: each is an episode


def steps_to_score(trajectory: Trajectory, source: RewardSource) -> Int64[np.ndarray, " E"]:
    """Steps at which an episode is scored: those with a picture, at the source's pace, or all.

    Of a source that scores whole episodes a few of them, spread evenly, first and last included.

    Raises:
        NeedsError: the source reads pictures and there is none after step 0.
    """
    needs = source.needs
    steps = np.arange(len(trajectory), dtype=np.int64)
    if needs.frames:
        steps = steps_with_pictures(trajectory, stride=needs.frame_stride)
        if steps[0] != 0:
            raise NeedsError(
                f"Trajectory {trajectory.id!r} has no picture after step 0; record pictures of the "
                f"reset and after the steps 0, {needs.frame_stride}, {2 * needs.frame_stride} ..."
            )
    if needs.granularity == "episode":
        places = np.linspace(0, len(steps) - 1, min(_PREFIXES, len(steps)))
        steps = steps[np.rint(places).astype(np.int64)]
    return steps


def scores_of_episode(
    source: RewardSource, trajectory: Trajectory, instruction: str
) -> Float32[np.ndarray, " E"]:
    """The score at each of `steps_to_score`; see `vlfeedback.scoring.steps.score_along`."""
    steps = steps_to_score(trajectory, source)
    return np.asarray(score_along(source, trajectory, [instruction], steps)[0])


def episode_score(
    source: RewardSource, trajectory: Trajectory, along: Float32[np.ndarray, " E"]
) -> float:
    """What a policy would be paid for this episode: scores summed, each held until the next.

    Of a source that scores episodes: its last score.

    Args:
        source: gave `along`.
        trajectory: an episode.
        along: of `scores_of_episode`.
    """
    if source.needs.granularity == "episode":
        return float(along[-1])
    durations = np.diff(np.append(steps_to_score(trajectory, source), len(trajectory)))
    return float(along.astype(np.float64) @ durations)


def played_backwards(trajectory: Trajectory, until: int) -> Trajectory:
    """An episode up to a step with its pictures in reverse order, and nothing else changed.

    Args:
        trajectory: with pictures.
        until: its last step; only pictures up to there are shown.

    Raises:
        NeedsError: there are no pictures.
    """
    frames = pictures_of(trajectory)
    times = np.asarray(frames.times[frames.times <= until + 1])
    length = int(times[-1])
    return replace(
        trajectory,
        observations=trajectory.observations[: length + 1],
        actions=trajectory.actions[:length],
        env_rewards=_cut(trajectory.env_rewards, length),
        rewards=_cut(trajectory.rewards, length),
        successes=None,
        frames=ArrayFrames(times, frames.read(times)[::-1]),
        id=f"{trajectory.id} backwards",
    )


def _cut(rows: Float32[np.ndarray, " L"] | None, length: int) -> Float32[np.ndarray, " l"] | None:
    return None if rows is None else rows[:length]
