"""Environments that pay a learned reward, for algorithms that keep no replay buffer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from stable_baselines3.common.vec_env import VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnv, VecEnvObs, VecEnvStepReturn

from vlfeedback.online.entropy import StateEntropy
from vlfeedback.online.paying import Ledger, StepReward
from vlfeedback.types import Trajectory

__all__ = ["PayingEnvironments"]

_KEPT = 10_000  # steps, for what is told of the reward


class PayingEnvironments(VecEnvWrapper):
    """Pays a learned reward for each step, in place of the environments' own.

    Until `pay` is called rewards are 0; with `explore`, they are the entropy of the state that a
    step begins in, among all such states since then. ``info["env_reward"]`` is
    the environment's own.

    Args:
        venv: of environments that record their episodes (`RecordEpisodes`). Wrappers that scale
            what the algorithm sees, such as `VecNormalize`, come around this one.

    Example:
        >>> from stable_baselines3 import PPO  # doctest: +SKIP
        >>> venv = DummyVecEnv([lambda: RecordEpisodes(env, seed=0)])  # doctest: +SKIP
        >>> PPO("MlpPolicy", PayingEnvironments(venv)).learn(callback=...)  # doctest: +SKIP
    """

    def __init__(self, venv: VecEnv) -> None:
        super().__init__(venv)
        self._ledger = Ledger(venv.num_envs)
        self._entropy: StateEntropy | None = None
        self._explored: list[np.ndarray] = []
        self._worth: Callable[[], float] | None = None
        self._before = np.zeros(0)
        self._actions = np.zeros(0)
        self._latest: deque[tuple[float, float]] = deque(maxlen=_KEPT)

    def explore(self, entropy: StateEntropy | None) -> None:
        """Pay the entropy of states, or no longer."""
        if entropy is not self._entropy:
            self._entropy, self._explored = entropy, []

    def seek_doubt(self, worth: Callable[[], float]) -> None:
        """Pay for each standard deviation over members what `worth` says at that moment."""
        self._worth = worth

    def keep_pictures_for(self, reward: StepReward) -> None:
        """Keep the latest picture of each environment, if `reward` reads any."""
        if reward.picture_shape is not None:
            self._ledger.read_for(reward, reward.picture_shape)

    def pay(self, reward: StepReward, *, relabel: bool = True) -> None:
        """Take rewards from `reward` from now on; nothing is kept that could be paid anew."""
        self._ledger.pays = reward

    def take_finished(self) -> list[Trajectory]:
        """Episodes that ended since the last call."""
        return self._ledger.take_finished()

    def take_learned_returns(self) -> list[float]:
        """Sums of learned rewards, as they were paid, of those episodes."""
        return self._ledger.take_returns()

    def paid(self) -> tuple[Float32[np.ndarray, " B"], Float32[np.ndarray, " B"]]:
        """Learned rewards of the latest steps, as they were paid, and the environments' own."""
        learned, own = np.array(self._latest, dtype=np.float32).reshape(-1, 2).T
        return learned, own

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The states that were explored, and what running episodes have earned."""
        arrays = {"before": self._before, "latest": np.array(self._latest).reshape(-1, 2)}
        if self._explored:
            arrays["explored"] = np.concatenate(self._explored)
        if self._ledger.seen is not None:
            arrays["seen"] = self._ledger.seen
        return arrays, {"learned": self._ledger.earned.tolist()}

    def restore(self, arrays: dict[str, np.ndarray], notes: dict[str, Any]) -> None:
        """Go back to a `state`; the environments themselves are elsewhere."""
        self._before = arrays["before"]
        self._latest.extend((learned, own) for learned, own in arrays["latest"].tolist())
        self._explored = [arrays["explored"]] if "explored" in arrays else []
        self._ledger.seen = arrays.get("seen")
        self._ledger.earned = np.array(notes["learned"])

    def reset(self) -> VecEnvObs:
        """Reset all environments."""
        observations = self.venv.reset()
        self._before = np.asarray(observations)
        return observations

    def step_async(self, actions: np.ndarray) -> None:
        """Begin a step of each."""
        self._actions = actions
        self.venv.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """End it, and pay."""
        observations, own, ended, infos = self.venv.step_wait()
        ledger, n = self._ledger, self.num_envs
        ledger.look(infos)
        taken = self._actions.reshape(n, -1).astype(np.float32)
        learned, doubt = ledger.rewards(self._before, taken, ledger.seen)
        ledger.enter(learned, ended, infos)
        if ledger.pays is not None:
            self._latest.extend(zip(learned.tolist(), own.tolist(), strict=True))
        for info, reward in zip(infos, own, strict=True):
            info["env_reward"] = float(reward)
        rewards = learned if self._worth is None else learned + self._worth() * doubt
        if self._entropy is not None:
            rewards = self._new(self._entropy, self._before)
        self._before = np.asarray(observations)
        return observations, rewards, ended, infos

    def _new(self, entropy: StateEntropy, states: np.ndarray) -> Float32[np.ndarray, " n"]:
        flat = states.reshape(len(states), -1).astype(np.float32)
        self._explored.append(flat)
        if len(self._explored) > 1:
            self._explored = [np.concatenate(self._explored)]
        seen = torch.from_numpy(self._explored[0])
        return entropy.reward(torch.from_numpy(flat), seen).numpy()
