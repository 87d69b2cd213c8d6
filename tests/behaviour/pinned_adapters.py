"""Trajectories to the files and buffers of other libraries, and back."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from tests.behaviour.pinned_data import arrays_of, noise_episodes
from tests.behaviour.pinned_record import case

from vlfeedback import Trajectory, adapters, make_reward_source, relabel
from vlfeedback.data.trajectories import read_trajectories, write_trajectories

__all__: list[str] = []


def _relabelled(n: int = 5) -> list[Trajectory]:
    return list(relabel(noise_episodes(n, length=7), make_reward_source("random")))


@case(exact=True)
def ours(folder: Path) -> Any:
    episodes = [
        *noise_episodes(2, picture_size=16, length=5),
        *_relabelled(2),
    ]
    said: dict[str, Any] = {}
    for pictures in ("lzf", "video"):
        path = folder / f"{pictures}.h5"
        written = write_trajectories(path, episodes, pictures=pictures)
        said[pictures] = [written, arrays_of(read_trajectories(path), pictures=True)]
    return said


@case(exact=True)
def npz(folder: Path) -> Any:
    said: dict[str, Any] = {}
    for name, episodes in (("plain", noise_episodes(5, length=7)), ("relabelled", _relabelled())):
        path = folder / f"{name}.npz"
        adapters.npz.write(path, episodes)
        with np.load(path) as file:
            said[name] = {key: file[key] for key in sorted(file.files)}
        said[f"{name} again"] = arrays_of(list(adapters.npz.read(path)))
    return said


@case(exact=True)
def hdf5(folder: Path) -> Any:
    said: dict[str, Any] = {}
    for name, episodes in (("plain", noise_episodes(5, length=7)), ("relabelled", _relabelled())):
        path = folder / f"{name}.hdf5"
        adapters.hdf5.write(path, episodes)
        said[name] = _datasets(path)
        said[f"{name} again"] = arrays_of(list(adapters.hdf5.read(path)))
    return said


def _datasets(path: Path) -> dict[str, Any]:
    import h5py

    names: list[str] = []
    with h5py.File(path) as file:
        file.visit(names.append)
        return {n: file[n][()] for n in sorted(names) if isinstance(file[n], h5py.Dataset)}


@case(exact=True)
def d3rlpy(folder: Path) -> Any:
    said: dict[str, Any] = {}
    for rewards in ("source", "env", "none"):
        buffer = adapters.d3rlpy.to_replay_buffer(_relabelled(), rewards=rewards)
        said[rewards] = [_episode(episode) for episode in buffer.episodes]
        back = adapters.d3rlpy.from_replay_buffer(buffer, rewards=rewards)
        said[f"{rewards} again"] = arrays_of(back)
    flat = adapters.d3rlpy.to_mdp_dataset(_relabelled(), rewards="source")
    return said | {"flat": [_episode(episode) for episode in flat.episodes]}


def _episode(episode: Any) -> dict[str, Any]:
    return {
        "observations": np.asarray(episode.observations),
        "actions": np.asarray(episode.actions),
        "rewards": np.asarray(episode.rewards),
        "terminated": bool(episode.terminated),
    }


@case(exact=True)
def minari(folder: Path) -> Any:
    import minari as library
    from minari.data_collector import EpisodeBuffer

    rng = np.random.default_rng(0)
    buffers = [
        EpisodeBuffer(
            observations=rng.uniform(-9, 9, (length + 1, 3)),
            actions=rng.uniform(-1, 1, (length, 2)).astype(np.float32),
            rewards=rng.normal(size=length),
            terminations=[i == length - 1 and length == 5 for i in range(length)],
            truncations=[i == length - 1 and length != 5 for i in range(length)],
            infos={"success": np.arange(length + 1) == length},
        )
        for length in (5, 3, 6)
    ]
    before = os.environ.get("MINARI_DATASETS_PATH")
    os.environ["MINARI_DATASETS_PATH"] = str(folder)
    try:
        origin = library.create_dataset_from_buffers(
            "point/pinned-v0",
            buffers,
            observation_space=gym.spaces.Box(-10, 10, (3,), np.float64),
            action_space=gym.spaces.Box(-1, 1, (2,), np.float32),
            author="Ada",
        )
        read = list(adapters.minari.read("point/pinned-v0"))
        given = list(relabel(read, make_reward_source("random", seed=4)))
        adapters.minari.write_relabelled("point/again-v0", given, origin=origin, instruction="go")
        again = list(adapters.minari.read("point/again-v0"))
    finally:
        if before is None:
            del os.environ["MINARI_DATASETS_PATH"]
        else:
            os.environ["MINARI_DATASETS_PATH"] = before
    return {"read": arrays_of(read), "again": arrays_of(again)}


@case(exact=True)
def lerobot(folder: Path) -> Any:
    origin = _lay_out(folder / "robot")
    read = list(adapters.lerobot.read(origin))
    given = [replace(t, rewards=np.arange(len(t), dtype=np.float32)) for t in read]
    adapters.lerobot.write_relabelled(folder / "again", given, origin=origin)
    again = list(adapters.lerobot.read(folder / "again"))
    done = list(adapters.lerobot.read(origin, done_is_terminal=True))
    return {"read": arrays_of(read), "again": arrays_of(again), "done": arrays_of(done)}


def _lay_out(root: Path, lengths: Sequence[int] = (5, 8, 4)) -> Path:
    """A dataset in LeRobot's v3.0 layout, with two data files and no pictures."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    shapes = {"observation.state": [3], "action": [2], "next.reward": [1], "next.done": [1]}
    listed = []
    for number, length in enumerate(lengths):
        rng = np.random.default_rng(number)
        rows: dict[str, Any] = {
            "observation.state": rng.normal(size=(length, 3)).astype(np.float32).tolist(),
            "action": rng.normal(size=(length, 2)).astype(np.float32).tolist(),
            "next.reward": rng.normal(size=length).astype(np.float32).tolist(),
            "next.done": [i == length - 1 for i in range(length)],
            "timestamp": [i / 10 for i in range(length)],
            "frame_index": list(range(length)),
            "episode_index": [number] * length,
        }
        path = root / f"data/chunk-000/file-{number:03d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        about = json.dumps({"info": {"features": {key: {} for key in rows}}})
        pq.write_table(pa.table(rows, metadata={"huggingface": about}), path)
        listed.append(
            {
                "episode_index": number,
                "tasks": [f"do {number}"],
                "length": length,
                "data/chunk_index": 0,
                "data/file_index": number,
                "stats/next.reward/mean": [0.0],
            }
        )
    meta = root / "meta" / "episodes" / "chunk-000"
    meta.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(listed), meta / "file-000.parquet")
    info = {
        "codebase_version": "v3.0",
        "fps": 10,
        "total_episodes": len(lengths),
        "features": {key: {"dtype": "float32", "shape": shape} for key, shape in shapes.items()},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
    }
    (root / "meta" / "info.json").write_text(json.dumps(info))
    (root / "meta" / "stats.json").write_text(json.dumps({"next.reward": {"mean": [0.5]}}))
    return root
