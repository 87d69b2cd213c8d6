"""Trajectories from a LeRobotDataset v3.0, and a copy of it with their rewards.

Row t of a dataset holds the state before action t, that state's pictures, the action, and the
reward after it. The state after the last action is not recorded: the last observation stands
there twice (``info["last_observation"]``) and has no picture, so that sources which read
pictures need ``relabel(..., between="hold")`` for the last step.

Left out: pictures of depth, and versions before v3.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np

from vlfeedback.adapters.lerobot_copies import write_relabelled
from vlfeedback.adapters.lerobot_frames import LeRobotFrames
from vlfeedback.adapters.lerobot_images import LeRobotImages
from vlfeedback.adapters.lerobot_layout import LeRobotEpisode, LeRobotFolder
from vlfeedback.adapters.lerobot_tables import (
    ADVICE,
    ENV_REWARD,
    REWARD,
    array_of,
    read_columns,
)
from vlfeedback.adapters.relabelled_copies import split_rewards
from vlfeedback.data.foreign_files import reading
from vlfeedback.data.learning_checks import check_finite
from vlfeedback.errors import NeedsError, UnknownNameError
from vlfeedback.types import Frames, Trajectory

__all__ = ["read", "write_relabelled"]

_SUCCESS = "next.success"


def read(
    root: str | Path,
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
        InvalidValueError: a number is not finite, or a path in it leads out of the folder.
        MissingExtraError: pyarrow is not installed.
    """
    folder = LeRobotFolder.open(Path(root))
    for name in (observation, "action"):
        if name not in folder.features:
            raise UnknownNameError(f"{root} has no {name!r}; it has {sorted(folder.features)}.")
    return _episodes(folder, observation, _camera(folder, camera), done_is_terminal)


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
    folder: LeRobotFolder, observation: str, camera: str, is_terminal: bool
) -> Iterator[Trajectory]:
    optional = [name for name in (REWARD, ENV_REWARD, _SUCCESS) if name in folder.features]
    columns = [observation, "action", *optional, "episode_index"]
    for path, episodes in groupby(folder.episodes, key=lambda episode: episode.data):
        table = read_columns(path, columns)
        with reading(path, "table of episodes", advice=ADVICE):
            arrays = {name: array_of(table[name], name) for name in columns}
        numbers = arrays.pop("episode_index")
        for episode in episodes:
            rows = episode.rows_among(numbers, path)
            cut = {name: array[rows] for name, array in arrays.items()}
            with reading(path, "table of episodes", advice=ADVICE):
                frames = _frames(folder, episode, camera, rows.start)
                trajectory = _trajectory(folder, episode, cut, observation, frames, is_terminal)
            yield trajectory


def _frames(folder: LeRobotFolder, episode: LeRobotEpisode, camera: str, row: int) -> Frames | None:
    times = np.arange(episode.n_rows)
    if not camera:
        return None
    if camera not in episode.videos:
        return LeRobotImages(folder.root, episode.data, camera, row, times)
    video, start = episode.videos[camera]
    return LeRobotFrames(video, start, folder.fps, times)


def _trajectory(
    folder: LeRobotFolder,
    episode: LeRobotEpisode,
    arrays: dict[str, np.ndarray],
    observation: str,
    frames: Frames | None,
    is_terminal: bool,
) -> Trajectory:
    where = f"{folder.root}, episode {episode.index}"
    for name in (observation, "action"):
        check_finite(arrays[name], name=name, where=where, first=0)
    rewards, env_rewards = split_rewards(arrays.get(REWARD), arrays.get(ENV_REWARD), where=where)
    success = arrays.get(_SUCCESS)
    states = arrays[observation]
    return Trajectory(
        observations=np.concatenate([states, states[-1:]]),
        actions=arrays["action"],
        rewards=rewards,
        env_rewards=env_rewards,
        successes=None if success is None else success.reshape(-1).astype(np.bool_),
        terminated=is_terminal,
        truncated=not is_terminal,
        frames=frames,
        id=folder.name_of(episode),
        last_observation_repeated=True,
        instruction=episode.tasks[0] if episode.tasks else "",
    )
