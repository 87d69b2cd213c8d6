"""Episodes one below the other in flat arrays, as D4RL lays them out.

``observations``, ``actions``, ``rewards``, ``terminals`` and ``timeouts`` have a row a step;
``next_observations`` may be there too. Trajectories are written with it where it is known, with
``infos/success`` where they have it, and, where they were relabelled, with the environment's own
rewards in ``infos/env_rewards``. Where the last observation is known of some episodes alone,
``infos/next_observation_known`` is False at the last row of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int64

from vlfeedback.adapters.relabelled_copies import (
    env_rewards_or_nan,
    refuse_more,
    rewards_for_copy,
    split_rewards,
)
from vlfeedback.data.hdf5_groups import HDF5Group
from vlfeedback.data.learning_checks import check_finite, check_terminals
from vlfeedback.data.npz_files import NPZArrays
from vlfeedback.errors import FileFormatError, InvalidValueError, NeedsError
from vlfeedback.types import Trajectory

__all__ = [
    "ENV_REWARDS",
    "FLAGS",
    "KNOWN",
    "NEXT",
    "READ",
    "EpisodeRows",
    "copied_rewards",
    "find_episodes",
    "known_rows",
    "rows_of",
    "trajectory_of",
]

ENV_REWARDS, SUCCESS = "infos/env_rewards", "infos/success"
NEXT, KNOWN = "next_observations", "infos/next_observation_known"
READ = ("observations", "actions", "rewards", NEXT, ENV_REWARDS, SUCCESS, KNOWN)
"""Arrays that are read an episode at a time."""
FLAGS = ("terminals", "timeouts")
"""Arrays that are read at once."""

_ONE_A_ROW = ("rewards", ENV_REWARDS, SUCCESS, KNOWN, *FLAGS)


@dataclass(frozen=True, slots=True)
class EpisodeRows:
    """Where an episode lies, and how it ended."""

    number: int
    rows: slice
    terminated: bool
    truncated: bool


def find_episodes(
    arrays: HDF5Group | NPZArrays,
    *,
    where: str,
    trust_terminals: bool = False,
    episode_length: int | None = None,
) -> list[EpisodeRows]:
    """Cut where a flag is set; rows after the last flag are an episode without an end.

    Args:
        arrays: what the file has, in memory or on disk; the flags are read as a whole.
        where: the file, for messages.
        trust_terminals: see `check_terminals`.
        episode_length: of a file without any end of an episode: rows of each.

    Raises:
        FileFormatError: observations or actions are not there, no flag is set, arrays differ in
            the number of rows, or one is no array of numbers.
        InvalidValueError: time-outs are marked as terminals, a flag is NaN, or `episode_length` is
            no number of rows, or not needed.
    """
    missing = [key for key in ("observations", "actions") if key not in arrays]
    if missing:
        raise FileFormatError(
            f"{where} has no {missing[0]}; it has {sorted(arrays)}. Expected observations, "
            "actions, terminals and timeouts with a row a step."
        )
    n_rows = _check_rows(arrays, where)
    terminated, truncated = (_flags(arrays, key, n_rows, where) for key in FLAGS)
    ends = np.flatnonzero(terminated | truncated) + 1
    if episode_length is not None:
        ends = _ends_by_length(ends, n_rows, episode_length, where)
        truncated[ends - 1] = True
    if not len(ends):
        raise FileFormatError(
            f"{where}: neither terminals nor timeouts has an end of an episode among {n_rows} "
            "rows, so it is not known where one begins. Set timeouts at the last row of each, or "
            "say how many rows each has: episode_length=1000."
        )
    if ends[-1] < n_rows:
        ends = np.append(ends, n_rows)
    starts = np.concatenate([[0], ends[:-1]])
    check_terminals(
        (ends - starts).tolist(),
        terminated[ends - 1].tolist(),
        where=where,
        trusted=trust_terminals,
    )
    return [
        EpisodeRows(i, slice(a, b), bool(terminated[b - 1]), bool(truncated[b - 1]))
        for i, (a, b) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True))
    ]


def trajectory_of(
    episode: EpisodeRows, arrays: Mapping[str, np.ndarray], *, name: str, where: str
) -> Trajectory:
    """One episode as a trajectory.

    ``rewards`` are the environment's own, unless ``infos/env_rewards`` is there: then they came
    from relabelling. Without ``next_observations`` the last observation is not known and stands
    there twice (``info["last_observation"]`` says so).

    Args:
        episode: where it lies.
        arrays: its rows of what the file has of `READ`.
        name: of the file, for the trajectory's id.
        where: the file, for messages.

    Raises:
        FileFormatError: ``next_observations`` are not the observations of the rows below.
        InvalidValueError: a number is not finite.
    """
    first = episode.rows.start
    for key in ("observations", "actions", NEXT, SUCCESS):
        if key in arrays:
            check_finite(arrays[key], name=key, where=where, first=first)
    observations = arrays["observations"]
    following = arrays.get(NEXT)
    if following is not None:
        _check_chain(observations, following, where, first)
    is_known = following is not None and bool(np.all(arrays[KNOWN][-1] if KNOWN in arrays else 1))
    last = following[-1:] if following is not None and is_known else observations[-1:]
    rewards, env_rewards = split_rewards(
        arrays.get("rewards"), arrays.get(ENV_REWARDS), where=where, first=first
    )
    success = arrays.get(SUCCESS)
    return Trajectory(
        observations=np.concatenate([observations, last]),
        actions=arrays["actions"],
        rewards=rewards,
        env_rewards=env_rewards,
        successes=None if success is None else success.reshape(-1).astype(np.bool_),
        terminated=episode.terminated,
        truncated=episode.truncated,
        id=_id(name, episode),
        last_observation_repeated=not is_known,
    )


def rows_of(trajectory: Trajectory, keys: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """A trajectory's rows of every array that is written; what has no end is a time-out.

    The last of ``next_observations`` is made up where `Trajectory.last_observation_repeated`.

    Args:
        trajectory: its pictures, task and info have no place here.
        keys: the arrays that the trajectories before it have.

    Raises:
        NeedsError: it has rewards or successes that those before it lack, or the reverse.
    """
    last = np.arange(len(trajectory)) == len(trajectory) - 1
    rows: dict[str, Any] = {
        "observations": trajectory.observations[:-1],
        NEXT: trajectory.observations[1:],
        "actions": trajectory.actions,
        "terminals": last & trajectory.terminated,
        "timeouts": last & (not trajectory.terminated),
    }
    if trajectory.rewards is not None:
        rows["rewards"] = trajectory.rewards
        rows[ENV_REWARDS] = env_rewards_or_nan(trajectory)
    elif trajectory.env_rewards is not None:
        rows["rewards"] = trajectory.env_rewards
    if trajectory.successes is not None:
        rows[SUCCESS] = trajectory.successes
    if keys is not None and set(keys) != set(rows):
        raise NeedsError(
            f"Trajectory {trajectory.id!r} and those before it differ in "
            f"{sorted(set(keys) ^ set(rows))}, and a flat file has a row of each array for every "
            "step. Relabel all of them or none, and write those with successes by themselves."
        )
    return rows


def known_rows(lengths: Sequence[int], repeated: Sequence[bool]) -> Bool[np.ndarray, " N"]:
    """False at the last row of each episode whose last observation is not known.

    Args:
        lengths: rows of each episode.
        repeated: whether its last observation is not known.
    """
    known = np.ones(sum(lengths), dtype=np.bool_)
    known[np.cumsum(lengths)[np.asarray(repeated, dtype=np.bool_)] - 1] = False
    return known


def copied_rewards(
    episodes: Sequence[EpisodeRows], trajectories: Iterable[Trajectory], *, name: str
) -> Float32[np.ndarray, " N"]:
    """The rewards of a file's rows, of the trajectories that were read from it.

    Args:
        episodes: of the file.
        trajectories: all of it and in order, relabelled.
        name: of the file, which the trajectories' ids begin with.

    Raises:
        ShapeError: they are others, fewer or more.
        NeedsError: one has no rewards.
    """
    remaining = iter(trajectories)
    parts = [
        rewards_for_copy(
            next(remaining, None), name=_id(name, e), n_steps=e.rows.stop - e.rows.start
        )
        for e in episodes
    ]
    refuse_more(remaining, name)
    return np.concatenate(parts)


def _id(name: str, episode: EpisodeRows) -> str:
    return f"{name}/{episode.number:06d}"


def _check_rows(arrays: HDF5Group | NPZArrays, where: str) -> int:
    """How many rows all arrays have; whatever is no array of numbers is refused."""
    n_rows = None
    for key in ("observations", *READ[1:], *FLAGS):
        if key not in arrays:
            continue
        shape, dtype = getattr(arrays[key], "shape", ()), getattr(arrays[key], "dtype", None)
        if not shape or dtype is None or dtype.kind not in "fiub":
            raise FileFormatError(
                f"{where}: {key} is no array of numbers with a row a step; it has the shape "
                f"{shape} and dtype {dtype}."
            )
        n_rows = shape[0] if n_rows is None else n_rows
        if shape[0] != n_rows:
            raise FileFormatError(
                f"{where}: {key} has {shape[0]} rows and observations {n_rows}; expected one for "
                "each step."
            )
        if key in _ONE_A_ROW and shape not in ((n_rows,), (n_rows, 1)):
            raise FileFormatError(f"{where}: {key} has the shape {shape}; expected ({n_rows},).")
    if NEXT in arrays and arrays[NEXT].shape != arrays["observations"].shape:
        raise FileFormatError(
            f"{where}: next_observations has the shape {arrays[NEXT].shape} and observations "
            f"{arrays['observations'].shape}; expected the same."
        )
    return n_rows or 0


def _flags(
    arrays: HDF5Group | NPZArrays, key: str, n_rows: int, where: str
) -> Bool[np.ndarray, " N"]:
    if key not in arrays:
        return np.zeros(n_rows, dtype=np.bool_)
    flags = np.asarray(arrays[key]).reshape(n_rows)
    check_finite(flags, name=key, where=where, first=0)
    return np.asarray(flags.astype(np.bool_))


def _ends_by_length(
    ends: np.ndarray, n_rows: int, episode_length: int, where: str
) -> Int64[np.ndarray, " E"]:
    if type(episode_length) is not int or not 1 <= episode_length <= n_rows:
        raise InvalidValueError(
            f"episode_length={episode_length!r}; expected a number of rows from 1 to the {n_rows} "
            f"of {where}."
        )
    if len(ends):
        raise InvalidValueError(
            f"episode_length={episode_length}, and {where} says itself where its episodes end, "
            f"first in row {ends[0] - 1}; leave it."
        )
    return np.asarray(
        np.minimum(np.arange(1, -(-n_rows // episode_length) + 1) * episode_length, n_rows)
    )


def _check_chain(observations: np.ndarray, following: np.ndarray, where: str, first: int) -> None:
    differs = (following[:-1] != observations[1:]).reshape(len(observations) - 1, -1).any(axis=1)
    if differs.any():
        row = first + int(np.argmax(differs))
        raise FileFormatError(
            f"{where}: next_observations of row {row} is not the observation of row {row + 1}: an "
            "episode ends there, and neither terminals nor timeouts says so. Set timeouts there."
        )
