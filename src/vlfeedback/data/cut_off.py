"""Parts of trajectories as trajectories, with their pictures: cut, without rest, one segment.

A recording goes on after its episode: a script that has stopped, or is done, rests. Pairs of
segments may need that rest, where an episode is shorter than a segment; a policy that learns from
it stops half-way (`docs/standing_still.md`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from vlfeedback.data.contents import DigestedFrames
from vlfeedback.errors import InvalidValueError
from vlfeedback.types import Frames, Segment, Trajectory, rows_of

__all__ = ["as_trajectory", "cut_off", "without_rest"]

_PER_ACTION = ("actions", "env_rewards", "rewards", "successes")


def cut_off(trajectory: Trajectory, length: int) -> Trajectory:
    """The first `length` steps, as if the recording had been stopped there: truncated.

    One that is no longer than that is returned as it is.

    Raises:
        InvalidValueError: `length` is less than 1.
    """
    if length < 1:
        raise InvalidValueError(f"length={length}; a trajectory needs at least one step.")
    if length >= len(trajectory):
        return trajectory
    return _part(trajectory, 0, length)


def as_trajectory(segment: Segment, *, id: str) -> Trajectory:
    """A segment as an episode of its own: truncated, with the observation after its last action.

    Args:
        segment: of any trajectory.
        id: of the episode that is returned.
    """
    trajectory, start, stop = segment.trajectory, segment.start, segment.start + segment.length
    part = _part(trajectory, start, stop)
    stopped_at = trajectory.stopped_at
    if stopped_at is not None:
        stopped_at = min(max(stopped_at - start, 0), segment.length)
    repeated = trajectory.last_observation_repeated and stop == len(trajectory)
    return replace(part, id=id, stopped_at=stopped_at, last_observation_repeated=repeated)


def without_rest(trajectory: Trajectory, *, least: int = 1) -> Trajectory:
    """The episode without what was recorded after it: up to its actor's stop or first success.

    One that ends with a success is terminated, another truncated.

    Args:
        trajectory: as it was recorded.
        least: steps that are left of it even so; one that then goes on after its end is truncated.

    Raises:
        InvalidValueError: `least` is less than 1.
    """
    stop = len(trajectory) if trajectory.stopped_at is None else trajectory.stopped_at
    success = trajectory.first_success
    end = stop if success is None else min(stop, success + 1)
    episode = cut_off(trajectory, max(end, least))
    if success is None or len(episode) != success + 1:
        return episode
    return replace(episode, terminated=True, truncated=False)


def _part(trajectory: Trajectory, start: int, stop: int) -> Trajectory:
    """Steps `start` to `stop`, truncated."""
    arrays: dict[str, Any] = {
        name: array[start:stop]
        for name in _PER_ACTION
        if (array := getattr(trajectory, name)) is not None
    }
    frames = trajectory.frames
    return replace(
        trajectory,
        **arrays,
        observations=trajectory.observations[start : stop + 1],
        frames=None if frames is None else _FramesOfPart(frames, start, stop),
        terminated=False,
        truncated=True,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _FramesOfPart:
    """The pictures of states `first` to `last`, which are 0 to the rest of it here.

    See `vlfeedback.types.Frames`.
    """

    frames: Frames
    first: int
    last: int

    @property
    def times(self) -> Int64[np.ndarray, " F"]:
        times = self.frames.times
        return times[(times >= self.first) & (times <= self.last)] - self.first

    def read(self, times: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "K H W 3"]:
        rows_of(self.times, times)  # refuses what was cut off
        return self.frames.read(np.asarray(times) + self.first)

    def digest(self) -> bytes:
        """See `vlfeedback.data.contents.DigestedFrames`; reads the pictures where it has to."""
        if isinstance(self.frames, DigestedFrames):
            return self.frames.digest()
        return sha256(np.ascontiguousarray(self.read(self.times)).data).digest()
