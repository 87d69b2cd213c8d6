"""What environments answer, as NumPy: tensors of batched simulators are read, rewards are checked.

Simulators that run many worlds at once, such as ManiSkill and those on MJX, answer with torch
tensors or JAX arrays of a leading axis, also where they run a single world.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from jaxtyping import Bool, Float64

from vlfeedback.errors import InvalidTypeError, InvalidValueError, ShapeError

__all__ = ["as_arrays", "checked_rewards", "n_worlds", "success_of"]

_ADVICE = (
    "A reward is one finite number; give 0.0 in an environment that has none of its own, with "
    "gymnasium.wrappers.TransformReward for one that is not yours."
)


def as_arrays(value: Any) -> Any:
    """The same with NumPy arrays in place of tensors, those in dicts and tuples too.

    >>> as_arrays({"a": (1, np.zeros(2))})
    {'a': (1, array([0., 0.]))}
    """
    if isinstance(value, Mapping):
        return {key: as_arrays(inner) for key, inner in value.items()}
    if isinstance(value, tuple):
        return tuple(as_arrays(inner) for inner in value)
    if hasattr(value, "detach"):  # torch: out of the graph, and off the device
        return value.detach().cpu().numpy()
    if hasattr(value, "__array__") and not isinstance(value, np.ndarray | np.generic):
        return np.asarray(value)
    return value


def checked_rewards(
    rewards: Any, stepped: Bool[np.ndarray, " N"], *, whose: object
) -> Float64[np.ndarray, " N"]:
    """Rewards of N environments, one finite number for each that took a step.

    Args:
        rewards: what they answered: a number of any kind where N is 1, or N of them.
        stepped: where a step was taken; the other rewards are not looked at and become 0.
        whose: the environment, for messages.

    Raises:
        InvalidTypeError: they are no numbers, such as None.
        ShapeError: there are not N of them.
        InvalidValueError: one is NaN or infinite.

    >>> checked_rewards(np.float32([1.5]), np.array([True]), whose="an environment")
    array([1.5])
    """
    try:
        numbers = np.asarray(as_arrays(rewards), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidTypeError(f"{whose} gave the reward {rewards!r}. {_ADVICE}") from error
    # NumPy takes None for NaN and "1" for 1.
    if np.asarray(as_arrays(rewards)).dtype.kind not in "fiub":
        raise InvalidTypeError(f"{whose} gave the reward {rewards!r}. {_ADVICE}")
    if numbers.size != len(stepped) or numbers.ndim > 1:
        raise ShapeError(
            f"{whose} gave a reward of shape {numbers.shape}; expected {len(stepped)} in all. "
            f"{_ADVICE}"
        )
    numbers = np.where(stepped, numbers.reshape(len(stepped)), 0.0)
    if not np.all(np.isfinite(numbers)):
        row = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise InvalidValueError(f"{whose} gave the reward {numbers[row]}. {_ADVICE}")
    return numbers


def n_worlds(env: gym.Env[Any, Any]) -> int | None:
    """Worlds in an environment that is batched inside, such as ManiSkill's; None for others."""
    if not all(map(env.has_wrapper_attr, ("num_envs", "single_action_space"))):
        return None
    return int(env.get_wrapper_attr("num_envs"))


def success_of(info: Mapping[str, Any]) -> bool | None:
    """Whether ``info["success"]`` says so; None if it is not there."""
    if "success" not in info:
        return None
    return bool(np.any(as_arrays(info["success"])))
