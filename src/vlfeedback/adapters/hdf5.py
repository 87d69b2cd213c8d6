"""Trajectories in one HDF5 file with flat arrays; see `vlfeedback.adapters.flat` for their names.

This is D4RL's layout. An episode is read and written at a time, whatever the file's size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np

from vlfeedback.adapters import flat
from vlfeedback.adapters.hdf5_copies import set_rewards
from vlfeedback.data.hdf5_files import new_hdf5, open_hdf5, write_array
from vlfeedback.errors import NeedsError, ShapeError
from vlfeedback.types import Trajectory

__all__ = ["read", "write", "write_relabelled"]

_CHUNK_BYTES = 2**18  # so much of an array is compressed as one, or one row where that is more


def read(
    path: str | Path, *, trust_terminals: bool = False, episode_length: int | None = None
) -> Iterator[Trajectory]:
    """Read the episodes of a file, in order, one at a time.

    Rewards that are all NaN in an episode are not known.

    Args:
        path: of the file.
        trust_terminals: take it that episodes which all terminate at the same length do so, and
            did not run into a time limit.
        episode_length: of a file that has no end of an episode: rows of each, which are then taken
            as cut off.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is damaged, or lacks observations or actions.
        InvalidValueError: a number is not finite, time-outs are marked as terminals, or
            `episode_length` is no number of rows, or not needed.
    """
    path = Path(path)
    with open_hdf5(path) as file:
        episodes = flat.find_episodes(
            file,
            where=str(path),
            trust_terminals=trust_terminals,
            episode_length=episode_length,
        )
    return _episodes(path, episodes)


def _episodes(path: Path, episodes: list[flat.EpisodeRows]) -> Iterator[Trajectory]:
    for episode in episodes:
        with open_hdf5(path) as file:
            rows = {key: np.asarray(file[key][episode.rows]) for key in flat.READ if key in file}
        yield flat.trajectory_of(episode, rows, name=path.stem, where=str(path))


def write(path: str | Path, trajectories: Iterable[Trajectory]) -> None:
    """Write trajectories to a file, whole or not at all; their pictures and tasks are left out.

    Raises:
        ShapeError: a trajectory differs in the shape of its observations.
        NeedsError: there is no trajectory; or some were relabelled, or have successes, and others
            not.
        OSError: the disk is full or not writable; what was at `path` before is untouched.
    """
    with new_hdf5(path) as new:
        keys: set[str] = set()
        lengths: list[int] = []
        repeated: list[bool] = []
        for trajectory in trajectories:
            rows = flat.rows_of(trajectory, keys or None)
            keys.update(rows)
            repeated.append(trajectory.last_observation_repeated)
            with new.open() as file:
                if all(repeated):
                    del rows[flat.NEXT]
                elif lengths and all(repeated[:-1]):
                    _fill_in_next(file, lengths)
                for key, part in rows.items():
                    _append(file, key, part, trajectory.id)
            lengths.append(len(trajectory))
        if not keys:
            raise NeedsError("No trajectory was given; a flat file needs at least one.")
        if any(repeated) and not all(repeated):
            with new.open() as file:
                write_array(file, flat.KNOWN, flat.known_rows(lengths, repeated))


def write_relabelled(
    path: str | Path,
    trajectories: Iterable[Trajectory],
    *,
    origin: str | Path,
    trust_terminals: bool = False,
    episode_length: int | None = None,
) -> None:
    """Copy a file with the trajectories' rewards in place of its own, which stand beside them.

    They are kept in ``infos/env_rewards``, which is NaN where the origin has none. All else, also
    what no reader knows, is the origin's bit by bit.

    Args:
        path: the copy; whole, or absent after an error.
        trajectories: what `read` gave of all of the origin, in order, relabelled.
        origin: the file that was read.
        trust_terminals: as it was read.
        episode_length: as it was read.

    Raises:
        ShapeError: they are others, fewer or more.
        NeedsError: one has no rewards.
        FileFormatError: the origin is damaged.
        OSError: the disk is full or not writable; what was at `path` before is untouched.
    """
    origin = Path(origin)
    with open_hdf5(origin) as file:
        episodes = flat.find_episodes(
            file,
            where=str(origin),
            trust_terminals=trust_terminals,
            episode_length=episode_length,
        )
    with new_hdf5(path, origin=origin) as new:
        rewards = flat.copied_rewards(episodes, trajectories, name=origin.stem)
        with new.open() as copy:
            set_rewards(copy, rewards, kept_as=flat.ENV_REWARDS, origin=origin)


def _fill_in_next(file: h5py.File, lengths: list[int]) -> None:
    """``next_observations`` of episodes whose last one is not known: it stands there twice."""
    observations, start = file["observations"], 0
    for length in lengths:
        rows = observations[start : start + length]
        _append(file, flat.NEXT, np.concatenate([rows[1:], rows[-1:]]), "")
        start += length


def _append(file: h5py.File, key: str, rows: np.ndarray, name: str) -> None:
    array = file[key] if key in file else _create(file, key, rows)
    if rows.shape[1:] != array.shape[1:]:
        raise ShapeError(
            f"{array.name} of trajectory {name!r} has rows of shape {rows.shape[1:]}, and those "
            f"before it {array.shape[1:]}; a flat file has rows of one shape."
        )
    end = len(array)
    array.resize(end + len(rows), axis=0)
    array[end:] = rows


def _create(file: h5py.File, key: str, like: np.ndarray) -> h5py.Dataset:
    row_bytes = max(1, like[0].nbytes)
    return file.create_dataset(
        key,
        shape=(0, *like.shape[1:]),
        maxshape=(None, *like.shape[1:]),
        dtype=like.dtype,
        chunks=(max(1, _CHUNK_BYTES // row_bytes), *like.shape[1:]),
        compression="lzf",
        fletcher32=True,
    )
