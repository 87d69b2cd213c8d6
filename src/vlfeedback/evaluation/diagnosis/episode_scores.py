"""A source's scores along episodes, of whole episodes, and of clips, each clip scored once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float32, Float64, Int64

from vlfeedback.data.pairings import ShownSegment
from vlfeedback.errors import NeedsError
from vlfeedback.evaluation.diagnosis.paced_source import PacedSource
from vlfeedback.scoring.segments import SegmentScorer
from vlfeedback.scoring.steps import ChosenSteps, score_steps
from vlfeedback.scoring.windows import picture_times, pictures_of
from vlfeedback.types import ArrayFrames, Trajectory

__all__ = [
    "CachedSegmentScorer",
    "episode_score",
    "played_backwards",
    "score_along",
    "scored_steps",
]

_PICTURES_AT_A_TIME = 1024
_PREFIXES = 8  # scores along an episode of a source that reads whole episodes: each is a film


class CachedSegmentScorer(SegmentScorer):
    """A `SegmentScorer` that scores no clip twice: pairings share many."""

    def __init__(self, source: PacedSource) -> None:
        super().__init__(source)
        self.needs = source.needs
        self._known: dict[ShownSegment, float] = {}

    def scores(self, clips: Sequence[ShownSegment]) -> Float64[np.ndarray, " N"]:
        """See `SegmentScorer.scores`."""
        new = [clip for clip in dict.fromkeys(clips) if clip not in self._known]
        if new:
            self._known.update(zip(new, super().scores(new).tolist(), strict=True))
        return np.array([self._known[clip] for clip in clips], dtype=np.float64)


def scored_steps(trajectory: Trajectory, paced_source: PacedSource) -> Int64[np.ndarray, " E"]:
    """Steps that are scored: those with a picture, at the source's pace, or all steps.

    Of a source that scores whole episodes a few of them, spread evenly, first and last included.

    Raises:
        NeedsError: the source reads pictures and there are none after step 0.
    """
    steps = np.arange(len(trajectory), dtype=np.int64)
    if paced_source.needs.frames:
        steps = _pictured(trajectory, paced_source)
    if paced_source.needs.granularity == "episode":
        places = np.linspace(0, len(steps) - 1, min(_PREFIXES, len(steps)))
        steps = steps[np.rint(places).astype(np.int64)]
    return steps


def _pictured(trajectory: Trajectory, paced_source: PacedSource) -> Int64[np.ndarray, " E"]:
    pictured = pictures_of(trajectory).times - 1
    steps = pictured[(pictured >= 0) & (pictured % paced_source.needs.frame_stride == 0)]
    if not len(steps) or steps[0] != 0:
        raise NeedsError(
            f"Trajectory {trajectory.id!r} has no picture after step 0; record pictures of the "
            f"reset and after the steps 0, {paced_source.needs.frame_stride}, "
            f"{2 * paced_source.needs.frame_stride} ..."
        )
    return np.asarray(steps, dtype=np.int64)


def score_along(
    paced_source: PacedSource, trajectory: Trajectory, instruction: str
) -> Float32[np.ndarray, " E"]:
    """The score at each of `scored_steps`, in the source's unit.

    Of a step, of the window that ends there, or of the episode as if it ended there, as the source
    scores steps, windows or episodes.

    Raises:
        NeedsError: the trajectory lacks what the source reads.
        DtypeError: the source gave a number that is not finite.
    """
    needs = paced_source.needs
    whole = needs.granularity == "episode"
    ends = scored_steps(trajectory, paced_source)
    chosen = []
    for part in np.split(ends, len(ends)) if whole else [ends]:
        times = np.zeros((len(part), 0), dtype=np.int64)
        if needs.frames:
            times = np.stack([picture_times(int(end), needs) for end in part])
        reset = np.zeros(int(needs.first_frame), dtype=np.int64)
        states = np.union1d(times, reset).astype(np.int64)
        chosen.append(ChosenSteps(trajectory, part, times, states, instruction))
    return np.concatenate(score_steps(chosen, paced_source, batch_size=_PICTURES_AT_A_TIME))


def episode_score(
    paced_source: PacedSource, trajectory: Trajectory, along: Float32[np.ndarray, " E"]
) -> float:
    """What a policy would be paid for this episode: scores summed, each held until the next.

    Of a source that scores episodes: its last score.

    Args:
        paced_source: gave `along`.
        trajectory: an episode.
        along: of `score_along`.
    """
    if paced_source.needs.granularity == "episode":
        return float(along[-1])
    held = np.diff(np.append(scored_steps(trajectory, paced_source), len(trajectory)))
    return float(along.astype(np.float64) @ held)


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
