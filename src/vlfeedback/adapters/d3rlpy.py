"""Trajectories to d3rlpy's buffers and back; no transition is lost, no time-out is a terminal.

d3rlpy keeps no observation after the last action: it takes the next observation from the row
below, so a truncated episode's last transition is lost. Here such an episode gets one row more,
with its last observation, an action of zeros and a reward of zero. d3rlpy never starts a
transition there.
"""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Float32, Shaped

from vlfeedback.adapters.checks import LAST_OBSERVATION, check_finite, check_terminals
from vlfeedback.errors import NeedsError, ShapeError
from vlfeedback.optional import require
from vlfeedback.types import Trajectory

if TYPE_CHECKING:
    from d3rlpy.dataset import Episode, MDPDataset, ReplayBuffer, ReplayBufferBase

__all__ = ["from_replay_buffer", "to_mdp_dataset", "to_replay_buffer"]

WhichRewards = Literal["relabelled", "env"]
"""`Trajectory.rewards`, or the environment's own."""


def to_replay_buffer(
    trajectories: Iterable[Trajectory],
    *,
    rewards: WhichRewards = "relabelled",
    trust_terminals: bool = False,
) -> ReplayBuffer:
    """Make a d3rlpy buffer to learn from.

    float64 becomes float32, and pictures as observations (uint8, channels last) become channels
    first. What neither terminated nor was truncated counts as truncated.

    Args:
        trajectories: as `vlfeedback.relabel` gives them.
        rewards: which of a trajectory's rewards are learnt from.
        trust_terminals: take it that episodes which all terminate at the same length do so, and
            did not run into a time limit.

    Raises:
        NeedsError: a trajectory has no such rewards.
        FileFormatError: a reward, observation or action is no finite number, or time-outs are
            marked as terminals.
        ShapeError: there is no trajectory.
        MissingExtraError: d3rlpy is not installed.
    """
    dataset = _import_d3rlpy().dataset
    episodes = _to_episodes(list(trajectories), rewards, trust_terminals)
    return dataset.ReplayBuffer(dataset.InfiniteBuffer(), episodes=episodes, **_described(episodes))


def to_mdp_dataset(
    trajectories: Iterable[Trajectory],
    *,
    rewards: WhichRewards = "relabelled",
    trust_terminals: bool = False,
) -> MDPDataset:
    """Make a d3rlpy `MDPDataset`, the flat form of the same; see `to_replay_buffer`."""
    dataset = _import_d3rlpy().dataset
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
    buffer: ReplayBufferBase, *, rewards: WhichRewards = "env", trust_terminals: bool = False
) -> list[Trajectory]:
    """Read a d3rlpy buffer, an `MDPDataset` too.

    Each of its transitions becomes a step. The last row of an episode that did not terminate is
    none, see the module's header: its observation is the one after the last action. Where an
    episode terminated, d3rlpy does not know that observation, and the last one is repeated.

    Args:
        buffer: of d3rlpy.
        rewards: where its rewards go: to `Trajectory.env_rewards`, or, where they came from
            relabelling, to `Trajectory.rewards`.
        trust_terminals: see `to_replay_buffer`.

    Raises:
        FileFormatError: a number is not finite, or time-outs are marked as terminals.
        ShapeError: observations are tuples.
    """
    episodes = [episode for episode in buffer.episodes if episode.transition_count]
    check_terminals(
        [e.size() for e in episodes],
        [e.terminated for e in episodes],
        where="This buffer",
        trusted=trust_terminals,
    )
    field = "rewards" if rewards == "relabelled" else "env_rewards"
    return [_from_episode(e, number, field) for number, e in enumerate(episodes)]


def _import_d3rlpy() -> Any:
    """d3rlpy without the banner of the legacy gym that it imports."""
    if "d3rlpy" in sys.modules:
        return sys.modules["d3rlpy"]
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return require("d3rlpy", extra="offline", needed_by="A buffer of d3rlpy")


def _to_episodes(
    trajectories: list[Trajectory], rewards: WhichRewards, trust_terminals: bool
) -> list[Episode]:
    if not trajectories:
        raise ShapeError("No trajectory was given; a buffer needs at least one.")
    check_terminals(
        [len(t) for t in trajectories],
        [t.terminated for t in trajectories],
        where="These trajectories",
        trusted=trust_terminals,
    )
    return [_to_episode(t, _rewards_of(t, rewards)) for t in trajectories]


def _rewards_of(trajectory: Trajectory, rewards: WhichRewards) -> Float32[np.ndarray, " L"]:
    given = trajectory.rewards if rewards == "relabelled" else trajectory.env_rewards
    if given is None:
        other = (
            "relabel first (vlfeedback.relabel), or pass rewards='env' to learn from the "
            "environment's own"
            if rewards == "relabelled"
            else "record them, or relabel and leave out rewards='env'"
        )
        raise NeedsError(f"Trajectory {trajectory.id!r} has no {rewards} rewards: {other}.")
    return given


def _to_episode(trajectory: Trajectory, rewards: Float32[np.ndarray, " L"]) -> Episode:
    where = f"Trajectory {trajectory.id!r}"
    for name, rows in (
        ("rewards", rewards),
        ("observations", trajectory.observations),
        ("actions", trajectory.actions),
    ):
        check_finite(rows, name=name, where=where, first=0)
    observations = _channels_first(trajectory.observations)
    actions, column = _rows(trajectory.actions), _rows(rewards)
    if trajectory.terminated or trajectory.info.get(LAST_OBSERVATION) == "repeated":
        observations = observations[:-1]
    else:
        actions = np.concatenate([actions, np.zeros_like(actions[:1])])
        column = np.concatenate([column, np.zeros_like(column[:1])])
    return _import_d3rlpy().dataset.Episode(
        observations=_narrow(observations),
        actions=_narrow(actions),
        rewards=column.astype(np.float32),
        terminated=bool(trajectory.terminated),
    )


def _from_episode(episode: Any, number: int, field: str) -> Trajectory:
    if not isinstance(episode.observations, np.ndarray):
        raise ShapeError(
            f"Episode {number} has {len(episode.observations)} arrays of observations; "
            "trajectories have one. Join them, or choose one."
        )
    where, length = f"Episode {number} of this buffer", episode.transition_count
    rewards = np.asarray(episode.rewards[:length, 0], dtype=np.float32)
    check_finite(rewards, name="rewards", where=where, first=0)
    observations = _channels_last(episode.observations)
    repeated = {}
    if episode.terminated:
        observations = np.concatenate([observations, observations[-1:]])
        repeated = {LAST_OBSERVATION: "repeated"}
    return Trajectory(
        observations=observations,
        actions=episode.actions[:length],
        terminated=bool(episode.terminated),
        truncated=not episode.terminated,
        id=f"d3rlpy/{number:06d}",
        info=repeated,
        **{field: rewards},  # type: ignore[arg-type]
    )


def _described(episodes: list[Episode]) -> dict[str, Any]:
    """What d3rlpy would find out itself, and tell on the terminal."""
    d3rlpy = _import_d3rlpy()
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
