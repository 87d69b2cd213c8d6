"""A dataset in LeRobot's v3.0 layout, laid out by hand."""

from __future__ import annotations

import io
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

FPS = 10
LENGTHS = (5, 30, 4)  # the first two share a data file and a video
CAMERA = "observation.images.top"
PATHS = {
    "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
    "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
}
FILES = (0, 0, 1)  # of each episode


def brightness(episode: int, row: int) -> int:
    return 40 * (episode + 1) + 4 * row


def rows_of(episode: int) -> dict[str, Any]:
    rng, length = np.random.default_rng(episode), LENGTHS[episode]
    return {
        "observation.state": rng.normal(size=(length, 3)).astype(np.float32),
        "action": rng.normal(size=(length, 2)).astype(np.float32),
        "next.reward": rng.normal(size=length).astype(np.float32),
        "next.done": np.arange(length) == length - 1,
        "next.success": np.arange(length) == length - 1,
        "timestamp": (np.arange(length) / FPS).astype(np.float32),
        "frame_index": np.arange(length),
        "episode_index": np.full(length, episode),
    }


def write_video(path: Path, episodes: list[int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(FPS))
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
        stream.options = {"crf": "5"}
        for episode in episodes:
            for row in range(LENGTHS[episode]):
                picture = np.full((16, 32, 3), brightness(episode, row), np.uint8)
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                container.mux(stream.encode(frame))
        container.mux(stream.encode())


def png(picture: np.ndarray) -> bytes:
    contents = io.BytesIO()
    Image.fromarray(picture).save(contents, format="PNG")
    return contents.getvalue()


def picture_of(episode: int, row: int) -> np.ndarray:
    """Of one brightness, with its row in a corner."""
    picture = np.full((4, 6, 3), brightness(episode, row), np.uint8)
    picture[0, 0] = (episode, row, 7)
    return picture


def lay_out(
    root: Path,
    *,
    cameras: tuple[str, ...] = (CAMERA,),  # kept in videos
    images: tuple[str, ...] = (),  # kept in Parquet
    without: str = "",
    paths: dict[str, str] = PATHS,
) -> Path:
    listed = []
    for file in (0, 1):
        episodes = [i for i, f in enumerate(FILES) if f == file]
        columns: dict[str, list[Any]] = {}
        for episode in episodes:
            for key, rows in rows_of(episode).items():
                if key != without:
                    columns.setdefault(key, []).extend(rows.tolist())
            for camera in images:
                columns.setdefault(camera, []).extend(
                    {"bytes": png(picture_of(episode, row)), "path": f"frame-{row:06d}.png"}
                    for row in range(LENGTHS[episode])
                )
        described: Any = {"info": {"features": {key: {} for key in columns}}}
        table = pa.table(columns, metadata={"huggingface": json.dumps(described)})
        path = root / paths["data_path"].format(chunk_index=0, file_index=file)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path, row_group_size=8)
        start = 0
        for episode in episodes:
            row = {
                "episode_index": episode,
                "tasks": [f"do {episode}"],
                "length": LENGTHS[episode],
                "data/chunk_index": 0,
                "data/file_index": file,
                "stats/next.reward/mean": [0.0],
            }
            for camera in cameras:
                about = {"chunk_index": 0, "file_index": file, "from_timestamp": start / FPS}
                row |= {f"videos/{camera}/{key}": value for key, value in about.items()}
            start += LENGTHS[episode]
            listed.append(row)
        for camera in cameras:
            names = {"video_key": camera, "chunk_index": 0, "file_index": file}
            write_video(root / paths["video_path"].format(**names), episodes)
    shapes = {"observation.state": [3], "action": [2]}
    features: dict[str, Any] = {
        key: {"dtype": "float32", "shape": shapes.get(key, [1])}
        for key in rows_of(0)
        if key != without
    }
    features |= {camera: {"dtype": "video", "shape": [16, 32, 3]} for camera in cameras}
    features |= {camera: {"dtype": "image", "shape": [4, 6, 3]} for camera in images}
    info = {"codebase_version": "v3.0", "fps": FPS, "total_episodes": 3, "features": features}
    (root / "meta" / "episodes" / "chunk-000").mkdir(parents=True)
    (root / "meta" / "info.json").write_text(json.dumps(info | paths))
    (root / "meta" / "stats.json").write_text(json.dumps({"next.reward": {"mean": [0.5]}}))
    pq.write_table(
        pa.Table.from_pylist(listed),
        root / "meta" / "episodes" / "chunk-000" / "file-000.parquet",
    )
    return root
