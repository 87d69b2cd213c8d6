"""Policies from files, as `collect` has them act.

A folder of `vlfeedback train` or a ``.d3`` file of d3rlpy takes its best actions. A ``.zip`` of
stable-baselines3 draws its actions, as in its training: where every episode begins alike, best
actions would make one episode over and over. Nothing in a file is executed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from vlfeedback.data.contents import file_digest
from vlfeedback.errors import UnknownNameError

__all__ = ["SavedPolicy", "check_file", "is_file", "name_file"]

_SUFFIXES = (".zip", ".d3")


def is_file(policy: str) -> bool:
    """Whether a text names a file or folder, and not ``"module:function"``."""
    return policy.endswith(_SUFFIXES) or Path(policy).exists()


def check_file(policy: str) -> None:
    """Refuse a file that is not there or of no known kind; it is not read.

    Raises:
        FileNotFoundError: it is not there, or a folder without a finished training.
        UnknownNameError: it is named as none of the kinds.
    """
    path = _weights(policy)
    if path.suffix not in (*_SUFFIXES, ".safetensors"):
        raise UnknownNameError(
            f"The policy is {policy!r}; expected the folder of a training, a .d3 file of d3rlpy, "
            "a .zip of stable-baselines3, or 'module:function'."
        )


def name_file(policy: str) -> str:
    """The file's name and what it holds, as files say who acted."""
    path = _weights(policy)
    return f"{Path(policy).name} {file_digest(path)}"


def _weights(policy: str) -> Path:
    path = Path(policy)
    if path.is_dir():
        found = [path / name for name in ("policy.d3", "policy.safetensors")]
        path = next((file for file in found if file.is_file()), path / "policy.d3")
    if not path.is_file():
        raise FileNotFoundError(
            f"No policy {policy}; expected the folder of a finished training, or a file."
        )
    return path


class SavedPolicy:
    """A policy from a file, which acts in an environment of these spaces.

    Args:
        policy: a folder of `vlfeedback train`, a ``.d3`` file, or a ``.zip``.
        env: that it acts in.

    Raises:
        FileNotFoundError: it is not there.
        CheckpointError: it cannot be read, or does not fit the environment.
        MissingExtraError: the package that it is of is not installed.
    """

    def __init__(self, policy: str, env: gym.Env[Any, Any]) -> None:
        import torch

        self._torch = torch
        self._space = env.action_space
        self._draws = policy.endswith(".zip")
        if self._draws:
            from vlfeedback.adapters.sb3 import load_policy as load_sb3

            self._policy = load_sb3(policy, env.observation_space, env.action_space)
        elif Path(policy).is_dir():
            from vlfeedback.offline.trained_policy import TrainedPolicy

            self._policy = TrainedPolicy.load(policy).algo
        else:
            from vlfeedback.offline.policy_file import load_policy

            self._policy = load_policy(policy)
        self._random = torch.get_rng_state()

    def begin(self, seed: int) -> None:
        """Begin an episode: equal seeds, equal draws."""
        reset = getattr(self._policy, "reset", None)
        if reset is not None and not self._draws:
            reset(1)
        self._random = self._torch.Generator().manual_seed(seed).get_state()

    def __call__(self, observation: Any) -> Any:
        """An action of the environment, from a stream of chance of its own."""
        if not self._draws:
            rows = np.asarray(observation, dtype=np.float32).reshape(1, -1)
            return self._within(np.asarray(self._policy.predict(rows))[0])
        with self._torch.random.fork_rng(devices=[]):
            self._torch.set_rng_state(self._random)
            action, _ = self._policy.predict(observation, deterministic=False)
            self._random = self._torch.get_rng_state()
        return self._within(action)

    def _within(self, action: Any) -> Any:
        if isinstance(self._space, gym.spaces.Box):
            return np.clip(action, self._space.low, self._space.high)
        return action
