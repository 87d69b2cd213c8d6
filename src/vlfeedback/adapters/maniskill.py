"""Trajectories from an HDF5 file of ManiSkill, and a copy of it with their rewards.

An episode is a group ``traj_7`` with ``actions (L, A)``, ``terminated``, ``truncated`` and mostly
``success (L,)``, and ``obs``: one array ``(L + 1, D)``, or a tree of them such as ``agent/qpos``
and ``sensor_data/base_camera/rgb``. ``rewards (L,)`` are there if they were asked for. The JSON of
the same name beside the file says which seeds the episodes had.

Source: ManiSkill 3's documentation, "Demonstration Format".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from vlfeedback.data.foreign_files import reading
from vlfeedback.data.hdf5_files import new_hdf5, open_hdf5
from vlfeedback.data.hdf5_groups import HDF5Group
from vlfeedback.data.learning_checks import check_terminals
from vlfeedback.data.whole_files import new_file, read_json
from vlfeedback.errors import NeedsError
from vlfeedback.types import Trajectory

__all__ = ["is_maniskill", "read", "write_relabelled"]

_STATES = "env_states"
_ADVICE = "Restore it, or remove it: seeds are then not known."


def is_maniskill(file: HDF5Group) -> bool:
    """Whether an opened file has the groups of this format."""
    names = episode_names(file, "traj")
    return bool(names) and isinstance(file[names[0]], HDF5Group)


def read(
    path: str | Path,
    *,
    observation: str | Sequence[str] | None = None,
    pictures: str | None = None,
    trust_terminals: bool = False,
) -> Iterator[Trajectory]:
    """Read the episodes of a file, in order of their numbers, one at a time.

    Args:
        path: of the file; its JSON may stand beside it.
        observation: which of the arrays in ``obs``: a path such as ``"agent/qpos"``, a group of
            them, several, or ``"flatten"`` for all numbers in one vector; ``"env_states"`` for the
            simulator's.
        pictures: which of them are pictures for sources that read some, such as
            ``"sensor_data/base_camera/rgb"``; default: the only ones. "" for none.
        trust_terminals: take it that episodes which all terminate at the same length do so, and
            did not run into a time limit.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it or its JSON is damaged, or of another layout.
        NeedsError: there are several observations or cameras, and none was chosen.
        UnknownNameError: there is no such array.
        InvalidValueError: a number is NaN or infinite, or time-outs are marked as terminals.
        DtypeError: an array holds no numbers.
    """
    path = Path(path)
    with open_hdf5(path) as file:
        names = episode_names(file, "traj")
        chosen = _choose(file[names[0]], observation, pictures, where=str(path))
        check_terminals(
            [len(file[name]["actions"]) for name in names],
            [_ends(file[name], "terminated") for name in names],
            where=str(path),
            trusted=trust_terminals,
        )
    return _episodes(path, names, chosen, _seeds(path))


def write_relabelled(
    path: str | Path,
    trajectories: Iterable[Trajectory],
    *,
    origin: str | Path,
    **reading: Any,
) -> None:
    """Copy a file with the trajectories' rewards in place of its own, which stand beside them.

    They are kept in ``env_rewards`` of each episode, which is NaN where there were none. All else
    is the origin's bit by bit, the JSON beside it too.

    Args:
        path: the copy; whole, or absent after an error.
        trajectories: what `read` gave of all of the origin, in order, relabelled.
        origin: the file that was read.
        reading: the settings it was read with, which make no difference here.

    Raises:
        FileExistsError: there is a JSON where the copy's is to be.
        ShapeError: the trajectories are not the origin's episodes.
        NeedsError: one has no rewards.
        FileFormatError: the origin is damaged.
        OSError: the disk is full or not writable; what was at `path` before is untouched.
    """
    path, origin = Path(path), Path(origin)
    json_path, json_origin = path.with_suffix(".json"), origin.with_suffix(".json")
    if json_origin.is_file() and json_path.exists():
        raise FileExistsError(f"{json_path} is there already; choose another name.")
    with open_hdf5(origin) as file:
        names = episode_names(file, "traj")
        lengths = [len(file[name]["actions"]) for name in names]
    episodes = [
        (name, f"{origin.stem}/{name}", length) for name, length in zip(names, lengths, strict=True)
    ]
    with new_hdf5(path, origin=origin) as new:
        replace_rewards(new, trajectories, episodes, origin=origin)
        if json_origin.is_file():
            with new_file(json_path) as partial:
                partial.write_bytes(json_origin.read_bytes())


def _choose(
    episode: HDF5Group, observation: str | Sequence[str] | None, pictures: str | None, *, where: str
) -> ChosenArrays:
    tree = episode.get("obs")
    if observation == _STATES:
        states = choose_arrays(episode[_STATES], "flatten", "", where=where).states
        shown = (
            choose_arrays(tree, "flatten", pictures, where=where).pictures
            if isinstance(tree, HDF5Group)
            else None
        )
        return ChosenArrays(tuple(f"{_STATES}/{name}" for name in states), shown)
    if tree is None or (isinstance(tree, HDF5Group) and not len(tree)):
        raise NeedsError(
            f"{where} has no observations, only states of the simulator: make some with "
            "`python -m mani_skill.trajectory.replay_trajectory --obs-mode state`, or take those "
            f"with observation={_STATES!r}."
        )
    chosen = choose_arrays(tree, observation, pictures, where=where)
    states = tuple(f"obs/{name}" if name else "obs" for name in chosen.states)
    return ChosenArrays(states, chosen.pictures)


def _episodes(
    path: Path, names: list[str], chosen: ChosenArrays, seeds: Mapping[int, int]
) -> Iterator[Trajectory]:
    for name in names:
        with open_hdf5(path) as file:
            trajectory = _read_one(path, name, file[name], chosen, seeds)
        yield trajectory


def _read_one(
    path: Path, name: str, episode: HDF5Group, chosen: ChosenArrays, seeds: Mapping[int, int]
) -> Trajectory:
    arrays = {"observations": chosen.read(episode), "actions": np.asarray(episode["actions"])}
    if "success" in episode:
        arrays["successes"] = np.asarray(episode["success"]).astype(np.bool_)
    frames = None
    if chosen.pictures is not None:
        array = f"{name}/obs/{chosen.pictures}"
        frames = StoredPictures(path, array, None, np.arange(len(arrays["observations"])))
    terminated = _ends(episode, "terminated")
    return make_trajectory(
        where=f"{path}, {name}",
        rewards=np.asarray(episode["rewards"]) if "rewards" in episode else None,
        env_rewards=np.asarray(episode[ENV_REWARDS]) if ENV_REWARDS in episode else None,
        arrays=arrays,
        terminated=terminated,
        truncated=not terminated,
        frames=frames,
        id=f"{path.stem}/{name}",
        seed=seeds.get(int(name.removeprefix("traj_"))),
    )


def _ends(episode: HDF5Group, flag: str) -> bool:
    return flag in episode and bool(np.all(episode[flag][-1:]))


def _seeds(path: Path) -> dict[int, int]:
    """Seeds of the episodes by their numbers, as far as the JSON beside the file has them."""
    about = path.with_suffix(".json")
    if not about.is_file():
        return {}
    with reading(about, "JSON of ManiSkill", advice=_ADVICE):
        episodes = read_json(about, advice=_ADVICE).get("episodes", [])
        seeds = {entry["episode_id"]: entry.get("episode_seed") for entry in episodes}
        return {int(k): seed for k, seed in seeds.items() if isinstance(seed, int)}
