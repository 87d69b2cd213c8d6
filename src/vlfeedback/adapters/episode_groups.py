"""HDF5 files with a group an episode, and in it a tree of observations: what is read of them.

robomimic and ManiSkill lay their files out so; see `vlfeedback.adapters.robomimic` and
``maniskill``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, Shaped, UInt8

from vlfeedback.adapters.hdf5_copies import set_rewards
from vlfeedback.adapters.relabelled_copies import refuse_more, rewards_for_copy, split_rewards
from vlfeedback.data.hdf5_files import NewHDF5, open_hdf5
from vlfeedback.data.hdf5_groups import HDF5Group
from vlfeedback.data.trajectory_checks import check_arrays, check_stored_pictures
from vlfeedback.errors import FileFormatError, NeedsError, ShapeError, UnknownNameError
from vlfeedback.types import Trajectory, rows_of

__all__ = [
    "ENV_REWARDS",
    "ChosenArrays",
    "StoredPictures",
    "choose_arrays",
    "episode_names",
    "make_trajectory",
    "replace_rewards",
]

ENV_REWARDS = "env_rewards"
"""The environment's own, in an episode of a relabelled copy."""

FLATTEN = "flatten"


@dataclass(frozen=True, slots=True)
class ChosenArrays:
    """Which arrays of a tree of observations are read.

    Attributes:
        states: their paths in the tree, in order; "" where the tree is one array.
        pictures: path of the pictures; None for none.
    """

    states: tuple[str, ...]
    pictures: str | None

    def read(self, tree: Any) -> Shaped[np.ndarray, "N ..."]:
        """The states: one array as it is, several side by side as vectors."""
        arrays = [np.asarray(tree[path] if path else tree) for path in self.states]
        if len(arrays) == 1:
            return arrays[0]
        return np.concatenate([array.reshape(len(array), -1) for array in arrays], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class StoredPictures:
    """Pictures of one episode in a file; opened only while reading.

    Attributes:
        path: of the file.
        array: of a picture a state, from state 0 on.
        last: array whose last picture is that of the state after those; None for none.
        times: the states, 0 and up.
    """

    path: Path
    array: str
    last: str | None
    times: Int64[np.ndarray, " F"]

    def read(self, times: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "K H W 3"]:
        """Pictures of these states; see `vlfeedback.types.Frames.read`."""
        states, inverse = np.unique(rows_of(self.times, times), return_inverse=True)
        with open_hdf5(self.path) as file:
            array = file[self.array]
            n_stored = len(self.times) - (self.last is not None)
            check_stored_pictures(array, n_stored)
            pictures = array[states[states < n_stored]]
            if self.last is not None and n_stored in states:
                pictures = np.concatenate([pictures, file[self.last][-1:]])
        return np.asarray(pictures[inverse])


def episode_names(names: Iterable[str], word: str) -> list[str]:
    """Those of the form ``word_7``, by their numbers."""
    numbers = {n: m for n in names if (m := re.fullmatch(rf"{word}_(\d{{1,9}})", n))}
    return sorted(numbers, key=lambda name: int(numbers[name][1]))


def choose_arrays(
    tree: Any, observation: str | Sequence[str] | None, pictures: str | None, *, where: str
) -> ChosenArrays:
    """Find out which arrays of a tree are meant.

    Args:
        tree: of observations: a group, or the one array that there is.
        observation: path of an array or of a group of some, or several of them; ``"flatten"`` for
            all; None where there is but one.
        pictures: path of the pictures; "" for none, None for the only ones.
        where: whose, for messages.

    Raises:
        NeedsError: there are several, and none was chosen.
        UnknownNameError: there is no such array.
    """
    if not isinstance(tree, HDF5Group):
        if observation is not None or pictures:
            raise UnknownNameError(
                f"Observations of {where} are one array, of which there is nothing to choose: "
                f"leave observation={observation!r} and pictures={pictures!r}."
            )
        return ChosenArrays(("",), None)
    arrays = dict(_arrays(tree, ""))
    cameras = [path for path, array in arrays.items() if _holds_pictures(array)]
    states = [path for path, array in arrays.items() if _holds_states(array)]
    if pictures is None and len(cameras) > 1:
        raise NeedsError(
            f"{where} has the pictures {cameras}; choose some with pictures={cameras[0]!r}, or "
            "none with pictures=''."
        )
    if pictures and pictures not in cameras:
        raise UnknownNameError(f"{where} has no pictures {pictures!r}; it has {cameras}.")
    chosen = "".join(cameras) if pictures is None else pictures
    return ChosenArrays(_chosen_states(states, [*arrays], observation, where), chosen or None)


def make_trajectory(
    *,
    where: str,
    rewards: Shaped[np.ndarray, "L ..."] | None,
    env_rewards: Shaped[np.ndarray, "L ..."] | None,
    arrays: dict[str, Any],
    **facts: Any,
) -> Trajectory:
    """An episode of numbers that have been looked at.

    Args:
        where: it was read from, for messages.
        rewards: as the file has them.
        env_rewards: those beside them in a relabelled copy.
        arrays: observations, actions and what else there is, by their names in `Trajectory`.
        facts: the other arguments of `Trajectory`.

    Raises:
        DtypeError: an array holds no numbers.
        InvalidValueError: a number is NaN or infinite.
        FileFormatError: the arrays are not of one episode.
    """
    try:
        check_arrays(arrays, where=where)
        own, others = split_rewards(rewards, env_rewards, where=where)
        return Trajectory(**arrays, rewards=own, env_rewards=others, **facts)
    except ShapeError as error:
        raise FileFormatError(f"{where} is no episode: {error}") from error


def replace_rewards(
    new: NewHDF5,
    trajectories: Iterable[Trajectory],
    episodes: Iterable[tuple[str, str, int]],
    *,
    origin: Path,
) -> None:
    """Write the trajectories' rewards into a copy, and keep its own beside them.

    Args:
        new: a copy of the origin.
        trajectories: all that were read of it, in order, relabelled.
        episodes: group, trajectory's id and number of steps of each.
        origin: the file that was read.

    Raises:
        ShapeError: they are others, fewer or more.
        NeedsError: one has no rewards.
    """
    remaining = iter(trajectories)
    for group, name, n_steps in episodes:
        rewards = rewards_for_copy(next(remaining, None), name=name, n_steps=n_steps)
        with new.open() as file:
            part = HDF5Group(origin, file)[group].inside
            set_rewards(part, rewards, kept_as=ENV_REWARDS, origin=origin)
    refuse_more(remaining, str(origin))


def _arrays(tree: HDF5Group, path: str) -> Iterable[tuple[str, Any]]:
    for name, part in tree.items():
        if isinstance(part, HDF5Group):
            yield from _arrays(part, f"{path}{name}/")
        else:
            yield f"{path}{name}", part


def _holds_pictures(array: Any) -> bool:
    return bool(array.ndim == 4 and array.shape[-1] == 3 and array.dtype == np.uint8)


def _holds_states(array: Any) -> bool:
    return array.ndim in (1, 2) and array.dtype.kind in "fiub"


def _chosen_states(
    states: list[str], arrays: list[str], observation: str | Sequence[str] | None, where: str
) -> tuple[str, ...]:
    if observation is None and len(states) != 1:
        raise NeedsError(
            f"Observations of {where} are {arrays}; choose one with "
            f"observation={(states or arrays or ['state'])[0]!r}, some with a list of names, or "
            f"take all numbers in one vector with observation={FLATTEN!r}."
        )
    if observation is None or observation == FLATTEN:
        names = states
    else:
        names = [observation] if isinstance(observation, str) else list(observation)
    found: list[str] = []
    for name in names:
        below = [path for path in states if path.startswith(f"{name}/")]
        if name not in arrays and not below:
            raise UnknownNameError(
                f"observation={name!r} is none of the arrays of {where}'s observations: {arrays}."
            )
        found += [name] if name in arrays else below
    if not found:
        raise NeedsError(f"observation={observation!r} chooses no array of {where}: {arrays}.")
    return tuple(found)
