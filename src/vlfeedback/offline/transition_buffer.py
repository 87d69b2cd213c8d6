"""Trajectories as a d3rlpy buffer of flat arrays: fast to sample, and no transition is lost.

d3rlpy's own buffer keeps as many observations as actions, so an episode that was cut off loses
its last transition; and it draws a batch in a Python loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NoReturn, overload

import numpy as np
from d3rlpy.constants import ActionSpace
from d3rlpy.dataset import (
    BasicTransitionPicker,
    DatasetInfo,
    Episode,
    ReplayBufferBase,
    Signature,
    Transition,
    TransitionMiniBatch,
)
from jaxtyping import Float32, Int64

from vlfeedback.data.discrete import are_discrete, count_values
from vlfeedback.data.learning_checks import (
    check_finite,
    check_terminals,
    rewards_of,
)
from vlfeedback.data.picture_layout import move_channels
from vlfeedback.errors import NeedsError, ShapeError
from vlfeedback.offline.weight_notes import Steps
from vlfeedback.types import Trajectory

__all__ = ["TransitionBuffer"]


class TransitionBuffer(ReplayBufferBase):  # type: ignore[misc]
    """All transitions of some trajectories, drawn uniformly with replacement.

    L actions make L transitions, each with the state that followed it; where the last one is not
    known (``info["last_observation"] == "repeated"``), a time limit costs one. Numbers are held as
    float32, pictures as the uint8 they are. Only `Trajectory.terminated` makes a last transition
    terminal; a time limit never does, so that values are learnt through it. With
    ``terminals=False`` nothing does.

    Args:
        trajectories: of one task; whole numbers as actions, (L,) or (L, 1), are discrete ones.
        rewards: ``"source"`` reads `Trajectory.rewards`, which relabelling writes; ``"env"`` the
            environment's own; ``"none"`` gives zeros, for learners that read none.
        standardise: subtract the mean reward of all transitions and divide by the standard
            deviation; a constant reward is left as it is.
        differences: pay by how much each reward is above the one before, and nothing for the first:
            where a reward says how far a state has got. Paid at every step, it teaches to put off
            the end of an episode, and with it what would end it well.
        terminals: False: no transition is terminal, and values are learnt through every end, as if
            all were time limits (CPL's code).
        trust_terminals: believe trajectories that all terminate at the same length.
        channels: where pictures as observations have theirs, which become first as d3rlpy has
            them; see `vlfeedback.adapters.d3rlpy.to_replay_buffer`.
        seed: of the order in which transitions are drawn.

    Raises:
        NeedsError: there is no trajectory, no transition, or no such rewards.
        InvalidValueError: all trajectories terminate at the same length, which is what a time
            limit marked as termination looks like; a number is NaN or infinite; a discrete action
            is negative; pictures may have their channels first or last; or `rewards` or
            `channels` is another word.
        ShapeError: trajectories differ in the shapes of observations or actions.

    Source: time limits are no ends: every paper here bootstraps through them (Meta-World never
    terminates).
    """

    def __init__(
        self,
        trajectories: Iterable[Trajectory],
        *,
        rewards: str = "source",
        standardise: bool = False,
        differences: bool = False,
        terminals: bool = True,
        trust_terminals: bool = False,
        channels: str | None = None,
        seed: int = 0,
    ) -> None:
        episodes = list(trajectories)
        if not episodes:
            raise NeedsError("There is no trajectory to learn from; pass at least one.")
        if not terminals:
            episodes = [replace(episode, terminated=False, truncated=True) for episode in episodes]
        check_terminals(
            [len(episode) for episode in episodes],
            [episode.terminated for episode in episodes],
            where="These trajectories",
            trusted=trust_terminals,
        )
        episodes = _with_next_states(episodes)
        lengths = np.array([len(episode) for episode in episodes])
        # Every array but rewards has a row for each state, the last ones included: the row after
        # a transition's is its next state.
        self._ends = np.cumsum(lengths + 1)
        self._rows = np.delete(np.arange(self._ends[-1]), self._ends - 1)
        observations = [move_channels(e.observations, channels, to="first") for e in episodes]
        self._observations = _stack(episodes, observations, "observations")
        self._actions, self._action_space = _actions(episodes)
        self._rewards = _rewards(episodes, rewards, standardise)
        if differences:
            self._rewards = np.diff(self._rewards, axis=0, prepend=self._rewards[:1])
            self._rewards[np.cumsum(lengths) - lengths] = 0.0  # the first of each trajectory
        self._terminals = np.zeros((len(self._rows), 1), dtype=np.float32)
        terminated = np.array([episode.terminated for episode in episodes])
        self._terminals[np.cumsum(lengths) - 1, 0] = terminated
        self._terminated = terminated
        self._levels = np.repeat([episode.level for episode in episodes], lengths)
        self._rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return (
            f"TransitionBuffer({len(self)} transitions of {len(self._ends)} trajectories, "
            f"observations={self._observations.shape[1:]}, actions={self._actions.shape[1:]})"
        )

    @property
    def rewards(self) -> Float32[np.ndarray, " M"]:
        """The reward of every transition, as learners see it."""
        return self._rewards[:, 0]

    def sample_transition_batch(self, batch_size: int) -> TransitionMiniBatch:
        """Draw transitions, uniformly and with replacement."""
        return self.batch(self.draw(batch_size))

    def draw(self, batch_size: int) -> Int64[np.ndarray, " B"]:
        """Draw the next transitions, and say only which they are."""
        return self._rng.integers(len(self._rows), size=batch_size)

    def batch(self, indices: Int64[np.ndarray, " B"]) -> TransitionMiniBatch:
        """These transitions."""
        rows = self._rows.take(indices)
        return TransitionMiniBatch(
            observations=self._observations.take(rows, axis=0).astype(np.float32, copy=False),
            actions=self._actions.take(rows, axis=0),
            rewards=self._rewards.take(indices, axis=0),
            next_observations=self._observations.take(rows + 1, axis=0).astype(
                np.float32, copy=False
            ),
            next_actions=self._actions.take(rows + 1, axis=0),
            terminals=self._terminals.take(indices, axis=0),
            intervals=np.ones((len(indices), 1), dtype=np.float32),
            transitions=_Transitions(self, rows),
        )

    def steps(self) -> Steps:
        """Every transition once, trajectory by trajectory."""
        return Steps(
            self._observations.take(self._rows, axis=0).astype(np.float32, copy=False),
            self._actions.take(self._rows, axis=0),
            self.rewards,
            self._levels,
        )

    def sample_transition(self) -> Transition:
        """Draw one transition; d3rlpy reads the shapes from it."""
        return self._transition(int(self._rows[self._rng.integers(len(self._rows))]))

    def order_state(self) -> dict[str, Any]:
        """State of the order of draws, beside the transitions."""
        return {"rng": self._rng.bit_generator.state}

    def load_order_state(self, state: Mapping[str, Any]) -> None:
        """Restore the order of draws from an `order_state`."""
        self._rng.bit_generator.state = state["rng"]

    @cached_property
    def episodes(self) -> Sequence[Episode]:
        """The trajectories as d3rlpy has them: a time limit's last state in a row of its own."""
        first = np.concatenate([[0], self._ends[:-1]])
        rewards = np.zeros((len(self._observations), 1), dtype=np.float32)
        rewards[self._rows] = self._rewards
        return [
            Episode(
                *(array[a : b - end] for array in (self._observations, self._actions, rewards)), end
            )
            for a, b, end in zip(first, self._ends, map(bool, self._terminated), strict=True)
        ]

    def size(self) -> int:
        """Count the trajectories."""
        return len(self._ends)

    @property
    def transition_count(self) -> int:
        """Transitions in all trajectories."""
        return len(self)

    @property
    def transition_picker(self) -> BasicTransitionPicker:
        """d3rlpy's rule that makes transitions of `episodes`."""
        return BasicTransitionPicker()

    @property
    def dataset_info(self) -> DatasetInfo:
        """Shapes and dtypes, for d3rlpy."""
        discrete = self._action_space is ActionSpace.DISCRETE
        return DatasetInfo(
            observation_signature=_signature(self._observations),
            action_signature=_signature(self._actions),
            reward_signature=_signature(self._rewards),
            action_space=self._action_space,
            action_size=int(self._actions.max()) + 1 if discrete else self._actions.shape[1],
        )

    def _transition(self, row: int) -> Transition:
        episode = int(np.searchsorted(self._ends, row, side="right"))
        first = 0 if episode == 0 else int(self._ends[episode - 1])
        return self.transition_picker(self.episodes[episode], row - first)

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise NeedsError(
            "A TransitionBuffer holds the transitions of fixed trajectories: it never grows, and "
            "gives no sequences. Use adapters.d3rlpy.to_replay_buffer for d3rlpy's own buffer."
        )

    append = append_episode = clip_episode = dump = _refuse
    sample_trajectory = sample_trajectory_batch = _refuse
    from_episode_generator = load = _refuse
    buffer = trajectory_slicer = property(_refuse)


class _Transitions(Sequence[Transition]):
    """The transitions of a batch one by one, cut only for algorithms that look at them."""

    def __init__(self, buffer: TransitionBuffer, rows: Int64[np.ndarray, " B"]) -> None:
        self._buffer = buffer
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Transition: ...
    @overload
    def __getitem__(self, index: slice) -> list[Transition]: ...
    def __getitem__(self, index: int | slice) -> Transition | list[Transition]:
        if isinstance(index, slice):
            return [self._buffer._transition(int(row)) for row in self._rows[index]]
        return self._buffer._transition(int(self._rows[index]))


def _with_next_states(episodes: Sequence[Trajectory]) -> list[Trajectory]:
    """The same without last transitions of which it is not known where they led."""
    trajectories = []
    for episode in episodes:
        if episode.terminated or not episode.last_observation_repeated:
            trajectories.append(episode)
        elif len(episode) > 1:
            trajectories.append(_without_last_step(episode))
    if not trajectories:
        raise NeedsError(
            "There is no transition to learn from: each trajectory has one step, and it is not "
            "known where that led (info['last_observation'] is 'repeated')."
        )
    return trajectories


def _without_last_step(episode: Trajectory) -> Trajectory:
    rewards, env_rewards = (
        None if rows is None else rows[:-1] for rows in (episode.rewards, episode.env_rewards)
    )
    return replace(
        episode,
        observations=episode.observations[:-1],
        actions=episode.actions[:-1],
        rewards=rewards,
        env_rewards=env_rewards,
        successes=None,
        frames=None,
        last_observation_repeated=False,
    )


def _stack(episodes: Sequence[Trajectory], arrays: Sequence[np.ndarray], name: str) -> np.ndarray:
    """One array of all trajectories, one after the other, as float32 (pictures as uint8)."""
    for episode, array in zip(episodes, arrays, strict=True):
        if array.shape[1:] != arrays[0].shape[1:]:
            raise ShapeError(
                f"{name} of trajectory {episode.id!r} have shape {array.shape[1:]}, and those of "
                f"{episodes[0].id!r} {arrays[0].shape[1:]}; expected one task's, all alike."
            )
    if all(array.dtype == np.uint8 for array in arrays):
        return np.concatenate(arrays)
    stacked = np.concatenate(arrays, dtype=np.float32, casting="same_kind")
    ends = np.cumsum([len(array) for array in arrays])
    for episode, rows in zip(episodes, np.split(stacked, ends[:-1]), strict=True):
        check_finite(rows, name=name, where=f"Trajectory {episode.id!r}", first=0)
    return stacked


def _actions(episodes: Sequence[Trajectory]) -> tuple[Float32[np.ndarray, "M A"], ActionSpace]:
    """Actions with a row of zeros after each trajectory, and of which kind they are."""
    discrete = are_discrete(episode.actions for episode in episodes)
    if discrete:
        count_values((episode.actions for episode in episodes), "actions")
    if any(episode.actions.ndim != 2 for episode in episodes) and not discrete:
        raise ShapeError(
            f"actions have shape {episodes[0].actions.shape}; expected (L, A) numbers, or (L,) or "
            "(L, 1) whole numbers."
        )
    arrays = [e.actions.reshape(-1, 1) if discrete else e.actions for e in episodes]
    stacked = _stack(episodes, arrays, "actions").astype(np.float32)
    after = np.cumsum([len(episode) for episode in episodes])
    rows = np.insert(stacked, after, 0, axis=0)
    return rows, ActionSpace.DISCRETE if discrete else ActionSpace.CONTINUOUS


def _rewards(
    episodes: Sequence[Trajectory], kind: str, standardise: bool
) -> Float32[np.ndarray, "M 1"]:
    rewards = _stack(episodes, rewards_of(episodes, kind), "rewards")
    if standardise and np.ptp(rewards) > 0:
        centred = rewards - rewards.mean(dtype=np.float64)
        rewards = (centred / centred.std()).astype(np.float32)
    return rewards[:, None]


def _signature(rows: np.ndarray) -> Signature:
    return Signature([rows.dtype], [rows.shape[1:]])
