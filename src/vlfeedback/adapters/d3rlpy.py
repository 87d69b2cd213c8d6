"""Trajectories to d3rlpy's buffers and back; no transition is lost, no time-out is a terminal.

d3rlpy keeps no observation after the last action: it takes the next observation from the row
below, so a truncated episode's last transition is lost. Here such an episode gets one row more,
with its last observation, an action of zeros and a reward of zero. d3rlpy never starts a
transition there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, Shaped

from vlfeedback.data.learning_checks import (
    check_finite,
    check_terminals,
    reward_field,
    rewards_of,
)
from vlfeedback.errors import NeedsError, ShapeError
from vlfeedback.optional import import_d3rlpy
from vlfeedback.types import Trajectory

if TYPE_CHECKING:
    from d3rlpy.dataset import Episode, MDPDataset, ReplayBuffer, ReplayBufferBase

__all__ = ["from_replay_buffer", "to_mdp_dataset", "to_replay_buffer"]

_NEEDED_BY = "A buffer of d3rlpy"


def to_replay_buffer(
    trajectories: Iterable[Trajectory],
    *,
    rewards: str = "source",
    trust_terminals: bool = False,
) -> ReplayBuffer:
    """Make a d3rlpy buffer to learn from.

    float64 becomes float32, and pictures as observations (uint8, channels last) become channels
    first. What neither terminated nor was truncated counts as truncated.

    Args:
        trajectories: as `vlfeedback.relabel` gives them.
        rewards: ``"source"`` reads `Trajectory.rewards`, which relabelling writes; ``"env"`` the
            environment's own; ``"none"`` gives zeros, for algorithms that read none.
        trust_terminals: take it that episodes which all terminate at the same length do so, and
            did not run into a time limit.

    Raises:
        NeedsError: there is no trajectory, or one has no such rewards.
        InvalidValueError: a reward, observation or action is no finite number, time-outs are
            marked as terminals, or `rewards` is another word.
        MissingExtraError: d3rlpy is not installed.
    """
    dataset = import_d3rlpy(needed_by=_NEEDED_BY).dataset
    episodes = _to_episodes(list(trajectories), rewards, trust_terminals)
    return dataset.ReplayBuffer(dataset.InfiniteBuffer(), episodes=episodes, **_described(episodes))


def to_mdp_dataset(
    trajectories: Iterable[Trajectory],
    *,
    rewards: str = "source",
    trust_terminals: bool = False,
) -> MDPDataset:
    """Make a d3rlpy `MDPDataset`, the flat form of the same; see `to_replay_buffer`."""
    dataset = import_d3rlpy(needed_by=_NEEDED_BY).dataset
    episodes = _to_episodes(list(trajectories), rewards, trust_terminals)
    ends = np.concatenate([np.arange(len(e)) == len(e) - 1 for e in episodes])
    terminated = np.concatenate([np.full(len(e), e.terminated) for e in episodes])
    described = _described(episodes)
    return dataset.MDPDataset(
        observations=np.concatenate([e.observations for e in episodes]),
        actions=np.concatenate([e.actions for e in episodes]),
        rewards=np.concatenate([e.rewards for e in episodes]),
        terminals=(ends & terminated).astype(np.float32),
        timeouts=(ends & ~terminated).astype(np.float32),
        action_space=described["action_space"],
        action_size=described["action_size"],
    )


def from_replay_buffer(
    buffer: ReplayBufferBase, *, rewards: str = "env", trust_terminals: bool = False
) -> list[Trajectory]:
    """Read a d3rlpy buffer, an `MDPDataset` too.

    Each of its transitions becomes a step. The last row of an episode that did not terminate is
    none, see the module's header: its observation is the one after the last action. Where an
    episode terminated, d3rlpy does not know that observation, and the last one is repeated.

    Args:
        buffer: of d3rlpy.
        rewards: whose its rewards are: ``"env"`` makes them `Trajectory.env_rewards`,
            ``"source"`` `Trajectory.rewards`; ``"none"`` leaves them out.
        trust_terminals: see `to_replay_buffer`.

    Raises:
        InvalidValueError: a number is not finite, time-outs are marked as terminals, or `rewards`
            is another word.
        ShapeError: observations are tuples.
    """
    field = reward_field(rewards)
    episodes = [episode for episode in buffer.episodes if episode.transition_count]
    check_terminals(
        [e.size() for e in episodes],
        [e.terminated for e in episodes],
        where="This buffer",
        trusted=trust_terminals,
    )
    return [_from_episode(e, number, field) for number, e in enumerate(episodes)]


def _to_episodes(
    trajectories: list[Trajectory], rewards: str, trust_terminals: bool
) -> list[Episode]:
    if not trajectories:
        raise NeedsError("No trajectory was given; a buffer needs at least one.")
    check_terminals(
        [len(t) for t in trajectories],
        [t.terminated for t in trajectories],
        where="These trajectories",
        trusted=trust_terminals,
    )
    pairs = zip(trajectories, rewards_of(trajectories, rewards), strict=True)
    return [_to_episode(trajectory, episode_rewards) for trajectory, episode_rewards in pairs]


def _to_episode(trajectory: Trajectory, rewards: Float32[np.ndarray, " L"]) -> Episode:
    where = f"Trajectory {trajectory.id!r}"
    observations = _narrow(_channels_first(trajectory.observations))
    actions, column = _narrow(_rows(trajectory.actions)), _rows(rewards)
    for name, rows in (("rewards", column), ("observations", observations), ("actions", actions)):
        check_finite(rows, name=name, where=where, first=0)
    if trajectory.terminated or trajectory.last_observation_repeated:
        observations = observations[:-1]
    else:
        actions = np.concatenate([actions, np.zeros_like(actions[:1])])
        column = np.concatenate([column, np.zeros_like(column[:1])])
    return import_d3rlpy(needed_by=_NEEDED_BY).dataset.Episode(
        observations=observations,
        actions=actions,
        rewards=column.astype(np.float32),
        terminated=bool(trajectory.terminated),
    )


def _from_episode(episode: Any, number: int, field: str | None) -> Trajectory:
    if not isinstance(episode.observations, np.ndarray):
        raise ShapeError(
            f"Episode {number} has {len(episode.observations)} arrays of observations; "
            "trajectories have one. Join them, or choose one."
        )
    where, length = f"Episode {number} of this buffer", episode.transition_count
    rewards = np.asarray(episode.rewards[:length, 0], dtype=np.float32)
    check_finite(rewards, name="rewards", where=where, first=0)
    observations = _channels_last(episode.observations)
    if episode.terminated:
        observations = np.concatenate([observations, observations[-1:]])
    return Trajectory(
        observations=observations,
        actions=episode.actions[:length],
        terminated=bool(episode.terminated),
        truncated=not episode.terminated,
        id=f"d3rlpy/{number:06d}",
        last_observation_repeated=bool(episode.terminated),
        **({} if field is None else {field: rewards}),  # type: ignore[arg-type]
    )


def _described(episodes: list[Episode]) -> dict[str, Any]:
    """Signatures and action space of the episodes, which d3rlpy would else infer and log."""
    d3rlpy = import_d3rlpy(needed_by=_NEEDED_BY)
    first = episodes[0]
    discrete = first.actions.dtype.kind in "iub"
    space = d3rlpy.ActionSpace
    return {
        "observation_signature": first.observation_signature,
        "action_signature": first.action_signature,
        "reward_signature": first.reward_signature,
        "action_space": space.DISCRETE if discrete else space.CONTINUOUS,
        "action_size": (
            1 + max(int(e.actions.max()) for e in episodes) if discrete else first.actions.shape[1]
        ),
    }


def _rows(array: Shaped[np.ndarray, "L ..."]) -> Shaped[np.ndarray, "L ..."]:
    return array[:, None] if array.ndim == 1 else array


def _narrow(array: Shaped[np.ndarray, "L ..."]) -> Shaped[np.ndarray, "L ..."]:
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _channels_first(observations: Shaped[np.ndarray, "L1 ..."]) -> Shaped[np.ndarray, "L1 ..."]:
    if observations.dtype == np.uint8 and observations.ndim == 4:
        return np.ascontiguousarray(observations.transpose(0, 3, 1, 2))
    return observations


def _channels_last(observations: Shaped[np.ndarray, "L1 ..."]) -> Shaped[np.ndarray, "L1 ..."]:
    if observations.dtype == np.uint8 and observations.ndim == 4:
        return np.ascontiguousarray(observations.transpose(0, 2, 3, 1))
    return observations
