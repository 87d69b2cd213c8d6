"""Small exams: downloaded ones in their published layouts, and one in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vlfeedback.data.video import write_video
from vlfeedback.evaluation.bench.exam import Exam, ExamClip, ExamPair, draw_pairs
from vlfeedback.evaluation.bench.video_clips import PROVIDED_BY_VIDEOS, picture_episode
from vlfeedback.types import SourceNeeds, Trajectory

ROBOREWARD = [
    # file name, task, reward, brightness at the end
    ("toy_a/1.mp4", "lift the cup", 5, 250),
    ("toy_a/2_attempt_1_score_3.mp4", "lift the cup", 3, 128),
    ("toy_a/3.mp4", "lift the cup", 1, 64),
    ("toy_b/4.mp4", "open it", 2, 128),
    ("toy_b/5.mp4", "open it", 1, 192),
]
RBM = [
    # data source, task, label, brightness at the end
    ("usc_xarm", "stack", "successful", 200),
    ("usc_xarm", "stack", "suboptimal", 100),
    ("usc_xarm", "stack", "failure", 150),
    ("usc_koch", "push", "success", 100),
    ("usc_koch", "push", "success", 40),
    ("usc_koch", "push", "failure", 70),
    ("usc_koch", "pull", "success", 90),
    ("utd_so101_human", "push", "failure", 90),
]


def ramp(top: int, n: int = 21) -> np.ndarray:
    """Pictures that grow brighter, from 0 to `top`."""
    brightness = np.linspace(0, top, n).round().astype(np.uint8)
    return np.broadcast_to(brightness[:, None, None, None], (n, 16, 16, 3)).copy()


def write_roboreward(
    root: Path, rows: Sequence[tuple[str, str, int, int]] = ROBOREWARD, **changes: Any
) -> Path:
    """The layout of teetone/RoboReward, its test split; `changes` replace columns of row 1."""
    lines = []
    for number, (name, task, reward, top) in enumerate(rows):
        write_video(root / "test" / name, ramp(top), fps=10.0)
        row = {"file_name": name, "task": task, "reward": reward, "gpt5_mini_check": "It moves."}
        if number == 0:
            row |= changes
        lines.append(json.dumps(row))
    (root / "test" / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def write_rbm_videos(root: Path, rows: Sequence[tuple[str, str, str, int]] = RBM) -> Path:
    """The layout of robometer/rbm-1m-ood with a video a clip."""
    columns: dict[str, list[str]] = {}
    for number, (data_source, task, label, top) in enumerate(rows):
        row = {
            "file_name": f"{data_source}/{number}.mp4",
            "quality_label": label,
            "id": f"id-{number}",
            "task": task,
            "data_source": data_source,
            "is_robot": str("human" not in data_source),
            "partial_success": "",
        }
        write_video(root / "train" / row["file_name"], ramp(top), fps=10.0)
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    pq.write_table(pa.table(columns), root / "train" / "metadata.parquet")
    sources = ["usc_trossen", "mit_franka", "utd_so101", "usc_xarm", "usc_franka", "usc_koch"]
    info = {"dataset_name": "rbm-1m-ood-eval", "eval_data_sources": sources}
    (root / "meta").mkdir()
    (root / "meta" / "info.json").write_text(json.dumps(info), encoding="utf-8")
    return root


def write_rbm_lerobot(
    root: Path, rows: Sequence[tuple[str, str, str, int]] = RBM, *, with_source: bool = True
) -> Path:
    """The layout of robometer/rbm-1m-ood as a LeRobotDataset: all clips in one video, 10 fps."""
    n, fps = 21, 10
    columns: dict[str, list[Any]] = {}
    listed = []
    for number, (data_source, task, label, _) in enumerate(rows):
        row: dict[str, Any] = {"id": f"id-{number}", "quality_label": label, "is_robot": True}
        if with_source:
            row["data_source"] = data_source
        for name, value in (row | {"episode_index": number}).items():
            columns.setdefault(name, []).extend([value] * n)
        place = {"chunk_index": 0, "file_index": 0}
        about = {"episode_index": number, "tasks": [task], "length": n}
        about |= {f"data/{key}": value for key, value in place.items()}
        about |= {f"videos/video/{key}": value for key, value in place.items()}
        listed.append(about | {"videos/video/from_timestamp": number * n / fps})
    for name, table in (
        ("data", pa.table(columns)),
        ("meta/episodes", pa.Table.from_pylist(listed)),
    ):
        (root / name / "chunk-000").mkdir(parents=True)
        pq.write_table(table, root / name / "chunk-000" / "file-000.parquet")
    (root / "videos" / "video" / "chunk-000").mkdir(parents=True)
    video = root / "videos" / "video" / "chunk-000" / "file-000.mp4"
    with av.open(str(video), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps))
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        stream.options = {"crf": "5"}
        for *_, top in rows:
            for picture in ramp(top, n):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                container.mux(stream.encode(frame))
        container.mux(stream.encode())
    strings = {name: {"dtype": "string", "shape": [1]} for name in columns if name != "is_robot"}
    info = {
        "codebase_version": "v3.0",
        "fps": fps,
        "total_episodes": len(rows),
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
        "features": {"video": {"dtype": "video", "shape": [3, 16, 16]}, **strings},
    }
    (root / "meta" / "info.json").write_text(json.dumps(info), encoding="utf-8")
    return root


@dataclass(frozen=True)
class MadeClip:
    """Pictures in memory."""

    pictures: np.ndarray
    name: str

    def load(self) -> Callable[[SourceNeeds], Trajectory]:
        n_frames = len(self.pictures)
        return lambda needs: picture_episode(self.pictures, needs, n_frames=n_frames, id=self.name)

    def digest(self) -> str:
        return self.name


def made_exam(
    clips: Mapping[str, tuple[str, int, int]],
    *,
    pairs: Sequence[ExamPair] | None = None,
    metrics: Sequence[str] = ("kendall_tau", "preference_accuracy", "ties", "voc"),
    tie_credit: float = 0.5,
) -> Exam:
    """An exam of clips (task, tier, brightness at the end) by name; tier 2 gets on."""
    listed = [
        ExamClip(
            id=name,
            task=task,
            instruction=task,
            reader=MadeClip(ramp(top, 5), name),
            tier=tier,
            rises=tier == 2,
            known=f"tier {tier}",
        )
        for name, (task, tier, top) in clips.items()
    ]
    return Exam(
        name="made",
        title="Made",
        clips=listed,
        pairs=draw_pairs(listed, None, rng=np.random.default_rng(0)) if pairs is None else pairs,
        provides=PROVIDED_BY_VIDEOS,
        metrics=metrics,
        tie_credit=tie_credit,
    )
