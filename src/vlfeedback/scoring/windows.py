"""What a source reads for its score of a step: the window of steps that ends there.

Before an episode the world stood still: a window that begins earlier is filled with the reset's
picture and observation, actions of zero, rewards of zero and no success. A source that scores
whole episodes gets all steps so far, unfilled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from jaxtyping import Int64, Shaped

from vlfeedback.errors import NeedsError
from vlfeedback.scoring.pictures import EncodedStates, pictures_of
from vlfeedback.scoring.timing import states_back_from
from vlfeedback.types import SegmentBatch, SourceNeeds, Trajectory

__all__ = ["join_windows", "take_filled", "window_ending_at", "windows_ending_at"]


def take_filled(
    rows: Shaped[np.ndarray, "L ..."], steps: Int64[np.ndarray, "..."], before: Any
) -> Shaped[np.ndarray, "..."]:
    """Rows of these steps, and `before` for steps before the episode, which are negative.

    >>> take_filled(np.array([5, 6, 7]), np.array([-1, 0, 1]), 0)
    array([0, 5, 6])
    """
    taken = np.array(rows[steps.clip(0)])
    missing = steps < 0
    if missing.any():
        taken[missing] = before
    return taken


def window_ending_at(trajectory: Trajectory, end: int, *, needs: SourceNeeds) -> SegmentBatch:
    """One segment whose last step is step `end`; see `windows_ending_at`."""
    return windows_ending_at(trajectory, np.array([end]), needs=needs)


def windows_ending_at(
    trajectory: Trajectory,
    ends: Int64[np.ndarray, " N"],
    *,
    needs: SourceNeeds,
    states: Int64[np.ndarray, "N F"] | None = None,
    encoded: EncodedStates | None = None,
) -> SegmentBatch:
    """Segments whose last steps are `ends`; they have no instruction yet.

    Args:
        trajectory: with a picture after each of `ends`, and those before it that the source reads.
        ends: steps of the trajectory, 0 to L - 1; one only where the source scores whole episodes,
            since two of them would differ in length.
        needs: of the source.
        states: whose pictures they show; default: `states_back_from` of each.
        encoded: what to give in place of pictures, see `EmbeddingSource`.

    Raises:
        NeedsError: a picture or array that the source reads is not there.
    """
    whole = needs.granularity == "episode"
    length = int(ends[0]) + 1 if whole else needs.context
    steps = ends[:, None] + np.arange(1 - length, 1)
    observations = trajectory.observations
    shown: dict[str, Any] = {}
    if needs.frames:
        if states is None:
            states = states_back_from(ends, needs)
        name = "frames" if encoded is None else "embeddings"
        pictures = pictures_of(trajectory) if encoded is None else encoded
        # Each is read once, however many windows show it.
        distinct, places = np.unique(states, return_inverse=True)
        shown[name] = pictures.read(distinct)[places.reshape(states.shape)]
        shown["frame_steps"] = states[0] - 1 if whole else needs.picture_steps(length)
        if needs.first_frame:
            reset = (
                trajectory.segment(0, 1).first_frame()[None]
                if encoded is None
                else encoded.read([0])
            )
            shown[f"first_{name}"] = np.repeat(reset, len(ends), axis=0)
    return SegmentBatch(
        **shown,
        observations=(
            take_filled(observations, steps, observations[0]) if needs.observations else None
        ),
        actions=take_filled(trajectory.actions, steps, 0),
        env_rewards=_steps_of(trajectory, "env_rewards", steps) if needs.env_rewards else None,
        successes=_steps_of(trajectory, "successes", steps) if needs.successes else None,
    )


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


def _steps_of(
    trajectory: Trajectory, name: str, steps: Int64[np.ndarray, "N T"]
) -> Shaped[np.ndarray, "N T"]:
    """What the environment itself said of these steps, zero before the episode."""
    rows = getattr(trajectory, name)
    if rows is None:
        raise NeedsError(
            f"The source hands on the environment's own {name} and trajectory "
            f"{trajectory.id!r} has none; record it with {name}."
        )
    return take_filled(rows, steps, 0)
