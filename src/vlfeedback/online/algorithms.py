"""Algorithms by name, and what each is made with."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from stable_baselines3.common.utils import get_device
from stable_baselines3.common.vec_env import VecEnv

from vlfeedback.errors import UnknownNameError
from vlfeedback.online.replay_buffer import LearnedRewardBuffer
from vlfeedback.registry import Entry, imported

__all__ = ["ALGORITHMS", "ON_POLICY", "algorithm_class", "make_algorithm"]

ALGORITHMS = {
    entry.name: entry
    for entry in (
        Entry("ddpg", "stable_baselines3:DDPG", extra="online"),
        Entry("sac", "stable_baselines3:SAC", extra="online"),
        Entry("td3", "stable_baselines3:TD3", extra="online"),
        Entry("a2c", "stable_baselines3:A2C", extra="online"),
        Entry("ppo", "stable_baselines3:PPO", extra="online"),
        Entry("sbx-crossq", "sbx:CrossQ", extra="sbx"),
        Entry("sbx-ddpg", "sbx:DDPG", extra="sbx"),
        Entry("sbx-sac", "sbx:SAC", extra="sbx"),
        Entry("sbx-td3", "sbx:TD3", extra="sbx"),
        Entry("sbx-tqc", "sbx:TQC", extra="sbx"),
    )
}
"""Algorithms by name; those of sbx compute in JAX."""

ON_POLICY = frozenset({"a2c", "ppo"})
"""Those that learn from fresh steps alone: their environments pay, not a replay buffer."""


def algorithm_class(name: str) -> Any:
    """The class of an algorithm.

    Raises:
        UnknownNameError: it is none of `ALGORITHMS`.
        MissingExtraError: its library is not installed.
    """
    if name not in ALGORITHMS:
        raise UnknownNameError(
            f"No algorithm {name!r}; expected one of {', '.join(ALGORITHMS)}. Another one of "
            "stable-baselines3's learns with its own model.learn(callback=PEBBLE(...)), or "
            "PrefPPO(...) where it keeps no replay buffer."
        )
    return imported(ALGORITHMS[name], "algorithm")


def make_algorithm(
    name: str,
    env: VecEnv,
    *,
    learns_reward: bool,
    random_steps: int,
    seed: int,
    device: str,
    settings: Mapping[str, Any],
) -> Any:
    """Make an algorithm with networks of numbers.

    Args:
        name: of `ALGORITHMS`.
        env: that it acts in; of `ON_POLICY` such as pay the learned reward.
        learns_reward: whether its replay buffer keeps a learned reward; else the environment's own.
        random_steps: before it learns; those of `ON_POLICY` have none.
        seed: of weights and actions.
        device: where it is trained.
        settings: arguments of it, before ours.
    """
    given: dict[str, Any] = {}
    if name not in ON_POLICY:
        given = {
            "replay_buffer_class": LearnedRewardBuffer if learns_reward else None,
            "learning_starts": random_steps,
            "train_freq": 1,
            "gradient_steps": 1 if env.num_envs == 1 else -1,  # as many as steps
        }
    given |= deepcopy(dict(settings))
    model = algorithm_class(name)("MlpPolicy", env, seed=seed, device=device, **given)
    model.device = get_device(device)  # sbx forgets it, and the reward model goes by it
    return model
