"""Trajectories from an HDF5 file of robomimic, and a copy of it with their rewards.

An episode is a group ``data/demo_7`` with ``actions (L, A)``, ``rewards (L,)``, ``dones (L,)``, the
arrays ``obs/NAME`` of the states before the actions, and mostly ``next_obs/NAME`` of those after
them. ``mask/NAME`` lists the episodes of a part of the data. LIBERO's files are of this layout too,
and say what the task is.

Source: robomimic's documentation, "Dataset Contents and Format".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vlfeedback.adapters.episode_groups import (
    ENV_REWARDS,
    ChosenArrays,
    StoredPictures,
    choose_arrays,
    episode_names,
    make_trajectory,
    replace_rewards,
)
from vlfeedback.data.hdf5_files import new_hdf5, open_hdf5
from vlfeedback.data.hdf5_groups import HDF5Group
from vlfeedback.errors import FileFormatError, InvalidValueError, NeedsError, UnknownNameError
from vlfeedback.types import Trajectory

__all__ = ["is_robomimic", "read", "write_relabelled"]

_STATES = "states"  # of the simulator, where observations were not made of them yet


def is_robomimic(file: HDF5Group) -> bool:
    """Whether an opened file has the groups of this format."""
    return isinstance(data := file.get("data"), HDF5Group) and bool(episode_names(data, "demo"))


def read(
    path: str | Path,
    *,
    observation: str | Sequence[str] | None = None,
    pictures: str | None = None,
    mask: str = "",
    done_is_terminal: bool = False,
) -> Iterator[Trajectory]:
    """Read the episodes of a file, in order of their numbers, one at a time.

    Without ``next_obs`` the last observation is not known and stands there twice
    (`Trajectory.last_observation_repeated`).

    Args:
        path: of the file.
        observation: which of the arrays in ``obs``: a name, several, or ``"flatten"`` for all
            numbers in one vector; ``"states"`` for the simulator's.
        pictures: which of them are pictures for sources that read some, such as
            ``"agentview_image"``; default: the only ones. "" for none.
        mask: name of a part of the data, such as ``"valid"``; default: all.
        done_is_terminal: ``dones`` mark the last row of every episode in many files, whatever ended
            it, so all are taken as cut off. True: they say where an episode terminated.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is damaged, or of another layout.
        NeedsError: there are several observations or cameras, and none was chosen.
        UnknownNameError: there is no such array or mask.
        InvalidValueError: a number is NaN or infinite.
        DtypeError: an array holds no numbers.
    """
    path = Path(path)
    with open_hdf5(path) as file:
        names = _names(file, mask, path)
        demo = file["data"][names[0]]
        chosen = _choose(demo, observation, pictures, where=str(path))
    return _episodes(path, names, chosen, done_is_terminal)


def write_relabelled(
    path: str | Path,
    trajectories: Iterable[Trajectory],
    *,
    origin: str | Path,
    mask: str = "",
    **reading: Any,
) -> None:
    """Copy a file with the trajectories' rewards in place of its own, which stand beside them.

    They are kept in ``env_rewards`` of each episode. All else is the origin's bit by bit.

    Args:
        path: the copy; whole, or absent after an error.
        trajectories: what `read` gave of all of the origin, in order, relabelled.
        origin: the file that was read.
        mask: as it was read; a copy of a part would have rewards of two kinds.
        reading: the other settings it was read with, which make no difference here.

    Raises:
        InvalidValueError: a part of the data was read.
        ShapeError: the trajectories are not the origin's episodes.
        NeedsError: one has no rewards.
        FileFormatError: the origin is damaged.
        OSError: the disk is full or not writable; what was at `path` before is untouched.
    """
    if mask:
        raise InvalidValueError(
            f"mask={mask!r}: the other episodes of {origin} would keep their own rewards, in the "
            "same array. Relabel all of it, and choose the mask when the copy is read."
        )
    origin = Path(origin)
    with open_hdf5(origin) as file:
        names = _names(file, "", origin)
        lengths = [len(file["data"][name]["actions"]) for name in names]
    episodes = [
        (f"data/{name}", f"{origin.stem}/{name}", length)
        for name, length in zip(names, lengths, strict=True)
    ]
    with new_hdf5(path, origin=origin) as new:
        replace_rewards(new, trajectories, episodes, origin=origin)


def _names(file: HDF5Group, mask: str, path: Path) -> list[str]:
    names = episode_names(file["data"], "demo")
    if mask:
        masks = file.get("mask", {})
        if mask not in masks:
            raise UnknownNameError(f"{path} has no mask {mask!r}; it has {sorted(masks)}.")
        listed = {x.decode() if isinstance(x, bytes) else str(x) for x in masks[mask][:].ravel()}
        names = [name for name in names if name in listed]
    if not names:
        raise FileFormatError(f"{path} has no episode data/demo_0{' in ' + mask if mask else ''}.")
    return names


def _choose(
    demo: HDF5Group, observation: str | Sequence[str] | None, pictures: str | None, *, where: str
) -> ChosenArrays:
    tree = demo.get("obs")
    is_of_simulator = observation == _STATES and (tree is None or _STATES not in tree)
    if tree is None and not is_of_simulator:
        raise NeedsError(
            f"{where} has no observations, only states of the simulator: make some with "
            f"robomimic's dataset_states_to_obs.py, or take those with observation={_STATES!r}."
        )
    if not is_of_simulator:
        return choose_arrays(tree, observation, pictures, where=where)
    shown = None if tree is None else choose_arrays(tree, "flatten", pictures, where=where).pictures
    return ChosenArrays((_STATES,), shown)


def _episodes(
    path: Path, names: list[str], chosen: ChosenArrays, done_is_terminal: bool
) -> Iterator[Trajectory]:
    for name in names:
        with open_hdf5(path) as file:
            trajectory = _read_one(path, name, file["data"], chosen, done_is_terminal)
        yield trajectory


def _read_one(
    path: Path, name: str, data: HDF5Group, chosen: ChosenArrays, done_is_terminal: bool
) -> Trajectory:
    where, demo = f"{path}, {name}", data[name]
    is_of_simulator = chosen.states == (_STATES,) and _STATES not in demo.get("obs", {})
    states = chosen.read(demo if is_of_simulator else demo["obs"])
    following = None if is_of_simulator else demo.get("next_obs")
    is_known = following is not None and all(path in following for path in chosen.states)
    last = chosen.read(following)[-1:] if is_known else states[-1:]
    actions = np.asarray(demo["actions"])
    if len(states) != len(actions):
        raise FileFormatError(f"{where} has {len(states)} observations, {len(actions)} actions.")
    frames = None
    if chosen.pictures is not None:
        group = f"data/{name}"
        shown = following is not None and chosen.pictures in following
        frames = StoredPictures(
            path,
            f"{group}/obs/{chosen.pictures}",
            f"{group}/next_obs/{chosen.pictures}" if shown else None,
            np.arange(len(actions) + shown),
        )
    is_done = "dones" in demo and bool(np.all(demo["dones"][-1:]))
    own = np.asarray(demo[ENV_REWARDS]) if ENV_REWARDS in demo else None
    return make_trajectory(
        where=where,
        rewards=np.asarray(demo["rewards"]) if "rewards" in demo else None,
        env_rewards=own,
        arrays={"observations": np.concatenate([states, last]), "actions": actions},
        terminated=done_is_terminal and is_done,
        truncated=not (done_is_terminal and is_done),
        frames=frames,
        id=f"{path.stem}/{name}",
        instruction=_instruction(data),
        last_observation_repeated=not is_known,
    )


def _instruction(data: HDF5Group) -> str:
    """What LIBERO says the task is."""
    problem = json.loads(data.attrs.get("problem_info", "{}"))
    text = problem.get("language_instruction", "")
    return text if isinstance(text, str) else ""
