"""Observations of several parts, such as goals beside a state, as one vector."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
from jaxtyping import Float32

from vlfeedback.errors import NeedsError
from vlfeedback.wrappers.answers import as_arrays

__all__ = ["ARRAY_SPACES", "FlatObservations", "array_parts", "text_keys"]

ARRAY_SPACES = (
    gym.spaces.Box,
    gym.spaces.Discrete,
    gym.spaces.MultiBinary,
    gym.spaces.MultiDiscrete,
)
_Path = tuple[str | int, ...]


def array_parts(space: gym.Space[Any], at: _Path = ()) -> Iterator[tuple[_Path, gym.Space[Any]]]:
    """The arrays in a space, by keys and places, in the order of `gymnasium.spaces.flatten`.

    >>> [path for path, _ in array_parts(gym.spaces.Dict(goal=gym.spaces.Box(0, 1, (2,))))]
    [('goal',)]
    """
    if isinstance(space, gym.spaces.Dict):
        for key, part in space.items():
            yield from array_parts(part, (*at, key))
    elif isinstance(space, gym.spaces.Tuple):
        for place, part in enumerate(space.spaces):
            yield from array_parts(part, (*at, place))
    elif isinstance(space, ARRAY_SPACES):
        yield at, space


def text_keys(space: gym.Space[Any]) -> list[str]:
    """Keys of a `Dict` whose values are texts: `Text`, and spaces that sample a ``str``."""
    if not isinstance(space, gym.spaces.Dict):
        return []
    return [key for key, part in space.items() if _is_text(part)]


class FlatObservations(
    gym.ObservationWrapper[Float32[np.ndarray, " D"], Any, Any], gym.utils.RecordConstructorArgs
):
    """Gives the arrays of a `Dict` or `Tuple` as one vector, and leaves texts out.

    Numbers stand in the order of `gymnasium.wrappers.FlattenObservation`, which refuses texts of
    other than its own kind, such as MiniGrid's ``mission``; a `Discrete` part is one-hot. The texts
    of a reset go into its `info`, where ``instruction_key`` of `RewardFromSource` finds them.

    Args:
        env: with observations of several parts, or one array.

    Raises:
        NeedsError: no part of the observations is an array.

    Example:
        >>> from vlfeedback.testing import PointReachEnv
        >>> FlatObservations(PointReachEnv()).observation_space.shape
        (1,)
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        gym.ObservationWrapper.__init__(self, env)
        self._parts = list(array_parts(env.observation_space))
        self._texts = text_keys(env.observation_space)
        if not self._parts:
            raise NeedsError(
                f"The observation space of {env} is {env.observation_space}, and no part of it is "
                "an array; make one of it with gymnasium.wrappers.TransformObservation."
            )
        boxes: list[Any] = [gym.spaces.flatten_space(space) for _, space in self._parts]
        self.observation_space = gym.spaces.Box(
            np.concatenate([np.ravel(box.low) for box in boxes]).astype(np.float32),
            np.concatenate([np.ravel(box.high) for box in boxes]).astype(np.float32),
            dtype=np.float32,
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32[np.ndarray, " D"], dict[str, Any]]:
        """Reset; texts of the observation are in `info`."""
        observation, info = self.env.reset(seed=seed, options=options)
        texts = {key: observation[key] for key in self._texts}
        return self.observation(observation), {**texts, **info}

    def observation(self, observation: Any) -> Float32[np.ndarray, " D"]:
        """The arrays of one observation, one behind the other."""
        vectors: list[np.ndarray] = []
        for path, space in self._parts:
            part = as_arrays(observation)
            for key in path:
                part = part[key]
            vectors.append(np.asarray(gym.spaces.flatten(space, part), dtype=np.float32))
        return np.concatenate(vectors)


def _is_text(space: gym.Space[Any]) -> bool:
    if isinstance(space, gym.spaces.Text):
        return True
    of_gymnasium = type(space).__module__.startswith("gymnasium.spaces")
    return not of_gymnasium and isinstance(space.sample(), str)
