"""The two forms in which the clips of RBM-EVAL-OOD are published; see `rbm_eval_ood`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from vlfeedback.adapters.lerobot_frames import LeRobotFrames
from vlfeedback.adapters.lerobot_layout import LeRobotEpisode, LeRobotFolder
from vlfeedback.adapters.lerobot_tables import read_columns
from vlfeedback.data.foreign_files import path_inside, reading
from vlfeedback.data.video_sampling import VideoSampling
from vlfeedback.data.whole_files import read_json
from vlfeedback.errors import FileFormatError
from vlfeedback.evaluation.bench.exam import ClipReader
from vlfeedback.evaluation.bench.video_clips import VideoClip, picture_episode
from vlfeedback.types import SourceNeeds, Trajectory

__all__ = ["EVAL_DATA_SOURCES", "RbmRow", "read_rows"]

EVAL_DATA_SOURCES = (
    "usc_trossen",
    "mit_franka",
    "utd_so101",
    "usc_xarm",
    "usc_franka",
    "usc_koch",
)
"""The benchmark's six data sets, as ``meta/info.json`` names them."""

_TIERS = {"failure": 0, "suboptimal": 1, "successful": 2, "success": 2}
_INFO, _METADATA = Path("meta/info.json"), Path("train/metadata.parquet")
_COLUMNS = ["file_name", "id", "task", "data_source", "quality_label"]
_ADVICE = "Take a whole copy of robometer/rbm-1m-ood."


@dataclass(frozen=True, slots=True)
class RbmRow:
    """One clip, as either form describes it."""

    id: str
    task: str  # the instruction
    data_source: str
    label: str
    reader: ClipReader
    where: str  # for messages

    @property
    def tier(self) -> int:
        """0 failure, 1 suboptimal, 2 successful.

        Raises:
            FileFormatError: the label is none of these.
        """
        if self.label not in _TIERS:
            raise FileFormatError(
                f"{self.where} has quality_label {self.label!r}; expected one of "
                f"{', '.join(_TIERS)}. {_ADVICE}"
            )
        return _TIERS[self.label]


def read_rows(root: Path, sampling: VideoSampling) -> tuple[str, Iterator[RbmRow]]:
    """Which form a folder has, ``"videos"`` or ``"lerobot"``, and its clips.

    Raises:
        FileNotFoundError: it has neither.
        FileFormatError: it is damaged.
        MissingExtraError: pyarrow is not installed.
    """
    if (root / _METADATA).is_file():
        return "videos", _rows_of_videos(root, sampling)
    if (root / _INFO).is_file():
        return "lerobot", _rows_of_lerobot(LeRobotFolder.open(root), sampling)
    raise FileNotFoundError(
        f"No RBM-EVAL-OOD at {root}: expected {_METADATA} and videos in train/, or a "
        f"LeRobotDataset with {_INFO}, of https://huggingface.co/datasets/robometer/rbm-1m-ood."
    )


def _rows_of_videos(root: Path, sampling: VideoSampling) -> Iterator[RbmRow]:
    sources: tuple[str, ...] = EVAL_DATA_SOURCES
    if (root / _INFO).is_file():
        with reading(root / _INFO, "description of clips", advice=_ADVICE):
            info = read_json(root / _INFO, advice=_ADVICE)
            sources = tuple(map(str, info.get("eval_data_sources", sources)))
    path = root / _METADATA
    with reading(path, "list of clips", advice=_ADVICE):
        rows = read_columns(path).to_pylist()
    for number, row in enumerate(rows):
        where = f"{path}, row {number},"
        texts = {column: _text(row, column, where) for column in _COLUMNS}
        if _is_human(row) or texts["data_source"] not in sources:
            continue
        video = path_inside(path.parent, texts["file_name"], where=where)
        yield RbmRow(
            id=texts["id"],
            task=texts["task"],
            data_source=texts["data_source"],
            label=texts["quality_label"],
            reader=VideoClip(video, sampling),
            where=where,
        )


def _rows_of_lerobot(folder: LeRobotFolder, sampling: VideoSampling) -> Iterator[RbmRow]:
    cameras = [name for name in folder.cameras if folder.features[name].get("dtype") == "video"]
    for column in ("id", "quality_label"):
        if column not in folder.features or len(cameras) != 1:
            raise FileFormatError(
                f"{folder.root} is a LeRobotDataset with {sorted(folder.features)}; expected one "
                f"video, id and quality_label. {_ADVICE}"
            )
    wanted = ["id", "quality_label", "data_source", "is_robot"]
    names = [name for name in wanted if name in folder.features]
    for path, episodes in groupby(folder.episodes, key=lambda episode: episode.data):
        table = read_columns(path, [*names, "episode_index"])
        with reading(path, "table of episodes", advice=_ADVICE):
            numbers = np.asarray(table["episode_index"].to_numpy())
        for episode in episodes:
            first = episode.rows_among(numbers, path).start
            where = f"{path}, row {first},"
            with reading(path, "table of episodes", advice=_ADVICE):
                row = {name: _first(table[name][first].as_py()) for name in names}
            if _is_human(row):
                continue
            yield RbmRow(
                id=_text(row, "id", where),
                task=episode.tasks[0] if episode.tasks else "",
                data_source=str(row.get("data_source", "")),
                label=_text(row, "quality_label", where),
                reader=_LeRobotClip(folder, episode, cameras[0], sampling),
                where=where,
            )


@dataclass(frozen=True, slots=True)
class _LeRobotClip:
    """Part of a video that holds many clips."""

    folder: LeRobotFolder
    episode: LeRobotEpisode
    camera: str
    sampling: VideoSampling

    @property
    def _frames(self) -> LeRobotFrames:
        video, start = self.episode.videos[self.camera]
        return LeRobotFrames(video, start, self.folder.fps, np.arange(self.episode.n_rows))

    def load(self) -> Callable[[SourceNeeds], Trajectory]:
        n_rows, sampling = self.episode.n_rows, self.sampling
        if sampling.fps is None:
            n_pictures = min(sampling.pictures or n_rows, n_rows)
            rows = np.rint(np.linspace(0, n_rows - 1, n_pictures))
        else:
            seconds = np.arange(0, n_rows / self.folder.fps, 1 / sampling.fps)
            rows = np.append(np.ceil(seconds * self.folder.fps - 1e-6), n_rows - 1)
        pictures = self._frames.read(np.unique(np.clip(rows, 0, n_rows - 1)).astype(np.int64))
        name = self.folder.name_of(self.episode)
        return lambda needs: picture_episode(pictures, needs, n_frames=n_rows, id=name)

    def digest(self) -> str:
        about = self._frames.digest() + f" {self.episode.n_rows} {self.sampling}".encode()
        return hashlib.sha256(about).hexdigest()[:16]


def _is_human(row: dict[str, Any]) -> bool:
    """Whether a person's hand acts; one form says so in words."""
    return str(row.get("is_robot", True)).lower() in ("false", "0")


def _first(value: Any) -> Any:
    """A value, also where a row keeps it as a list of one."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _text(row: dict[str, Any], column: str, where: str) -> str:
    value = row.get(column)
    if not isinstance(value, str) or not value:
        raise FileFormatError(
            f"{where} has {column} {value!r}; expected a text. Its columns are {sorted(row)}. "
            f"{_ADVICE}"
        )
    return value
