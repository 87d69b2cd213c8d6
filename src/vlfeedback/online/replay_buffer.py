"""A replay buffer whose rewards are learned, and are made anew when what gives them learns more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from jaxtyping import Float32
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples

from vlfeedback.online.entropy import StateEntropy
from vlfeedback.online.memory import check_memory
from vlfeedback.online.paying import Ledger, StepReward
from vlfeedback.types import Trajectory

__all__ = ["LearnedRewardBuffer"]

_STORED = (
    "observations",
    "next_observations",
    "actions",
    "rewards",
    "dones",
    "timeouts",
    "env_rewards",
)
_ROWS = 4096  # transitions scored at once: inputs and layers stay in cache


class LearnedRewardBuffer(ReplayBuffer):
    """Keeps a learned reward beside the environment's own, which no algorithm sees.

    For any off-policy algorithm of stable-baselines3, or of sbx:
    ``SAC(..., replay_buffer_class=LearnedRewardBuffer)``. Until `pay` is called rewards are 0; with
    `explore`, those that are sampled are the entropy of states.

    Attributes:
        env_rewards: (rows, environments) float32, the environment's own.
        doubts: (rows, environments) float32, standard deviation of the reward over members; None
            where none is sought.
        pictures: (rows, environments, ...), after each step; None where none are read.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.env_rewards = np.zeros_like(self.rewards)
        self.doubts: np.ndarray | None = None
        self.pictures: np.ndarray | None = None
        self._ledger = Ledger(self.n_envs)
        self._entropy: StateEntropy | None = None
        self._worth: Callable[[], float] | None = None

    @property
    def n_rows(self) -> int:
        """Rows that hold a transition of each environment."""
        return self.buffer_size if self.full else self.pos

    def explore(self, entropy: StateEntropy | None) -> None:
        """Have samples carry the entropy of their states, or no longer."""
        self._entropy = entropy

    def seek_doubt(self, worth: Callable[[], float]) -> None:
        """Add to sampled rewards what the members' disagreement is worth.

        Args:
            worth: asked at every batch: what one standard deviation counts.
        """
        self._worth, self.doubts = worth, np.zeros_like(self.rewards)

    def keep_pictures_for(self, reward: StepReward) -> None:
        """Make room for what `reward` reads of pictures, if it reads any.

        Raises:
            NeedsError: there is not that much memory.
        """
        shape = reward.picture_shape
        if shape is None:
            return
        dtype = np.dtype(reward.picture_dtype)
        n_bytes = self.buffer_size * self.n_envs * int(np.prod(shape)) * dtype.itemsize
        check_memory(
            n_bytes,
            what=f"{self.buffer_size * self.n_envs:,} transitions with {shape} of each picture",
            advice="Give a smaller buffer_size or picture_size, or read embeddings of pictures: "
            "RewardModelConfig(inputs='embeddings').",
        )
        self._ledger.read_for(reward, shape)
        self.pictures = np.zeros((self.buffer_size, self.n_envs, *shape), dtype)

    def pay(self, reward: StepReward, *, relabel: bool = True) -> None:
        """Take rewards from `reward` from now on, and for all transitions that are here."""
        self._ledger.pays = reward
        if relabel:
            self.relabel()

    def relabel(self) -> None:
        """Make the rewards of all valid rows anew, also those before the ring's write position."""
        n = self.n_rows
        if self._ledger.pays is None or not n:
            return
        observations = self.observations[:n].reshape(n * self.n_envs, -1)
        actions = self.actions[:n].reshape(n * self.n_envs, -1)
        pictures = self.pictures
        if pictures is not None:
            pictures = pictures[:n].reshape(n * self.n_envs, *pictures.shape[2:])
        rewards, doubts = np.zeros((2, n * self.n_envs), dtype=np.float32)
        for start in range(0, len(rewards), _ROWS):
            rows = slice(start, start + _ROWS)
            seen = None if pictures is None else pictures[rows]
            taken = self._as_taken(actions[rows])
            rewards[rows], doubts[rows] = self._ledger.rewards(observations[rows], taken, seen)
        self.rewards[:n] = rewards.reshape(n, self.n_envs)
        if self.doubts is not None:
            self.doubts[:n] = doubts.reshape(n, self.n_envs)

    def take_finished(self) -> list[Trajectory]:
        """Episodes that ended since the last call."""
        return self._ledger.take_finished()

    def take_learned_returns(self) -> list[float]:
        """Sums of learned rewards, as they were paid, of those episodes."""
        return self._ledger.take_returns()

    def paid(self) -> tuple[Float32[np.ndarray, " B"], Float32[np.ndarray, " B"]]:
        """Learned rewards of all valid rows, and the environment's own."""
        n = self.n_rows
        return self.rewards[:n].ravel(), self.env_rewards[:n].ravel()

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """All transitions, and what is paid in the running episodes: arrays and JSON values."""
        arrays = {name: getattr(self, name)[: self.n_rows] for name in _STORED}
        if self.doubts is not None:
            arrays["doubts"] = self.doubts[: self.n_rows]
        if self.pictures is not None and self._ledger.seen is not None:
            arrays |= {"pictures": self.pictures[: self.n_rows], "seen": self._ledger.seen}
        return arrays, {"position": self.pos, "learned": self._ledger.earned.tolist()}

    def restore(self, arrays: dict[str, np.ndarray], notes: dict[str, Any]) -> None:
        """Go back to a `state`."""
        n = len(arrays["rewards"])
        for name in _STORED:
            getattr(self, name)[:n] = arrays[name]
        if self.doubts is not None:
            self.doubts[:n] = arrays["doubts"]
        if self.pictures is not None:
            self.pictures[:n], self._ledger.seen = arrays["pictures"], arrays["seen"]
        self.pos, self.full = int(notes["position"]), n == self.buffer_size
        self._ledger.earned = np.array(notes["learned"])

    def add(
        self,
        obs: np.ndarray,
        next_obs: np.ndarray,
        action: np.ndarray,
        reward: np.ndarray,
        done: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        """Store a transition of each environment, with the reward that is learned."""
        row, ledger = self.pos, self._ledger
        ledger.look(infos)
        taken = self._as_taken(action.reshape(self.n_envs, -1))
        learned, doubts = ledger.rewards(obs, taken, ledger.seen)
        super().add(obs, next_obs, action, learned, done, infos)
        self.env_rewards[row] = reward
        if self.doubts is not None:
            self.doubts[row] = doubts
        if self.pictures is not None:
            self.pictures[row] = ledger.seen
        ledger.enter(learned, done, infos)

    def _get_samples(self, batch_inds: np.ndarray, env: Any = None) -> ReplayBufferSamples:
        if self._entropy is None:
            return self._samples_with_doubt(batch_inds, env)
        samples = super()._get_samples(batch_inds, env)
        seen = self.observations[: self.n_rows].reshape(self.n_rows * self.n_envs, -1)
        states = samples.observations.flatten(1).float()
        rewards = self._entropy.reward(states, torch.from_numpy(seen).to(states).float())
        return samples._replace(rewards=rewards[:, None])

    def _samples_with_doubt(self, batch_inds: np.ndarray, env: Any) -> ReplayBufferSamples:
        if self.doubts is None or self._worth is None:
            return super()._get_samples(batch_inds, env)
        # Which environment's row is taken is drawn in there: rows change for that long.
        rows = np.unique(batch_inds)
        paid = self.rewards[rows]
        self.rewards[rows] = paid + self._worth() * self.doubts[rows]
        try:
            return super()._get_samples(batch_inds, env)
        finally:
            self.rewards[rows] = paid

    def _as_taken(self, actions: np.ndarray) -> Float32[np.ndarray, "B A"]:
        """Actions as environments take them: stable-baselines3 stores them scaled to [-1, 1]."""
        space = self.action_space
        if not isinstance(space, gym.spaces.Box):
            return np.asarray(actions, dtype=np.float32)
        low, high = space.low.reshape(-1), space.high.reshape(-1)
        return np.asarray(low + 0.5 * (actions + 1.0) * (high - low), dtype=np.float32)
