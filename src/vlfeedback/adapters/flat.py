"""Episodes one below the other in flat arrays, as D4RL lays them out.

``observations``, ``actions``, ``rewards``, ``terminals`` and ``timeouts`` have a row a step;
``next_observations`` may be there too. Trajectories are written with it, with ``infos/success``
where they have it, and, where they were relabelled, with the environment's own rewards in
``infos/env_rewards``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool

from vlfeedback.adapters.relabelled_copies import env_rewards_or_nan, split_rewards
from vlfeedback.data.learning_checks import check_finite, check_terminals
from vlfeedback.errors import FileFormatError, NeedsError
from vlfeedback.types import Trajectory

__all__ = ["FLAGS", "READ", "EpisodeRows", "find_episodes", "rows_of", "trajectory_of"]

ENV_REWARDS, SUCCESS = "infos/env_rewards", "infos/success"
READ = ("observations", "actions", "rewards", "next_observations", ENV_REWARDS, SUCCESS)
"""Arrays that are read an episode at a time."""
FLAGS = ("terminals", "timeouts")
"""Arrays that are read at once."""


@dataclass(frozen=True, slots=True)
class EpisodeRows:
    """Where an episode lies, and how it ended."""

    number: int
    rows: slice
    terminated: bool
    truncated: bool


def find_episodes(
    arrays: Mapping[str, Any], *, where: str, trust_terminals: bool
) -> list[EpisodeRows]:
    """Cut where a flag is set; rows after the last flag are an episode without an end.

    Args:
        arrays: what the file has, in memory or on disk; the flags are read as a whole.
        where: the file, for messages.
        trust_terminals: see `check_terminals`.

    Raises:
        FileFormatError: observations or actions are not there, no flag is set, or arrays differ in
            the number of rows.
        InvalidValueError: time-outs are marked as terminals.
    """
    missing = [key for key in ("observations", "actions") if key not in arrays]
    if missing:
        raise FileFormatError(
            f"{where} has no {missing[0]}; it has {sorted(arrays)}. Expected observations, "
            "actions, terminals and timeouts with a row a step."
        )
    n_rows = len(arrays["observations"])
    for key in (*READ, *FLAGS):
        if key in arrays and len(arrays[key]) != n_rows:
            raise FileFormatError(
                f"{where}: {key} has {len(arrays[key])} rows and observations {n_rows}; expected "
                "one for each step."
            )
    terminated, truncated = (_flags(arrays, key, n_rows) for key in FLAGS)
    ends = np.flatnonzero(terminated | truncated) + 1
    if not len(ends):
        raise FileFormatError(
            f"{where}: neither terminals nor timeouts has an end of an episode among {n_rows} "
            "rows, so it is not known where one begins. Set timeouts at the last row of each."
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
    for key in ("observations", "actions", "rewards"):
        if key in arrays:
            check_finite(arrays[key], name=key, where=where, first=first)
    observations = arrays["observations"]
    following = arrays.get("next_observations")
    if following is not None:
        _check_chain(observations, following, where, first)
    last = observations[-1:] if following is None else following[-1:]
    rewards, env_rewards = split_rewards(arrays.get("rewards"), arrays.get(ENV_REWARDS))
    success = arrays.get(SUCCESS)
    return Trajectory(
        observations=np.concatenate([observations, last]),
        actions=arrays["actions"],
        rewards=rewards,
        env_rewards=env_rewards,
        successes=None if success is None else success.reshape(-1).astype(np.bool_),
        terminated=episode.terminated,
        truncated=episode.truncated,
        id=f"{name}/{episode.number:06d}",
        last_observation_repeated=following is None,
    )


def rows_of(trajectory: Trajectory, keys: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """A trajectory's rows of every array that is written; what has no end is a time-out.

    Args:
        trajectory: its pictures, task and info have no place here.
        keys: the arrays that the trajectories before it have.

    Raises:
        NeedsError: it has rewards or successes that those before it lack, or the reverse.
    """
    last = np.arange(len(trajectory)) == len(trajectory) - 1
    rows: dict[str, Any] = {
        "observations": trajectory.observations[:-1],
        "next_observations": trajectory.observations[1:],
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


def _flags(arrays: Mapping[str, Any], key: str, n_rows: int) -> Bool[np.ndarray, " N"]:
    if key not in arrays:
        return np.zeros(n_rows, dtype=np.bool_)
    return np.asarray(np.asarray(arrays[key]).reshape(n_rows, -1).any(axis=1))


def _check_chain(observations: np.ndarray, following: np.ndarray, where: str, first: int) -> None:
    differs = (following[:-1] != observations[1:]).reshape(len(observations) - 1, -1).any(axis=1)
    if differs.any():
        row = first + int(np.argmax(differs))
        raise FileFormatError(
            f"{where}: next_observations of row {row} is not the observation of row {row + 1}: an "
            "episode ends there, and neither terminals nor timeouts says so. Set timeouts there."
        )
