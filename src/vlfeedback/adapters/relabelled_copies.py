"""What formats share that keep two rewards a step: a source's, and the environment's own.

A copy of a dataset has a source's rewards where its origin has the environment's, and those beside
them; nan stands there where they are not known.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Shaped

from vlfeedback.errors import NeedsError, ShapeError
from vlfeedback.types import Trajectory

__all__ = ["env_rewards_or_nan", "reward_rows", "rewards_for_copy", "split_rewards"]


def reward_rows(rows: Shaped[np.ndarray, "L ..."]) -> Float32[np.ndarray, " L"]:
    """Rewards as trajectories have them, of rows or of a column."""
    return rows.reshape(-1).astype(np.float32)


def split_rewards(
    rewards: Shaped[np.ndarray, "L ..."] | None, kept: Shaped[np.ndarray, "L ..."] | None
) -> tuple[Float32[np.ndarray, " L"] | None, Float32[np.ndarray, " L"] | None]:
    """Say whose the rewards of a dataset are.

    Args:
        rewards: where the format has its rewards.
        kept: the environment's own beside them; None in what is no relabelled copy.

    Returns:
        `Trajectory.rewards` and `Trajectory.env_rewards`.
    """
    read = None if rewards is None else reward_rows(rewards)
    if kept is None:
        return None, read
    own = reward_rows(kept)
    return read, None if np.isnan(own).all() else own


def env_rewards_or_nan(trajectory: Trajectory) -> Float32[np.ndarray, " L"]:
    """What is kept of the environment's own rewards."""
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
        given = "there is none" if trajectory is None else f"{trajectory!r} was given"
        raise ShapeError(
            f"Episode {name} has {n_steps} steps and for it {given}. Give what `read` gave of this "
            "dataset, all of it and in order."
        )
    if trajectory.rewards is None:
        raise NeedsError(f"Trajectory {name!r} has no rewards; relabel it (vlfeedback.relabel).")
    return trajectory.rewards
