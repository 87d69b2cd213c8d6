"""Where a LeRobotDataset v3.0 keeps what: `meta/info.json`, the list of episodes, path templates.

Every path that the metadata give lies in the dataset's folder, or is refused.

Source: LeRobot's documentation, "LeRobotDataset v3.0".
"""

from __future__ import annotations

import json
import math
import operator
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from vlfeedback.adapters.lerobot_tables import ADVICE, read_columns
from vlfeedback.data.foreign_files import path_inside, reading
from vlfeedback.errors import FileFormatError

__all__ = ["LeRobotEpisode", "LeRobotFolder"]

_NUMBERED = ("chunk_index", "file_index")
_PICTURES = ("video", "image")  # dtype of a camera's: in videos, or in the rows themselves
_PLACE = re.compile(r"\{(chunk_index|file_index|video_key)(?::(0?[1-9]?d?))?\}")


@dataclass(frozen=True, slots=True)
class LeRobotEpisode:
    """One row of `meta/episodes`."""

    index: int
    n_rows: int
    tasks: tuple[str, ...]
    data: Path  # the Parquet file with its rows, where it shares with others
    videos: dict[str, tuple[Path, float]]  # by camera: file, and the time it begins at, s

    def rows_among(self, numbers: Shaped[np.ndarray, " N"], path: Path) -> slice:
        """This episode's rows of its file, whose rows are of the episodes `numbers`.

        Raises:
            FileFormatError: there are more or fewer than there should be, or others in between.
        """
        rows = np.flatnonzero(numbers == self.index)
        if not len(rows) == self.n_rows == rows[-1:].sum() - rows[:1].sum() + 1:
            raise FileFormatError(
                f"{path} has {len(rows)} rows of episode {self.index}, and the dataset's metadata "
                f"say {self.n_rows}. {ADVICE}"
            )
        return slice(int(rows[0]), int(rows[-1]) + 1)


@dataclass(frozen=True, slots=True)
class LeRobotFolder:
    """A dataset's folder, as its metadata describe it."""

    root: Path
    features: dict[str, dict[str, Any]]  # by name of each array: its dtype, shape ...
    fps: float  # rows, and pictures, per second
    episodes: tuple[LeRobotEpisode, ...]

    @classmethod
    def open(cls, root: Path) -> LeRobotFolder:
        """Read the metadata.

        Raises:
            FileNotFoundError: there is no LeRobot dataset at `root`.
            FileFormatError: it is of another version, or damaged.
            InvalidValueError: a path in it leads out of `root`.
            MissingExtraError: pyarrow is not installed.
        """
        path = root / "meta" / "info.json"
        if not path.is_file():
            raise FileNotFoundError(f"No LeRobot dataset at {root}: it has no meta/info.json.")
        with reading(root, "LeRobot dataset", advice=ADVICE):
            path_inside(root, path.relative_to(root), where=root)
            info = dict(json.loads(path.read_text(encoding="utf-8")))
            version = str(info["codebase_version"])
            if not version.startswith("v3."):
                raise FileFormatError(
                    f"{root} is a LeRobot dataset of version {version}; v3 is read. Convert it "
                    "with LeRobot's own lerobot.scripts.convert_dataset_v21_to_v30."
                )
            features = {str(name): dict(about) for name, about in info["features"].items()}
            files = sorted((root / "meta" / "episodes").glob("*/*.parquet"))
            rows = [row for file in files for row in _rows(root, file)]
            episodes = [_episode(root, info, features, row) for row in rows]
            fps = _positive(info["fps"], "fps")
        _check_whole(root, episodes, info.get("total_episodes", len(episodes)))
        ordered = tuple(sorted(episodes, key=lambda episode: episode.index))
        return cls(root, features, fps, ordered)

    def name_of(self, episode: LeRobotEpisode) -> str:
        """Id of an episode's trajectory."""
        return f"{self.root.name}/{episode.index:06d}"

    @property
    def cameras(self) -> list[str]:
        """Names of the arrays that are pictures."""
        return [n for n, about in self.features.items() if about.get("dtype") in _PICTURES]


def _check_whole(root: Path, episodes: list[LeRobotEpisode], total: object) -> None:
    if len(episodes) != total:
        raise FileFormatError(
            f"{root} lists {len(episodes)} of {total} episodes; it is not whole. {ADVICE}"
        )
    if len({episode.index for episode in episodes}) != len(episodes):
        raise FileFormatError(f"{root} lists an episode twice: it is damaged. {ADVICE}")


def _rows(root: Path, path: Path) -> list[dict[str, Any]]:
    table = read_columns(path_inside(root, path.relative_to(root), where=root))
    names = [name for name in table.column_names if not name.startswith("stats/")]
    return list(table.select(names).to_pylist())


def _episode(
    root: Path, info: dict[str, Any], features: dict[str, dict[str, Any]], row: dict[str, Any]
) -> LeRobotEpisode:
    def place(template: object, prefix: str, camera: str = "") -> Path:
        names = {key: operator.index(row[f"{prefix}/{key}"]) for key in _NUMBERED}
        text = _filled(template, {**names, "video_key": camera})
        return path_inside(root, text, where=root / "meta" / "info.json")

    tasks = row.get("tasks") or []
    if not isinstance(tasks, list) or not all(isinstance(task, str) for task in tasks):
        raise FileFormatError(f"{root}: tasks of an episode are {tasks!r}; expected texts.")
    cameras = [name for name, about in features.items() if about.get("dtype") == "video"]
    return LeRobotEpisode(
        index=operator.index(row["episode_index"]),
        n_rows=operator.index(row["length"]),
        tasks=tuple(tasks),
        data=place(info["data_path"], "data"),
        videos={
            camera: (
                place(info["video_path"], f"videos/{camera}", camera),
                _time(row[f"videos/{camera}/from_timestamp"]),
            )
            for camera in cameras
        },
    )


def _filled(template: object, names: dict[str, Any]) -> str:
    """A path template with its numbers; no expression in it is evaluated, as str.format does."""
    if not isinstance(template, str) or "{" in _PLACE.sub("", template):
        raise FileFormatError(
            f"The path template {template!r} is none of LeRobot's; expected such as "
            "'data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet'."
        )
    return _PLACE.sub(lambda place: format(names[place[1]], place[2] or ""), template)


def _time(seconds: Any) -> float:
    if not math.isfinite(seconds) or seconds < 0:
        raise FileFormatError(f"An episode begins at {seconds} s of its video. {ADVICE}")
    return float(seconds)


def _positive(number: Any, name: str) -> float:
    if isinstance(number, str) or not 0 < float(number) < math.inf:
        raise FileFormatError(f"{name} is {number!r}; expected a positive number. {ADVICE}")
    return float(number)
