"""Where a LeRobotDataset v3.0 keeps what: `meta/info.json`, the list of episodes, path templates.

Source: LeRobot's documentation, "LeRobotDataset v3.0".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlfeedback.errors import FileFormatError
from vlfeedback.optional import require

__all__ = [
    "ENV_REWARD",
    "REWARD",
    "LeRobotEpisode",
    "LeRobotFolder",
    "read_columns",
    "write_table",
]

REWARD, ENV_REWARD = "next.reward", "next.env_reward"
_HUGGING_FACE = b"huggingface"  # key of a file's metadata
_NEEDED_BY = "A LeRobot dataset"


@dataclass(frozen=True, slots=True)
class LeRobotEpisode:
    """One row of `meta/episodes`."""

    index: int
    n_rows: int
    tasks: tuple[str, ...]
    data: Path  # the Parquet file with its rows, where it shares with others
    videos: dict[str, tuple[Path, float]]  # by camera: file, and the time it begins at, s


@dataclass(frozen=True, slots=True)
class LeRobotFolder:
    """A dataset's folder, as its metadata describe it."""

    root: Path
    info: dict[str, Any]
    episodes: tuple[LeRobotEpisode, ...]

    @classmethod
    def open(cls, root: Path) -> LeRobotFolder:
        """Read the metadata.

        Raises:
            FileNotFoundError: there is no LeRobot dataset at `root`.
            FileFormatError: it is of another version, or damaged.
            MissingExtraError: pyarrow is not installed.
        """
        path = root / "meta" / "info.json"
        if not path.is_file():
            raise FileNotFoundError(f"No LeRobot dataset at {root}: it has no meta/info.json.")
        try:
            info = dict(json.loads(path.read_text(encoding="utf-8")))
            version = str(info["codebase_version"])
            if not version.startswith("v3."):
                raise FileFormatError(
                    f"{root} is a LeRobot dataset of version {version}; v3 is read. Convert it "
                    "with LeRobot's own lerobot.scripts.convert_dataset_v21_to_v30."
                )
            files = sorted((root / "meta" / "episodes").glob("*/*.parquet"))
            rows = [row for file in files for row in _rows(file)]
            episodes = [_episode(root, info, row) for row in rows]
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise FileFormatError(
                f"The metadata of {root} cannot be read ({error!r}): damaged, or of another "
                "version. Take a whole copy."
            ) from error
        if len(episodes) != info.get("total_episodes", len(episodes)):
            raise FileFormatError(
                f"{root} lists {len(episodes)} of {info['total_episodes']} episodes; it is not "
                "whole. Take a whole copy."
            )
        return cls(root, info, tuple(sorted(episodes, key=lambda episode: episode.index)))

    @property
    def features(self) -> dict[str, Any]:
        """Names of all arrays, with dtype and shape."""
        return dict(self.info["features"])

    @property
    def fps(self) -> float:
        """Rows, and pictures, per second."""
        return float(self.info["fps"])

    @property
    def cameras(self) -> list[str]:
        """Names of the arrays that are videos."""
        return [name for name, about in self.features.items() if about.get("dtype") == "video"]


def read_columns(path: Path, columns: list[str] | None = None) -> Any:
    """A Parquet file as a pyarrow table.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is damaged, or lacks a column.
    """
    pa = require("pyarrow", extra="offline", needed_by=_NEEDED_BY)
    parquet = require("pyarrow.parquet", extra="offline", needed_by=_NEEDED_BY)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; the dataset is not whole. Take a whole copy.")
    try:
        with parquet.ParquetFile(path) as file:
            missing = set(columns or ()) - set(file.schema_arrow.names)
            if missing:
                raise FileFormatError(f"{path} has no column {sorted(missing)[0]!r}.")
            return file.read(columns=columns)
    except (OSError, pa.ArrowException) as error:
        raise FileFormatError(
            f"{path} cannot be read ({error}): truncated or damaged. Take a whole copy."
        ) from error


def _rows(path: Path) -> list[dict[str, Any]]:
    table = read_columns(path)
    names = [name for name in table.column_names if not name.startswith("stats/")]
    return list(table.select(names).to_pylist())


def _episode(root: Path, info: dict[str, Any], row: dict[str, Any]) -> LeRobotEpisode:
    def place(template: str, prefix: str, **names: str) -> Path:
        numbers = {key: row[f"{prefix}/{key}"] for key in ("chunk_index", "file_index")}
        return root / template.format(**numbers, **names)

    cameras = [name for name, about in info["features"].items() if about.get("dtype") == "video"]
    return LeRobotEpisode(
        index=int(row["episode_index"]),
        n_rows=int(row["length"]),
        tasks=tuple(row.get("tasks") or ()),
        data=place(info["data_path"], "data"),
        videos={
            camera: (
                place(info["video_path"], f"videos/{camera}", video_key=camera),
                float(row[f"videos/{camera}/from_timestamp"]),
            )
            for camera in cameras
        },
    )


def write_table(path: Path, table: Any) -> None:
    """A pyarrow table as a Parquet file, described to the `datasets` library as it is.

    That library refuses a file whose own description lacks one of its columns.
    """
    parquet = require("pyarrow.parquet", extra="offline", needed_by=_NEEDED_BY)
    metadata = dict(table.schema.metadata or {})
    if _HUGGING_FACE in metadata:
        description = json.loads(metadata[_HUGGING_FACE])
        features = description.get("info", {}).get("features", {})
        for name in {REWARD, ENV_REWARD} & set(table.column_names):
            features[name] = {"dtype": "float32", "_type": "Value"}
        metadata[_HUGGING_FACE] = json.dumps(description).encode()
        table = table.replace_schema_metadata(metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, path, compression="snappy")
