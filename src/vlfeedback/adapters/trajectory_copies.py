"""A copy of a trajectory file of vlfeedback with other rewards; nothing else is read or changed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vlfeedback.adapters.relabelled_copies import refuse_more, rewards_for_copy
from vlfeedback.data.hdf5_files import new_hdf5
from vlfeedback.data.trajectories import iter_ids, write_rewards
from vlfeedback.types import Trajectory

__all__ = ["write_relabelled"]


def write_relabelled(path: Path, trajectories: Iterable[Trajectory], *, origin: Path) -> None:
    """Copy a file with the trajectories' rewards; all else is the origin's bit by bit.

    Args:
        path: the copy; whole, or absent after an error.
        trajectories: what was read of the origin, all of it and in order, relabelled.
        origin: the file that was read.

    Raises:
        ShapeError: they are others, fewer or more.
        NeedsError: one has no rewards.
        FileFormatError: the origin is damaged.
        OSError: the disk is full or not writable; what was at `path` before is untouched.
    """
    remaining = iter(trajectories)
    with new_hdf5(path, origin=origin) as new:
        for number, (name, n_steps) in enumerate(iter_ids(origin)):
            rewards = rewards_for_copy(next(remaining, None), name=name, n_steps=n_steps)
            with new.open() as file:
                write_rewards(file, number, rewards)
        refuse_more(remaining, str(origin))
