"""What a source reads for its rewards of steps of a recorded episode, as the wrappers give it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64, Shaped

from vlfeedback.errors import NeedsError
from vlfeedback.types import Frames, SegmentBatch, SourceNeeds, Trajectory, rows_of

__all__ = [
    "KeptEmbeddings",
    "join_windows",
    "picture_times",
    "pictures_of",
    "states_seen",
    "window_ending_at",
    "windows_ending_at",
]


@dataclass(frozen=True, slots=True, eq=False)
class KeptEmbeddings:
    """Pictures of one trajectory as an `EmbeddingSource` keeps them."""

    times: Int64[np.ndarray, " F"]  # states, ascending
    embeddings: Float32[np.ndarray, "F ..."]

    def read(self, times: Sequence[int] | np.ndarray) -> Float32[np.ndarray, "K ..."]:
        """Embeddings of these states, in the order asked."""
        return np.asarray(self.embeddings[rows_of(self.times, times)])


def window_ending_at(trajectory: Trajectory, end: int, *, needs: SourceNeeds) -> SegmentBatch:
    """One segment whose last step is step `end`; see `windows_ending_at`."""
    return windows_ending_at(trajectory, np.array([end]), needs=needs)


def windows_ending_at(
    trajectory: Trajectory,
    ends: Int64[np.ndarray, " N"],
    *,
    needs: SourceNeeds,
    times: Int64[np.ndarray, "N F"] | None = None,
    kept: KeptEmbeddings | None = None,
) -> SegmentBatch:
    """Segments whose last steps are `ends`; they have no instruction yet.

    Before an episode the world stood still: a window that begins earlier is filled with the
    reset picture and observation, actions of zero and rewards of zero. A source that scores
    whole episodes gets all steps so far, unfilled.

    Args:
        trajectory: with a picture after each of `ends`, and those before it that the source reads.
        ends: steps of the trajectory, 0 to L - 1; one only where the source scores whole episodes,
            since two of them would differ in length.
        needs: of the source.
        times: states whose pictures they show; default: `picture_times` of each.
        kept: what to give in place of pictures, see `EmbeddingSource`.

    Raises:
        NeedsError: a picture or array that the source reads is not there.
    """
    whole = needs.granularity == "episode"
    length = int(ends[0]) + 1 if whole else needs.context
    steps = ends[:, None] + np.arange(1 - length, 1)
    pictures: dict[str, Any] = {}
    if needs.frames:
        if times is None:
            times = np.stack([picture_times(int(end), needs) for end in ends])
        name = "frames" if kept is None else "embeddings"
        seen = pictures_of(trajectory) if kept is None else kept
        # Each is read once, however many windows show it.
        distinct, places = np.unique(times, return_inverse=True)
        pictures[name] = seen.read(distinct)[places.reshape(times.shape)]
        pictures["frame_steps"] = (
            times[0] - 1 if whole else np.arange(0, length, needs.frame_stride)
        )
        if needs.first_frame:
            first = trajectory.segment(0, 1).first_frame() if kept is None else kept.read([0])[0]
            pictures[f"first_{name}"] = np.repeat(first[None], len(ends), axis=0)
    return SegmentBatch(
        **pictures,
        observations=trajectory.observations[steps.clip(0)] if needs.observations else None,
        actions=_filled(trajectory.actions, steps),
        env_rewards=_filled(_env_rewards(trajectory), steps) if needs.env_rewards else None,
    )


def pictures_of(trajectory: Trajectory) -> Frames:
    """The trajectory's pictures, for a source that reads some.

    Raises:
        NeedsError: it has none.
    """
    if trajectory.frames is None:
        raise NeedsError(
            f"The source reads pictures and trajectory {trajectory.id!r} has none; record it with "
            "frames."
        )
    return trajectory.frames


def states_seen(ends: Int64[np.ndarray, " N"], needs: SourceNeeds) -> Int64[np.ndarray, "N F"]:
    """States whose pictures a wrapper has when it scores these steps.

    It takes pictures after the steps 0, stride, 2 stride ... and after the last, which may come
    sooner than a stride after the one before. Elsewhere these are `picture_times`.

    >>> needs = SourceNeeds(frames=True, granularity="window", context=15, frame_stride=7)
    >>> states_seen(np.array([14, 16]), needs)
    array([[ 1,  8, 15],
           [ 8, 15, 17]])
    """
    if needs.granularity == "episode":
        return picture_times(int(ends[0]), needs)[None]
    back = np.arange(needs.context_frames - 2, -1, -1, dtype=np.int64)
    before = (ends[:, None] - 1) // needs.frame_stride - back
    earlier = np.maximum(before * needs.frame_stride + 1, 0)
    return np.concatenate([earlier, ends[:, None] + 1], axis=1)


def join_windows(batches: Sequence[SegmentBatch]) -> SegmentBatch:
    """Equally long segments of several trajectories as one batch, in order; no instructions."""
    if len(batches) == 1:
        return batches[0]
    first = batches[0]
    joined: dict[str, Any] = {"frame_steps": first.frame_steps, "length": first.length}
    for name in (field.name for field in fields(SegmentBatch)):
        if name not in joined and isinstance(getattr(first, name), np.ndarray):
            joined[name] = np.concatenate([getattr(batch, name) for batch in batches])
    return SegmentBatch(**joined)


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


def _env_rewards(trajectory: Trajectory) -> Float32[np.ndarray, " L"]:
    if trajectory.env_rewards is None:
        raise NeedsError(
            "The source hands on the environment's own rewards and trajectory "
            f"{trajectory.id!r} has none; record it with env_rewards."
        )
    return trajectory.env_rewards


def _filled(
    rows: Shaped[np.ndarray, "L ..."], steps: Int64[np.ndarray, "N T"]
) -> Shaped[np.ndarray, "N T ..."]:
    """Rows of these steps, zeros for steps before the episode."""
    taken = np.array(rows[steps.clip(0)])
    taken[steps < 0] = 0
    return taken
