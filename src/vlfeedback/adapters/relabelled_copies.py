"""The two rewards of each step in a relabelled copy: a source's, and the environment's own.

A copy of a dataset has a source's rewards where its origin has the environment's, and those beside
them; nan stands there where they are not known.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Shaped

from vlfeedback.data.learning_checks import check_finite
from vlfeedback.errors import NeedsError, ShapeError
from vlfeedback.types import Trajectory

__all__ = [
    "env_rewards_or_nan",
    "like_stored",
    "refuse_more",
    "reward_rows",
    "rewards_for_copy",
    "split_rewards",
]


def reward_rows(rows: Shaped[np.ndarray, "L ..."]) -> Float32[np.ndarray, " L"]:
    """Rewards as trajectories hold them, from shape (L,) or (L, 1)."""
    return rows.reshape(-1).astype(np.float32)


def split_rewards(
    rewards: Shaped[np.ndarray, "L ..."] | None,
    env_rewards: Shaped[np.ndarray, "L ..."] | None,
    *,
    where: str = "",
    first: int = 0,
) -> tuple[Float32[np.ndarray, " L"] | None, Float32[np.ndarray, " L"] | None]:
    """Split the reward arrays of a dataset into a source's and the environment's own.

    The environment's own are not known where all of them are NaN.

    Args:
        rewards: where the format has its rewards.
        env_rewards: the environment's own beside them; None in what is no relabelled copy.
        where: which file, dataset or episode, for messages.
        first: number of the first row there.

    Returns:
        `Trajectory.rewards` and `Trajectory.env_rewards`.

    Raises:
        InvalidValueError: a number is NaN or infinite, and not all are NaN.
    """
    rows = None if rewards is None else reward_rows(rewards)
    own = rows if env_rewards is None else reward_rows(env_rewards)
    if own is not None and np.isnan(own).all():
        own = None
    if own is not None:
        check_finite(own, name="rewards", where=where, first=first)
    if env_rewards is None:
        return None, own
    if rows is not None:
        check_finite(rows, name="rewards", where=where, first=first)
    return rows, own


def env_rewards_or_nan(trajectory: Trajectory) -> Float32[np.ndarray, " L"]:
    """The environment's own rewards for a copy; NaN where they are not known."""
    if trajectory.env_rewards is None:
        return np.full(len(trajectory), np.nan, dtype=np.float32)
    return trajectory.env_rewards


def rewards_for_copy(
    trajectory: Trajectory | None, *, name: str, n_steps: int
) -> Float32[np.ndarray, " L"]:
    """The rewards that an episode gets in a copy, if the trajectory is that episode.

    Args:
        trajectory: the next one that was given; None where there are no more.
        name: id of the episode's trajectory.
        n_steps: of the episode.

    Raises:
        ShapeError: it is another one, or none.
        NeedsError: it has no rewards.
    """
    if trajectory is None or (trajectory.id, len(trajectory)) != (name, n_steps):
        problem = "there is none" if trajectory is None else f"{trajectory!r} was given"
        raise ShapeError(
            f"Episode {name} has {n_steps} steps and for it {problem}. Give what `read` gave of "
            "this dataset, all of it and in order."
        )
    if trajectory.rewards is None:
        raise NeedsError(f"Trajectory {name!r} has no rewards; relabel it (vlfeedback.relabel).")
    return trajectory.rewards


def like_stored(rewards: Float32[np.ndarray, " N"], stored: Any) -> Float[np.ndarray, "N ..."]:
    """Rewards in the shape and, where it holds them, the dtype of those that were there.

    Args:
        rewards: of every row.
        stored: the array that they take the place of, in memory or on disk; None for none.
    """
    if stored is None:
        return rewards
    holds = stored.dtype.kind == "f" and stored.dtype.itemsize >= rewards.dtype.itemsize
    return rewards.reshape(stored.shape).astype(stored.dtype if holds else rewards.dtype)


def refuse_more(remaining: Iterator[Trajectory], name: str) -> None:
    """Refuse trajectories that are left when all episodes have their rewards.

    Raises:
        ShapeError: there is one.
    """
    if next(remaining, None) is not None:
        raise ShapeError(f"There are more trajectories than {name} has episodes.")
