"""Exams in the layouts they are published in, and what is said of other ones."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.evaluation.bench.made_sets import (
    RBM,
    write_rbm_lerobot,
    write_rbm_videos,
    write_roboreward,
)

from vlfeedback.data.collection import Collection
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.data.video_sampling import VideoSampling
from vlfeedback.errors import FileFormatError, InvalidValueError, NeedsError
from vlfeedback.evaluation.bench import (
    Exam,
    read_own_clips,
    read_rbm_eval_ood,
    read_roborewardbench,
)
from vlfeedback.tasks import own_task
from vlfeedback.types import ArrayFrames, SourceNeeds, Trajectory


def last_brightness(exam: Exam, place: int) -> float:
    """Of the last picture that a source reads."""
    frames = exam.clips[place].reader.load()(SourceNeeds(frames=True)).frames
    assert frames is not None
    return float(frames.read(frames.times[-1:]).mean())


def test_roborewardbench_is_read_from_its_folder_or_its_split(tmp_path: Path) -> None:
    root = write_roboreward(tmp_path)
    exam = read_roborewardbench(root)
    assert [clip.id for clip in exam.clips] == [
        "toy_a/1.mp4",
        "toy_a/2_attempt_1_score_3.mp4",
        "toy_a/3.mp4",
        "toy_b/4.mp4",
        "toy_b/5.mp4",
    ]
    assert [clip.set for clip in exam.clips] == ["toy_a"] * 3 + ["toy_b"] * 2
    assert [clip.score for clip in exam.clips] == [5, 3, 1, 2, 1]
    assert [clip.rises for clip in exam.clips] == [True, False, False, False, False]
    assert exam.clips[3].instruction == "open it"
    assert {(pair.better, pair.worse) for pair in exam.pairs} == {(0, 1), (0, 2), (1, 2), (3, 4)}
    assert last_brightness(exam, 1) == pytest.approx(128, abs=3)
    same = read_roborewardbench(root / "test", n_pairs=2)
    assert len(same.pairs) == 2 and len(same.clips) == 5


def test_one_picture_a_second_is_read_unless_another_sampling_is_asked_for(tmp_path: Path) -> None:
    root = write_roboreward(tmp_path)

    def n_pictures(exam: Exam) -> int:
        frames = exam.clips[0].reader.load()(SourceNeeds(frames=True)).frames
        assert frames is not None
        return len(frames.times)

    assert n_pictures(read_roborewardbench(root)) == 3  # 21 frames at 10 fps
    assert n_pictures(read_roborewardbench(root, sampling=VideoSampling(pictures=5))) == 5


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"reward": 6}, r"line 1, has reward 6; expected 1 to 5"),
        ({"reward": "5"}, r"has reward '5'; expected a whole number"),
        ({"reward": True}, r"has reward True; expected a whole number"),
        ({"task": None}, r"has task None; expected a text"),
        ({"file_name": ""}, r"has file_name ''; expected a text"),
        ({"file_name": "../x.mp4"}, r"line 1, names the path '\.\./x\.mp4', which lies outside"),
        ({"file_name": "toy_a/3.mp4"}, r"Two clips are called 'toy_a/3\.mp4'"),
    ],
)
def test_other_columns_of_roborewardbench_are_refused(
    changes: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    root = write_roboreward(tmp_path, **changes)
    with pytest.raises((FileFormatError, InvalidValueError), match=complaint):
        read_roborewardbench(root)


def test_a_folder_that_is_no_roborewardbench_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected test/metadata\.jsonl and the videos"):
        read_roborewardbench(tmp_path)
    (tmp_path / "metadata.jsonl").write_text('{"file_name": ')
    with pytest.raises(FileFormatError, match="line 1, is no JSON"):
        read_roborewardbench(tmp_path)
    (tmp_path / "metadata.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(FileFormatError, match="is no readable list of clips"):
        read_roborewardbench(tmp_path)
    (tmp_path / "metadata.jsonl").write_text("[]")
    with pytest.raises(FileFormatError, match="line 1, is no JSON object"):
        read_roborewardbench(tmp_path)
    (tmp_path / "metadata.jsonl").write_text("\n")
    with pytest.raises(NeedsError, match="RoboRewardBench has no clips here"):
        read_roborewardbench(tmp_path)


def described(exam: Exam) -> list[tuple[str, str, str, int | None, bool]]:
    return [(clip.id, clip.set, clip.task, clip.tier, clip.rises) for clip in exam.clips]


SEVEN = [  # sorted by data set and task; the clip of a human's hand is not among them
    ("id-6", "usc_koch", "pull", 2, True),
    ("id-3", "usc_koch", "push", 2, True),
    ("id-4", "usc_koch", "push", 2, True),
    ("id-5", "usc_koch", "push", 0, False),
    ("id-0", "usc_xarm", "stack", 2, True),
    ("id-1", "usc_xarm", "stack", 1, False),
    ("id-2", "usc_xarm", "stack", 0, False),
]


def test_rbm_eval_ood_is_read_where_each_clip_is_a_video(tmp_path: Path) -> None:
    exam = read_rbm_eval_ood(write_rbm_videos(tmp_path))
    assert described(exam) == SEVEN
    assert exam.settings["form"] == "videos" and exam.tie_credit == 0
    assert last_brightness(exam, 4) == pytest.approx(200, abs=3)
    assert {(p.better, p.worse) for p in exam.pairs} == {(1, 3), (2, 3), (4, 5), (4, 6), (5, 6)}


def test_rbm_eval_ood_is_read_as_a_lerobot_dataset(tmp_path: Path) -> None:
    rows = [row for row in RBM if "human" not in row[0]]
    exam = read_rbm_eval_ood(write_rbm_lerobot(tmp_path, rows))
    assert described(exam) == SEVEN
    assert exam.settings["form"] == "lerobot"
    for place, top in ((0, 90), (3, 70), (4, 200), (6, 150)):
        assert last_brightness(exam, place) == pytest.approx(top, abs=3)


def test_a_lerobot_dataset_that_names_no_data_source_is_one_set(tmp_path: Path) -> None:
    exam = read_rbm_eval_ood(write_rbm_lerobot(tmp_path, RBM[:3], with_source=False))
    assert {clip.set for clip in exam.clips} == {""}
    assert len(exam.pairs) == 3


@pytest.mark.parametrize(
    ("sampling", "n_pictures"),
    [(VideoSampling(pictures=4), 4), (VideoSampling(fps=2.0), 5), (VideoSampling(fps=30.0), 21)],
)
def test_a_clip_within_a_video_is_sampled_as_one_by_itself(
    sampling: VideoSampling, n_pictures: int, tmp_path: Path
) -> None:
    exam = read_rbm_eval_ood(write_rbm_lerobot(tmp_path, RBM[:2]), sampling=sampling)
    frames = exam.clips[1].reader.load()(SourceNeeds(frames=True)).frames
    assert frames is not None
    brightness = frames.read(frames.times).mean(axis=(1, 2, 3))
    assert len(brightness) == n_pictures
    assert brightness[0] == pytest.approx(0, abs=3) and brightness[-1] == pytest.approx(100, abs=3)
    assert exam.clips[0].reader.digest() != exam.clips[1].reader.digest()


def test_a_label_that_is_none_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(
        FileFormatError, match="quality_label 'great'; expected one of failure, sub"
    ):
        read_rbm_eval_ood(write_rbm_videos(tmp_path, [("usc_xarm", "stack", "great", 9)]))


def test_other_columns_of_rbm_eval_ood_are_refused(tmp_path: Path) -> None:
    root = write_rbm_videos(tmp_path)
    path = root / "train" / "metadata.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["task"]), path)
    with pytest.raises(FileFormatError, match=r"row 0, has task None; expected a text.*file_name"):
        read_rbm_eval_ood(root)
    path.write_bytes(b"no table")
    with pytest.raises(FileFormatError, match=r"metadata\.parquet is no readable Parquet file"):
        read_rbm_eval_ood(root)
    (root / "meta" / "info.json").write_text('{"eval_data_sources": 7}')
    with pytest.raises(FileFormatError, match=r"info\.json is no readable description of clips"):
        read_rbm_eval_ood(root)


def test_a_lerobot_dataset_of_something_else_is_refused(tmp_path: Path) -> None:
    root = write_rbm_lerobot(tmp_path, RBM[:2])
    info = json.loads((root / "meta" / "info.json").read_text())
    del info["features"]["quality_label"]
    (root / "meta" / "info.json").write_text(json.dumps(info))
    with pytest.raises(FileFormatError, match="expected one video, id and quality_label"):
        read_rbm_eval_ood(root)


def test_a_folder_that_is_no_rbm_eval_ood_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="No RBM-EVAL-OOD at"):
        read_rbm_eval_ood(tmp_path)
    only_human = write_rbm_videos(tmp_path, RBM[-1:])
    with pytest.raises(NeedsError, match="no clip of a robot of the benchmark's data sets"):
        read_rbm_eval_ood(only_human)


def episode(level: str, number: int, success: int | None) -> Trajectory:
    pictures = np.full((5, 8, 8, 3), 40 * number, np.uint8)
    return Trajectory(
        np.zeros((9, 2), np.float32),
        np.zeros((8, 2), np.float32),
        env_rewards=np.zeros(8, np.float32),
        successes=np.arange(8) >= (8 if success is None else success),
        frames=ArrayFrames(np.r_[0, 1, 3, 5, 7], pictures),
        task="fold-towel",
        id=f"fold-towel/{level}/{number}",
        level=level,
    )


@pytest.fixture
def towels(tmp_path: Path) -> Path:
    collection = Collection.create(tmp_path / "towels", {"recorded": "elsewhere"})
    collection.note_task(own_task("my_package:FoldTowel-v0", "fold the towel"), {})
    episodes = {
        "expert": [episode("expert", 0, 5), episode("expert", 1, None)],
        "medium": [episode("medium", 0, None), episode("medium", 1, 3)],
        "random": [episode("random", 0, None)],
        "scattered": [episode("scattered", 0, None)],
    }
    for level, of_level in episodes.items():
        write_trajectories(collection.path("fold-towel", level), of_level)
    return collection.root


def test_own_clips_are_ranked_by_level_where_their_end_bears_it_out(towels: Path) -> None:
    exam = read_own_clips(towels)
    assert [(clip.known, clip.tier, clip.rises) for clip in exam.clips] == [
        ("expert", 2, True),
        ("expert", None, False),  # it never succeeds
        ("medium", 1, False),
        ("medium", None, False),  # it does
        ("random", 0, False),
    ]
    assert {(p.better, p.worse) for p in exam.pairs} == {(0, 2), (0, 4), (2, 4)}
    assert {clip.instruction for clip in exam.clips} == {"fold the towel"}
    assert {"actions", "env_rewards", "successes", "observations"} < exam.provides


def test_own_clips_of_no_level_or_without_pictures_are_refused(tmp_path: Path) -> None:
    collection = Collection.create(tmp_path / "c", {})
    path = collection.path("drawer-close", "scattered")
    write_trajectories(path, [episode("scattered", 0, None)])
    with pytest.raises(NeedsError, match="no clips of the levels random, medium, expert"):
        read_own_clips(collection.root)
    blind = Trajectory(
        np.zeros((3, 1), np.float32), np.zeros((2, 1), np.float32), level="random", id="r"
    )
    write_trajectories(collection.path("drawer-close", "random"), [blind])
    with pytest.raises(NeedsError, match="'r' has no pictures"):
        read_own_clips(collection.root)
