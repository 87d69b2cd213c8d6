"""The two rewards of each step in a relabelled copy: a source's, and the environment's own.

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
    """Rewards as trajectories hold them, from shape (L,) or (L, 1)."""
    return rows.reshape(-1).astype(np.float32)


def split_rewards(
    rewards: Shaped[np.ndarray, "L ..."] | None, env_rewards: Shaped[np.ndarray, "L ..."] | None
) -> tuple[Float32[np.ndarray, " L"] | None, Float32[np.ndarray, " L"] | None]:
    """Split the reward arrays of a dataset into a source's and the environment's own.

    Args:
        rewards: where the format has its rewards.
        env_rewards: the environment's own beside them; None in what is no relabelled copy.

    Returns:
        `Trajectory.rewards` and `Trajectory.env_rewards`.
    """
    rows = None if rewards is None else reward_rows(rewards)
    if env_rewards is None:
        return None, rows
    own = reward_rows(env_rewards)
    return rows, None if np.isnan(own).all() else own


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
