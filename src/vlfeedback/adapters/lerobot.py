"""Trajectories from a LeRobotDataset v3.0, and a copy of it with their rewards.

Row t of a dataset holds the state before action t, that state's pictures, the action, and the
reward after it. The state after the last action is not recorded: the last observation stands
there twice (``info["last_observation"]``) and has no picture, so that sources which read
pictures need ``relabel(..., between="hold")`` for the last step.

Left out: pictures that are kept in Parquet instead of videos, depth, versions before v3.0.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Shaped

from vlfeedback.adapters.lerobot_frames import LeRobotFrames
from vlfeedback.adapters.lerobot_layout import (
    ENV_REWARD,
    REWARD,
    LeRobotEpisode,
    LeRobotFolder,
    read_columns,
    write_table,
)
from vlfeedback.adapters.relabelled_copies import reward_rows, rewards_for_copy, split_rewards
from vlfeedback.data.learning_checks import check_finite
from vlfeedback.data.whole_files import new_folder
from vlfeedback.errors import FileFormatError, NeedsError, ShapeError, UnknownNameError
from vlfeedback.optional import require
from vlfeedback.types import Trajectory

__all__ = ["read", "write_relabelled"]

_SUCCESS = "next.success"


def read(
    root: Path,
    *,
    observation: str = "observation.state",
    camera: str | None = None,
    done_is_terminal: bool = False,
) -> Iterator[Trajectory]:
    """Read the episodes of a dataset, in order; one data file and no video is held at a time.

    ``next.reward`` becomes `Trajectory.env_rewards`, and in a dataset that `write_relabelled` made
    `Trajectory.rewards`. An episode's task becomes `Trajectory.instruction`, where there is one.

    Args:
        root: the dataset's folder.
        observation: which array observations are.
        camera: whose pictures are read, such as ``"observation.images.top"``; default: the only
            one's. "" for none.
        done_is_terminal: ``next.done`` marks the last row of every episode, whatever ended it, so
            all are taken as cut off. True: they terminated.

    Raises:
        FileNotFoundError: there is no dataset, or a file of it is missing.
        UnknownNameError: it has no such array or camera.
        NeedsError: it has several cameras, and none was chosen.
        FileFormatError: it is of another version, or damaged.
        InvalidValueError: a number is not finite.
        MissingExtraError: pyarrow is not installed.
    """
    folder = LeRobotFolder.open(root)
    for name in (observation, "action"):
        if name not in folder.features:
            raise UnknownNameError(f"{root} has no {name!r}; it has {sorted(folder.features)}.")
    return _episodes(folder, observation, _camera(folder, camera), done_is_terminal)


def write_relabelled(root: Path, trajectories: Iterable[Trajectory], *, origin: Path) -> None:
    """Copy a dataset with the trajectories' rewards as its ``next.reward``.

    What ``next.reward`` was before is kept as ``next.env_reward``. All else is the origin's;
    videos are linked where the disk can, and copied elsewhere.

    Args:
        root: the new dataset's folder; whole, or absent after an error.
        trajectories: what `read` gave of all of the origin's episodes, in order, relabelled.
        origin: the folder that was read.

    Raises:
        FileExistsError: there is something at `root`.
        NeedsError: a trajectory has no rewards.
        ShapeError: trajectories are not the origin's episodes.
    """
    folder = LeRobotFolder.open(origin)
    if root.exists():
        raise FileExistsError(f"There is something at {root} already; choose another folder.")
    with new_folder(root) as partial:
        shutil.copytree(
            origin,
            partial,
            ignore=shutil.ignore_patterns("data"),
            copy_function=_link,
            dirs_exist_ok=True,
        )
        relabelled, rewards = iter(trajectories), []
        for path, episodes in groupby(folder.episodes, key=lambda episode: episode.data):
            pairs = [(e, _rewards_for(e, next(relabelled, None), origin)) for e in episodes]
            _write_data(partial / path.relative_to(origin), path, pairs)
            rewards += [episode_rewards for _, episode_rewards in pairs]
        if next(relabelled, None) is not None:
            raise ShapeError(f"There are more trajectories than {origin} has episodes.")
        _describe(partial, np.concatenate(rewards))


def _camera(folder: LeRobotFolder, camera: str | None) -> str:
    cameras = folder.cameras
    if camera is None and len(cameras) > 1:
        raise NeedsError(
            f"{folder.root} has the cameras {cameras}; choose one with camera={cameras[0]!r}, or "
            "none with camera=''."
        )
    if camera and camera not in cameras:
        raise UnknownNameError(f"{folder.root} has no camera {camera!r}; it has {cameras}.")
    return camera if camera is not None else "".join(cameras)


def _episodes(
    folder: LeRobotFolder, observation: str, camera: str, done_is_terminal: bool
) -> Iterator[Trajectory]:
    optional = [name for name in (REWARD, ENV_REWARD, _SUCCESS) if name in folder.features]
    columns = [observation, "action", *optional, "episode_index"]
    for path, episodes in groupby(folder.episodes, key=lambda episode: episode.data):
        table = read_columns(path, columns)
        number = _array(table["episode_index"])
        arrays = {name: _array(table[name]) for name in columns[:-1]}
        for episode in episodes:
            rows = _rows_of(episode, number, path)
            cut = {name: array[rows] for name, array in arrays.items()}
            yield _trajectory(folder, episode, cut, observation, camera, done_is_terminal)


def _rows_of(episode: LeRobotEpisode, number: np.ndarray, path: Path) -> slice:
    rows = np.flatnonzero(number == episode.index)
    if not len(rows) == episode.n_rows == rows[-1:].sum() - rows[:1].sum() + 1:
        raise FileFormatError(
            f"{path} has {len(rows)} rows of episode {episode.index}, and the dataset's metadata "
            f"say {episode.n_rows}. Take a whole copy."
        )
    return slice(int(rows[0]), int(rows[-1]) + 1)


def _trajectory(
    folder: LeRobotFolder,
    episode: LeRobotEpisode,
    arrays: dict[str, np.ndarray],
    observation: str,
    camera: str,
    done_is_terminal: bool,
) -> Trajectory:
    for name, rows in arrays.items():
        if name != ENV_REWARD:
            where = f"{folder.root}, episode {episode.index}"
            check_finite(rows, name=name, where=where, first=0)
    frames = None
    if camera:
        video, start = episode.videos[camera]
        frames = LeRobotFrames(video, start, folder.fps, np.arange(episode.n_rows))
    rewards, env_rewards = split_rewards(arrays.get(REWARD), arrays.get(ENV_REWARD))
    success = arrays.get(_SUCCESS)
    states = arrays[observation]
    return Trajectory(
        observations=np.concatenate([states, states[-1:]]),
        actions=arrays["action"],
        rewards=rewards,
        env_rewards=env_rewards,
        successes=None if success is None else success.reshape(-1).astype(np.bool_),
        terminated=done_is_terminal,
        truncated=not done_is_terminal,
        frames=frames,
        id=_name(folder.root, episode),
        last_observation_repeated=True,
        instruction=episode.tasks[0] if episode.tasks else "",
    )


def _name(root: Path, episode: LeRobotEpisode) -> str:
    return f"{root.name}/{episode.index:06d}"


def _array(column: Any) -> Shaped[np.ndarray, "N ..."]:
    """A pyarrow column of numbers, or of lists of equally many."""
    flat, shape = column.combine_chunks(), [len(column)]
    while hasattr(flat, "flatten") and flat.type.num_fields == 1:
        flat = flat.flatten()
        shape.append(len(flat) // max(1, int(np.prod(shape))))
    return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(shape)


def _rewards_for(
    episode: LeRobotEpisode, trajectory: Trajectory | None, origin: Path
) -> Float32[np.ndarray, " L"]:
    return rewards_for_copy(trajectory, name=_name(origin, episode), n_steps=episode.n_rows)


def _link(source: str, target: str) -> None:
    """Link a video, which is never changed, and copy any other file."""
    try:
        if not source.endswith(".mp4"):
            raise OSError
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _write_data(to: Path, origin: Path, pairs: list[tuple[LeRobotEpisode, np.ndarray]]) -> None:
    """One data file with other rewards."""
    pa = require("pyarrow", extra="offline", needed_by="A LeRobot dataset")
    table = read_columns(origin)
    number = _array(table["episode_index"])
    rewards = np.full(len(number), np.nan, dtype=np.float32)
    for episode, episode_rewards in pairs:
        rewards[_rows_of(episode, number, origin)] = episode_rewards
    columns = {name: table[name] for name in table.column_names}
    if ENV_REWARD not in columns:
        own = (
            reward_rows(_array(columns[REWARD]))
            if REWARD in columns
            else np.full_like(rewards, np.nan)
        )
        columns[ENV_REWARD] = pa.array(own)
    columns[REWARD] = pa.array(rewards)
    write_table(to, pa.table(columns, metadata=table.schema.metadata))


def _describe(root: Path, rewards: Float32[np.ndarray, " N"]) -> None:
    """Enter the new rewards in the metadata: features and statistics."""
    path = root / "meta" / "info.json"
    info = json.loads(path.read_text(encoding="utf-8"))
    about = {"dtype": "float32", "shape": [1], "names": None}
    info["features"] |= {REWARD: about, ENV_REWARD: about}
    path.write_text(json.dumps(info, indent=4), encoding="utf-8")
    path = root / "meta" / "stats.json"
    stats = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if REWARD in stats and ENV_REWARD not in stats:
        stats[ENV_REWARD] = stats[REWARD]
    stats[REWARD] = {
        "min": [float(rewards.min())],
        "max": [float(rewards.max())],
        "mean": [float(rewards.mean(dtype=np.float64))],
        "std": [float(rewards.std(dtype=np.float64))],
        "count": [len(rewards)],
    }
    path.write_text(json.dumps(stats, indent=4), encoding="utf-8")
    for path in (root / "meta" / "episodes").glob("*/*.parquet"):
        table = read_columns(path)
        old_statistics = [
            name for name in table.column_names if name.startswith(f"stats/{REWARD}/")
        ]
        write_table(path, table.drop_columns(old_statistics))
