"""Episodes of one task to look through: rows of pictures that say what happened at each step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64, UInt8

from vlfeedback.errors import NeedsError
from vlfeedback.figures.contact_sheet import contact_sheet, outline
from vlfeedback.types import SCATTERED, Trajectory

__all__ = [
    "STOPPED_COLOUR",
    "SUCCESS_COLOUR",
    "episode_sheet",
]

# Okabe and Ito's colours, which colour-blind people tell apart.
SUCCESS_COLOUR = (0, 158, 115)
"""Outline of a picture at whose step the task is done, RGB."""

STOPPED_COLOUR = (230, 159, 0)
"""Outline of a picture after the actor was stopped, RGB."""


def episode_sheet(
    trajectories: Sequence[Trajectory], *, episodes: int, n_frames: int
) -> UInt8[np.ndarray, "Y X 3"]:
    """A row an episode, the first `episodes` of each level.

    Below each picture stand the step it was taken after and that step's reward. Success and the
    time after a stop are outlined in `SUCCESS_COLOUR` and `STOPPED_COLOUR`. Scattered scenes are
    no episode: they are only counted.

    Args:
        trajectories: of one task, with pictures.
        episodes: rows a level, at least 1.
        n_frames: pictures a row at most, spread evenly, first and last included; at least 2.

    Raises:
        NeedsError: a trajectory has no pictures.
        ShapeError: there are no trajectories.
    """
    counts: dict[str, int] = {}
    videos, captions, notes = [], [], []
    for trajectory in trajectories:
        number = counts.get(trajectory.level, 0)
        if number == episodes:
            continue
        counts[trajectory.level] = number + 1
        times, frames = _pictures(trajectory, n_frames)
        videos.append(frames)
        captions.append(_describe(trajectory, number))
        notes.append([_note(trajectory, int(time)) for time in times])
    return contact_sheet(videos, captions, frame_captions=notes)


def _pictures(
    trajectory: Trajectory, n_frames: int
) -> tuple[Int64[np.ndarray, " F"], UInt8[np.ndarray, "F H W 3"]]:
    """States spread evenly and their pictures, outlined where something is to be seen."""
    if trajectory.frames is None or not len(trajectory.frames.times):
        raise NeedsError(
            f"Trajectory {trajectory.id!r} has no pictures, so there is nothing to look at; "
            "collect its task with some, into another folder: vlfeedback collect --frame-stride 7 "
            f"--tasks {trajectory.task or 'NAME'} --out OTHER"
        )
    pictured = trajectory.frames.times
    places = np.rint(np.linspace(0, len(pictured) - 1, min(n_frames, len(pictured))))
    times = np.asarray(pictured[places.astype(np.int64)], dtype=np.int64)
    frames = trajectory.frames.read(times)
    stop = trajectory.rests_from
    stopped = times > (len(trajectory) if stop is None else stop)
    succeeded = np.array([_succeeds(trajectory, int(time)) for time in times])
    for mask, colour in ((stopped & ~succeeded, STOPPED_COLOUR), (succeeded, SUCCESS_COLOUR)):
        frames[mask] = outline(frames[mask], colour)
    return times, frames


def _succeeds(trajectory: Trajectory, time: int) -> bool:
    return time > 0 and trajectory.successes is not None and bool(trajectory.successes[time - 1])


def _note(trajectory: Trajectory, time: int) -> str:
    """The step before this state, and what it brought."""
    if trajectory.level == SCATTERED:
        return f"scene {time}"
    if time == 0:
        return "reset"
    note = f"step {time - 1}"
    if trajectory.env_rewards is not None:
        note += f": {trajectory.env_rewards[time - 1]:.2f}"
    return note + (" ✓" if _succeeds(trajectory, time) else "")


def _describe(trajectory: Trajectory, number: int) -> str:
    seed = f" (seed {trajectory.seed})" if trajectory.seed is not None else ""
    kind = "scenes" if trajectory.level == SCATTERED else "episode"
    parts = [f"{trajectory.level} {kind} {number}{seed}".strip()]
    if trajectory.env_rewards is not None:
        parts.append(f"return {trajectory.env_rewards.sum():.1f}")
    stop = trajectory.rests_from
    if stop is not None:
        parts.append(f"stopped at step {stop}")
    if trajectory.successes is not None:
        succeeds = trajectory.successes.any()
        first = int(np.argmax(trajectory.successes))
        parts.append(f"succeeds at step {first}" if succeeds else "never succeeds")
    return ", ".join(parts)
