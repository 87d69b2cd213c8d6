"""When pictures are taken, which steps are scored, and which pictures a score reads.

One rule: pictures follow the steps 0, stride, 2 stride ... of an episode and the step that ends it,
and state 0 is the reset. Wrappers live by it; recordings are read as if a wrapper had been there.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from vlfeedback.errors import NeedsError
from vlfeedback.types import SourceNeeds, Trajectory

__all__ = [
    "is_pictured",
    "pictured_steps",
    "scored_steps",
    "states_back_from",
    "states_seen",
    "steps_with_pictures",
]


def is_pictured(step: int, stride: int, *, ended: bool) -> bool:
    """Whether a picture is taken after this step of an episode.

    Args:
        step: counted from 0.
        stride: steps from one picture to the next.
        ended: whether it ended the episode, and so is pictured in any case.

    >>> [step for step in range(10) if is_pictured(step, 4, ended=step == 9)]
    [0, 4, 8, 9]
    """
    return ended or step % stride == 0


def pictured_steps(length: int, stride: int) -> Int64[np.ndarray, " F"]:
    """The steps of an episode of this length that `is_pictured` says yes to, ascending.

    >>> pictured_steps(10, 4)
    array([0, 4, 8, 9])
    """
    return np.union1d(np.arange(0, length, stride), [length - 1]).astype(np.int64)


def scored_steps(length: int, needs: SourceNeeds) -> Int64[np.ndarray, " E"]:
    """The steps of an episode that a wrapper scores: those with a picture, or the last alone.

    A source that reads no pictures scores every step (its `frame_stride` is 1).

    >>> scored_steps(10, SourceNeeds(frames=True, granularity="episode", frame_stride=4))
    array([9])
    """
    if needs.granularity == "episode":
        return np.array([length - 1])
    return pictured_steps(length, needs.frame_stride)


def states_seen(ends: Int64[np.ndarray, " N"], needs: SourceNeeds) -> Int64[np.ndarray, "N F"]:
    """States whose pictures a wrapper has when it scores these steps; 0 for before the episode.

    Pictures keep the rhythm of the episode, and the last one may come sooner than a stride after
    the one before.

    Args:
        ends: the steps; only one where whole episodes are scored.
        needs: of the source.

    >>> needs = SourceNeeds(frames=True, granularity="window", context=15, frame_stride=7)
    >>> states_seen(np.array([14, 16]), needs)
    array([[ 1,  8, 15],
           [ 8, 15, 17]])
    """
    if needs.granularity == "episode":
        return pictured_steps(int(ends[0]) + 1, needs.frame_stride)[None] + 1
    back = np.arange(needs.context_frames - 2, -1, -1, dtype=np.int64)
    before = (ends[:, None] - 1) // needs.frame_stride - back
    earlier = np.maximum(before * needs.frame_stride + 1, 0)
    return np.concatenate([earlier, ends[:, None] + 1], axis=1)


def states_back_from(ends: Int64[np.ndarray, " N"], needs: SourceNeeds) -> Int64[np.ndarray, "N F"]:
    """States a stride apart, counted back from each of these steps; 0 for before the episode.

    For a recording that is looked at where it has pictures, whatever the rhythm of the episode;
    at the steps 0, stride, 2 stride ... these are `states_seen`.

    Args:
        ends: the steps; only one where whole episodes are scored.
        needs: of the source.

    >>> needs = SourceNeeds(frames=True, granularity="window", context=50, frame_stride=7)
    >>> states_back_from(np.array([21]), needs)
    array([[ 0,  0,  0,  0,  1,  8, 15, 22]])
    """
    if needs.granularity == "episode":
        return states_seen(ends, needs)
    back = np.arange(needs.context_frames - 1, -1, -1, dtype=np.int64) * needs.frame_stride
    return np.maximum(ends[:, None] + 1 - back, 0)


def steps_with_pictures(trajectory: Trajectory, *, stride: int = 1) -> Int64[np.ndarray, " E"]:
    """Steps of a recording after which a picture was taken, ascending.

    Args:
        trajectory: one episode.
        stride: only steps that are multiples of this.

    Raises:
        NeedsError: there are none.
    """
    times = np.arange(0) if trajectory.frames is None else trajectory.frames.times
    steps: Int64[np.ndarray, " E"] = times[times > 0] - 1
    steps = steps[steps % stride == 0]
    if not len(steps):
        raise NeedsError(
            f"Trajectory {trajectory.id!r} has no pictures of its steps 0, {stride}, {2 * stride} "
            "...; record it with frames, as `vlfeedback collect --frame-stride 7` does."
        )
    return np.asarray(steps, dtype=np.int64)
