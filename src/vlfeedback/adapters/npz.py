"""Trajectories in one npz file with flat arrays; see `vlfeedback.adapters.flat` for their names.

Such a file is read and written as a whole. For data larger than memory use HDF5.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from vlfeedback.adapters import flat
from vlfeedback.adapters.relabelled_copies import like_stored
from vlfeedback.data.npz_files import NPZArrays, copy_npz
from vlfeedback.data.whole_files import new_file
from vlfeedback.errors import NeedsError
from vlfeedback.types import Trajectory

__all__ = ["read", "write", "write_relabelled"]


def read(
    path: str | Path, *, trust_terminals: bool = False, episode_length: int | None = None
) -> Iterator[Trajectory]:
    """Read the episodes of a file, in order.

    Rewards that are all NaN in an episode are not known.

    Args:
        path: ends in ``.npz``.
        trust_terminals: take it that episodes which all terminate at the same length do so, and
            did not run into a time limit.
        episode_length: of a file that has no end of an episode: rows of each, which are then taken
            as cut off.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is damaged, holds Python objects, or lacks observations or actions.
        InvalidValueError: a number is not finite, time-outs are marked as terminals, or
            `episode_length` is no number of rows, or not needed.
    """
    path = Path(path)
    arrays = _load(path)
    episodes = flat.find_episodes(
        arrays,
        where=str(path),
        trust_terminals=trust_terminals,
        episode_length=episode_length,
    )
    return _episodes(path, arrays, episodes)


def write(path: str | Path, trajectories: Iterable[Trajectory]) -> None:
    """Write trajectories to a file, whole or not at all; their pictures and tasks are left out.

    Raises:
        NeedsError: there is no trajectory; or some were relabelled, or have successes, and others
            not.
    """
    parts: list[dict[str, np.ndarray]] = []
    repeated: list[bool] = []
    for trajectory in trajectories:
        parts.append(flat.rows_of(trajectory, parts[0] if parts else None))
        repeated.append(trajectory.last_observation_repeated)
    if not parts:
        raise NeedsError("No trajectory was given; a flat file needs at least one.")
    arrays = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    if all(repeated):
        del arrays[flat.NEXT]
    elif any(repeated):
        arrays[flat.KNOWN] = flat.known_rows([len(part["actions"]) for part in parts], repeated)
    with new_file(Path(path)) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


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
    """
    origin = Path(origin)
    arrays = _load(origin)
    episodes = flat.find_episodes(
        arrays,
        where=str(origin),
        trust_terminals=trust_terminals,
        episode_length=episode_length,
    )
    rewards = flat.copied_rewards(episodes, trajectories, name=origin.stem)
    new = {"rewards": like_stored(rewards, arrays.get("rewards"))}
    if flat.ENV_REWARDS in arrays:
        copy_npz(path, origin, new)
    elif "rewards" in arrays:
        copy_npz(path, origin, new, renamed={"rewards": flat.ENV_REWARDS})
    else:
        copy_npz(path, origin, {**new, flat.ENV_REWARDS: np.full_like(rewards, np.nan)})


def _load(path: Path) -> NPZArrays:
    return NPZArrays(path, "dataset")


def _episodes(
    path: Path, arrays: NPZArrays, episodes: list[flat.EpisodeRows]
) -> Iterator[Trajectory]:
    for episode in episodes:
        rows = {key: arrays[key][episode.rows] for key in flat.READ if key in arrays}
        yield flat.trajectory_of(episode, rows, name=path.stem, where=str(path))
