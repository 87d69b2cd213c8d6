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

from vlfeedback.data.discrete import are_discrete, count_values
from vlfeedback.data.learning_checks import (
    check_finite,
    check_terminals,
    reward_field,
    rewards_of,
)
from vlfeedback.data.picture_layout import move_channels
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
    channels: str | None = None,
) -> ReplayBuffer:
    """Make a d3rlpy buffer to learn from.

    float64 becomes float32, and pictures as observations (uint8) with channels last become
    channels first. Whole numbers as actions, (L,) or (L, 1), are discrete ones; all others are
    continuous. What neither terminated nor was truncated counts as truncated.

    Args:
        trajectories: as `vlfeedback.relabel` gives them.
        rewards: ``"source"`` reads `Trajectory.rewards`, which relabelling writes; ``"env"`` the
            environment's own; ``"none"`` gives zeros, for algorithms that read none.
        trust_terminals: take it that episodes which all terminate at the same length do so, and
            did not run into a time limit.
        channels: where pictures as observations have theirs in the trajectories: ``"last"``, or
            ``"first"``, as frame stacks of Atari do, which stay as they are. By default it is
            what the shape says: (84, 84, 3) is turned, (4, 84, 84) is not, and (3, 84, 3) asks.

    Raises:
        NeedsError: there is no trajectory, or one has no such rewards.
        InvalidValueError: a reward, observation or action is no finite number, time-outs are
            marked as terminals, a discrete action is negative, pictures may have their channels
            first or last and nothing was told, or `rewards` or `channels` is another word.
        MissingExtraError: d3rlpy is not installed.
    """
    dataset = import_d3rlpy(needed_by=_NEEDED_BY).dataset
    episodes = _to_episodes(list(trajectories), rewards, trust_terminals, channels)
    return dataset.ReplayBuffer(dataset.InfiniteBuffer(), episodes=episodes, **_described(episodes))


def to_mdp_dataset(
    trajectories: Iterable[Trajectory],
    *,
    rewards: str = "source",
    trust_terminals: bool = False,
    channels: str | None = None,
) -> MDPDataset:
    """Make a d3rlpy `MDPDataset`, the flat form of the same; see `to_replay_buffer`."""
    dataset = import_d3rlpy(needed_by=_NEEDED_BY).dataset
    episodes = _to_episodes(list(trajectories), rewards, trust_terminals, channels)
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
    buffer: ReplayBufferBase,
    *,
    rewards: str = "env",
    trust_terminals: bool = False,
    channels: str | None = None,
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
        channels: where trajectories are to have those of pictures: ``"last"``, or ``"first"``,
            as d3rlpy has them. By default those that are first unmistakably become last.

    Raises:
        InvalidValueError: a number is not finite, time-outs are marked as terminals, pictures may
            have their channels first or last and nothing was told, or `rewards` or `channels` is
            another word.
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
    discrete = buffer.dataset_info.action_space.name == "DISCRETE" if episodes else False
    return [_from_episode(e, n, field, channels, discrete) for n, e in enumerate(episodes)]


def _to_episodes(
    trajectories: list[Trajectory], rewards: str, trust_terminals: bool, channels: str | None
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
    discrete = are_discrete(trajectory.actions for trajectory in trajectories)
    if discrete:
        count_values((trajectory.actions for trajectory in trajectories), "actions")
    return [_to_episode(trajectory, rows, channels, discrete) for trajectory, rows in pairs]


def _to_episode(
    trajectory: Trajectory,
    rewards: Float32[np.ndarray, " L"],
    channels: str | None,
    discrete: bool,
) -> Episode:
    where = f"Trajectory {trajectory.id!r}"
    observations = _narrow(move_channels(trajectory.observations, channels, to="first"))
    actions, column = _narrow(_actions(trajectory.actions, discrete)), _rows(rewards)
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


def _from_episode(
    episode: Any, number: int, field: str | None, channels: str | None, discrete: bool
) -> Trajectory:
    if not isinstance(episode.observations, np.ndarray):
        raise ShapeError(
            f"Episode {number} has {len(episode.observations)} arrays of observations; "
            "trajectories have one. Join them, or choose one."
        )
    where, length = f"Episode {number} of this buffer", episode.transition_count
    rewards = np.asarray(episode.rewards[:length, 0], dtype=np.float32)
    check_finite(rewards, name="rewards", where=where, first=0)
    observations = move_channels(episode.observations, channels, to="last")
    if episode.terminated:
        observations = np.concatenate([observations, observations[-1:]])
    return Trajectory(
        observations=observations,
        actions=_actions(episode.actions[:length], discrete),
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
    discrete = are_discrete(episode.actions for episode in episodes)
    space = d3rlpy.ActionSpace
    return {
        "observation_signature": first.observation_signature,
        "action_signature": first.action_signature,
        "reward_signature": first.reward_signature,
        "action_space": space.DISCRETE if discrete else space.CONTINUOUS,
        "action_size": (
            count_values((episode.actions for episode in episodes), "actions")
            if discrete
            else first.actions.shape[1]
        ),
    }


def _rows(array: Shaped[np.ndarray, "L ..."]) -> Shaped[np.ndarray, "L ..."]:
    return array[:, None] if array.ndim == 1 else array


def _actions(actions: Shaped[np.ndarray, "L ..."], discrete: bool) -> Shaped[np.ndarray, "L ..."]:
    """Rows of actions whose dtype says whether they are discrete, as everything here reads it."""
    rows = _rows(actions)
    if discrete:
        return rows if rows.dtype.kind in "iu" else rows.astype(np.int64)
    return rows if rows.dtype.kind == "f" else rows.astype(np.float32)


def _narrow(array: Shaped[np.ndarray, "L ..."]) -> Shaped[np.ndarray, "L ..."]:
    return array.astype(np.float32) if array.dtype == np.float64 else array
