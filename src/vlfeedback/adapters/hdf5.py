"""Trajectories in one HDF5 file with flat arrays; see `vlfeedback.adapters.flat` for their names.

This is D4RL's layout. An episode is read and written at a time, whatever the file's size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np

from vlfeedback.adapters import flat
from vlfeedback.data.hdf5_files import new_hdf5, open_hdf5
from vlfeedback.errors import NeedsError, ShapeError
from vlfeedback.types import Trajectory

__all__ = ["read", "write"]

_CHUNK_BYTES = 2**18  # so much of an array is compressed as one, or one row where that is more


def read(path: Path, *, trust_terminals: bool = False) -> Iterator[Trajectory]:
    """Read the episodes of a file, in order, one at a time.

    Args:
        path: of the file.
        trust_terminals: take it that episodes which all terminate at the same length do so, and
            did not run into a time limit.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is damaged, or lacks observations or actions.
        InvalidValueError: a number is not finite, or time-outs are marked as terminals.
    """
    with open_hdf5(path) as file:
        episodes = flat.find_episodes(file, where=str(path), trust_terminals=trust_terminals)
    return _episodes(path, episodes)


def _episodes(path: Path, episodes: list[flat.EpisodeRows]) -> Iterator[Trajectory]:
    for episode in episodes:
        with open_hdf5(path) as file:
            rows = {key: np.asarray(file[key][episode.rows]) for key in flat.READ if key in file}
        yield flat.trajectory_of(episode, rows, name=path.stem, where=str(path))


def write(path: Path, trajectories: Iterable[Trajectory]) -> None:
    """Write trajectories to a file, whole or not at all; their pictures and tasks are left out.

    Raises:
        ShapeError: a trajectory differs in the shape of its observations.
        NeedsError: there is no trajectory; or some were relabelled, or have successes, and others
            not.
        OSError: the disk is full or not writable; what was at `path` before is untouched.
    """
    with new_hdf5(path) as new:
        keys: set[str] = set()
        for trajectory in trajectories:
            rows = flat.rows_of(trajectory, keys or None)
            with new.open() as file:
                for key, part in rows.items():
                    if key not in keys:
                        _create(file, key, part)
                    _append(file[key], part, trajectory.id)
            keys.update(rows)
        if not keys:
            raise NeedsError("No trajectory was given; a flat file needs at least one.")


def _create(file: h5py.File, key: str, like: np.ndarray) -> None:
    row_bytes = max(1, like[0].nbytes)
    file.create_dataset(
        key,
        shape=(0, *like.shape[1:]),
        maxshape=(None, *like.shape[1:]),
        dtype=like.dtype,
        chunks=(max(1, _CHUNK_BYTES // row_bytes), *like.shape[1:]),
        compression="lzf",
    )


def _append(array: h5py.Dataset, rows: np.ndarray, name: str) -> None:
    if rows.shape[1:] != array.shape[1:]:
        raise ShapeError(
            f"{array.name} of trajectory {name!r} has rows of shape {rows.shape[1:]}, and those "
            f"before it {array.shape[1:]}; a flat file has rows of one shape."
        )
    end = len(array)
    array.resize(end + len(rows), axis=0)
    array[end:] = rows
