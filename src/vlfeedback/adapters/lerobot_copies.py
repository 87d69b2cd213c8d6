"""A copy of a LeRobotDataset v3.0 with other rewards; nothing outside of its folder is written."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from vlfeedback.adapters.lerobot_layout import LeRobotEpisode, LeRobotFolder
from vlfeedback.adapters.lerobot_tables import (
    ADVICE,
    ENV_REWARD,
    REWARD,
    array_of,
    read_columns,
    rows_at_once,
    write_table,
)
from vlfeedback.adapters.relabelled_copies import refuse_more, reward_rows, rewards_for_copy
from vlfeedback.data.foreign_files import path_inside, reading
from vlfeedback.data.whole_files import new_folder
from vlfeedback.errors import FileFormatError, InvalidValueError
from vlfeedback.optional import require
from vlfeedback.types import Trajectory

__all__ = ["write_relabelled"]


def write_relabelled(
    root: str | Path, trajectories: Iterable[Trajectory], *, origin: str | Path
) -> None:
    """Copy a dataset with the trajectories' rewards as its ``next.reward``.

    What ``next.reward`` was before is kept as ``next.env_reward``. All else is the origin's;
    videos are linked where the disk can, and copied elsewhere.

    Args:
        root: the new dataset's folder; whole, or absent after an error.
        trajectories: what `read` gave of all of the origin's episodes, in order, relabelled.
        origin: the folder that was read.

    Raises:
        FileExistsError: there is something at `root`.
        FileFormatError: the origin is damaged.
        InvalidValueError: a path in the origin, or a link, leads out of it.
        NeedsError: a trajectory has no rewards.
        ShapeError: trajectories are not the origin's episodes.
    """
    root, origin = Path(root), Path(origin)
    folder = LeRobotFolder.open(origin)
    if root.exists():
        raise FileExistsError(f"There is something at {root} already; choose another folder.")
    with new_folder(root) as partial:
        _copy_files(origin, partial, besides={episode.data for episode in folder.episodes})
        relabelled, rewards = iter(trajectories), []
        for path, episodes in groupby(folder.episodes, key=lambda episode: episode.data):
            pairs = []
            for episode in episodes:
                trajectory = next(relabelled, None)
                name, n_steps = folder.name_of(episode), episode.n_rows
                pairs.append((episode, rewards_for_copy(trajectory, name=name, n_steps=n_steps)))
            to = path_inside(partial, path.relative_to(origin), where=origin)
            table = read_columns(path)
            with reading(path, "table of episodes", advice=ADVICE):
                table = _with_rewards(table, path, pairs)
            write_table(to, table, group_size=rows_at_once(path))
            rewards += [episode_rewards for _, episode_rewards in pairs]
        refuse_more(relabelled, str(origin))
        with reading(origin, "LeRobot dataset", advice=ADVICE):
            _describe(partial, np.concatenate(rewards))


def _copy_files(origin: Path, to: Path, *, besides: set[Path]) -> None:
    """Copy all files but these; what links lead to is copied too, if it is the origin's."""
    skipped = {path.resolve() for path in besides}
    for path in sorted(origin.rglob("*")):
        name = path.relative_to(origin)
        if path.is_symlink():
            path_inside(origin, name, where=origin)
            if path.is_dir():
                raise InvalidValueError(
                    f"{path} is a link to a folder; put the folder there itself to copy the "
                    "dataset."
                )
        if path.is_dir():
            (to / name).mkdir(exist_ok=True)
        elif path.resolve() not in skipped:
            _link(path, to / name)


def _link(path: Path, to: Path) -> None:
    """Link a video, which is never changed, and copy any other file."""
    try:
        if path.suffix != ".mp4":
            raise OSError
        os.link(path.resolve(), to)
    except OSError:
        shutil.copy2(path, to)


def _with_rewards(table: Any, path: Path, pairs: list[tuple[LeRobotEpisode, np.ndarray]]) -> Any:
    """The table of a data file with other rewards."""
    pa = require("pyarrow", extra="offline", needed_by="A LeRobot dataset")
    numbers = array_of(table["episode_index"], "episode_index")
    rewards = np.full(len(numbers), np.nan, dtype=np.float32)
    for episode, episode_rewards in pairs:
        rewards[episode.rows_among(numbers, path)] = episode_rewards
    if sum(episode.n_rows for episode, _ in pairs) != len(rewards):
        raise FileFormatError(
            f"{path} has rows of other episodes than the metadata list for it one after another. "
            f"{ADVICE}"
        )
    columns = {name: table[name] for name in table.column_names}
    if ENV_REWARD not in columns:
        own = (
            reward_rows(array_of(columns[REWARD], REWARD))
            if REWARD in columns
            else np.full_like(rewards, np.nan)
        )
        columns[ENV_REWARD] = pa.array(own)
    columns[REWARD] = pa.array(rewards)
    return pa.table(columns, metadata=table.schema.metadata)


def _describe(root: Path, rewards: Float32[np.ndarray, " N"]) -> None:
    """Enter the new rewards in the metadata: features and statistics."""
    path = root / "meta" / "info.json"
    info = json.loads(path.read_text(encoding="utf-8"))
    about = {"dtype": "float32", "shape": [1], "names": None}
    info["features"] |= {REWARD: about, ENV_REWARD: about}
    _write_json(path, info)
    path = root / "meta" / "stats.json"
    stats = dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
    if REWARD in stats and ENV_REWARD not in stats:
        stats[ENV_REWARD] = stats[REWARD]
    stats[REWARD] = {
        "min": [float(rewards.min())],
        "max": [float(rewards.max())],
        "mean": [float(rewards.mean(dtype=np.float64))],
        "std": [float(rewards.std(dtype=np.float64))],
        "count": [len(rewards)],
    }
    _write_json(path, stats)
    for path in (root / "meta" / "episodes").glob("*/*.parquet"):
        table = read_columns(path)
        old_statistics = [
            name for name in table.column_names if name.startswith(f"stats/{REWARD}/")
        ]
        write_table(path, table.drop_columns(old_statistics))


def _write_json(path: Path, value: dict[str, Any]) -> None:
    text = json.dumps(value, indent=4)  # with NaN, which others' statistics may hold
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")
