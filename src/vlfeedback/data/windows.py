"""What a source reads for its reward of one step of a recorded episode, as the wrappers give it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64, Shaped

from vlfeedback.errors import NeedsError
from vlfeedback.types import SegmentBatch, SourceNeeds, Trajectory

__all__ = ["picture_times", "window_ending_at"]


def window_ending_at(trajectory: Trajectory, end: int, *, needs: SourceNeeds) -> SegmentBatch:
    """One segment whose last step is step `end`; it has no instruction yet.

    Before an episode the world stood still: a window that begins earlier is filled with the
    reset picture and observation, actions of zero and rewards of zero. A source that scores
    whole episodes gets all steps so far, unfilled.

    Args:
        trajectory: with a picture after step `end`, and those before it that the source reads.
        end: step of the trajectory, 0 to L - 1.
        needs: of the source.

    Raises:
        NeedsError: a picture or array that the source reads is not there.
    """
    whole = needs.granularity == "episode"
    length = end + 1 if whole else needs.context
    steps = np.arange(end + 1 - length, end + 1)
    times = picture_times(end, needs)
    frame_steps = times - 1 if whole else np.arange(0, length, needs.frame_stride, dtype=np.int64)
    first = trajectory.segment(0, 1).first_frame() if needs.first_frame else None
    return SegmentBatch(
        frames=_pictures(trajectory, times)[None] if needs.frames else None,
        first_frames=None if first is None else first[None],
        observations=trajectory.observations[None, steps.clip(0)] if needs.observations else None,
        actions=_filled(trajectory.actions, steps),
        env_rewards=_filled(trajectory.env_rewards, steps) if needs.env_rewards else None,
        frame_steps=frame_steps if needs.frames else None,
    )


def picture_times(end: int, needs: SourceNeeds) -> Int64[np.ndarray, " F"]:
    """States whose pictures a source reads for its reward of step `end`; 0, the reset, for before.

    >>> needs = SourceNeeds(frames=True, granularity="window", context=50, frame_stride=7)
    >>> picture_times(21, needs)
    array([ 0,  0,  0,  0,  1,  8, 15, 22])
    """
    stride = needs.frame_stride
    if needs.granularity == "episode":
        return np.union1d(np.arange(0, end + 1, stride), [end]).astype(np.int64) + 1
    back = np.arange(needs.context_frames - 1, -1, -1, dtype=np.int64) * stride
    return np.maximum(end + 1 - back, 0)


def _pictures(trajectory: Trajectory, times: Int64[np.ndarray, " F"]) -> np.ndarray:
    if trajectory.frames is None:
        raise NeedsError(
            f"The source reads pictures and trajectory {trajectory.id!r} has none; record it with "
            "frames."
        )
    return np.asarray(trajectory.frames.read(times))


def _filled(
    rows: Shaped[np.ndarray, "L ..."] | None, steps: Int64[np.ndarray, " T"]
) -> Shaped[np.ndarray, "1 T ..."] | None:
    """Rows of these steps, zeros for steps before the episode."""
    if rows is None:
        return None
    taken = np.array(rows[steps.clip(0)])
    taken[steps < 0] = 0
    return taken[None]
