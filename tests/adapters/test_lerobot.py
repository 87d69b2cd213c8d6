"""A dataset in LeRobot's v3.0 layout is laid out by hand, and read back with pyarrow."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlfeedback.adapters import lerobot as adapter
from vlfeedback.adapters.formats import open_dataset
from vlfeedback.errors import (
    FileFormatError,
    InvalidValueError,
    NeedsError,
    ShapeError,
    UnknownNameError,
)
from vlfeedback.scoring.relabel import relabel
from vlfeedback.testing import BrightnessEmbedder, BrightnessReward
from vlfeedback.types import Frames, Trajectory

pytest.importorskip("av")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from tests.adapters.lerobot_by_hand import (  # noqa: E402  (after what it needs)
    CAMERA,
    FILES,
    PATHS,
    brightness,
    lay_out,
    rows_of,
)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "robot")


def test_every_row_is_a_step(dataset: Path) -> None:
    for episode, read in enumerate(adapter.read(dataset)):
        rows = rows_of(episode)
        np.testing.assert_array_equal(read.observations[:-1], rows["observation.state"])
        np.testing.assert_array_equal(read.observations[-1], read.observations[-2])
        np.testing.assert_array_equal(read.actions, rows["action"])
        np.testing.assert_array_equal(read.env_rewards, rows["next.reward"])
        np.testing.assert_array_equal(read.successes, rows["next.success"])
        assert read.observations.dtype == read.actions.dtype == np.float64  # as the file has them
        assert (read.terminated, read.truncated, read.rewards) == (False, True, None)
        assert read.id == f"robot/{episode:06d}"
        assert read.facts() == {"last_observation": "repeated", "instruction": f"do {episode}"}
    assert episode == 2


@pytest.mark.parametrize("times", [[0], [29, 3], [4, 5, 6, 28], [7, 7], []])
def test_pictures_are_those_of_the_episode(dataset: Path, times: list[int]) -> None:
    _, read, _ = adapter.read(dataset)
    assert isinstance(read.frames, Frames) and read.frames.times.tolist() == list(range(30))
    pictures = read.frames.read(times)
    assert pictures.shape == (len(times), 16, 32, 3)
    expected = np.array([brightness(1, time) for time in times])
    means = pictures.reshape(len(times), -1).mean(axis=1) if times else expected
    np.testing.assert_allclose(means, expected, atol=1.5)  # the next picture is 4 brighter


def test_a_dataset_of_a_real_robot_has_no_rewards(tmp_path: Path) -> None:
    root = lay_out(tmp_path / "robot", without="next.reward", cameras=())
    read = list(adapter.read(root))
    assert len(read) == 3
    for trajectory in read:
        assert trajectory.env_rewards is trajectory.rewards is None
        assert trajectory.frames is None


def test_done_is_the_end_and_not_a_terminal_unless_told(dataset: Path) -> None:
    assert all(t.terminated for t in adapter.read(dataset, done_is_terminal=True))


@pytest.mark.parametrize("without", ["", "next.reward"])
def test_a_copy_differs_in_its_rewards_alone(tmp_path: Path, without: str) -> None:
    origin = lay_out(tmp_path / "robot", without=without)
    source = BrightnessEmbedder()
    relabelled = list(relabel(adapter.read(origin), source, between="hold"))
    copy = tmp_path / "copy"
    adapter.write_relabelled(copy, iter(relabelled), origin=origin)
    for file in (0, 1):
        path = PATHS["data_path"].format(chunk_index=0, file_index=file)
        new, old = pq.read_table(copy / path), pq.read_table(origin / path)
        given = np.concatenate(
            [t.rewards for t, f in zip(relabelled, FILES, strict=True) if f == file]
        )
        np.testing.assert_array_equal(new["next.reward"].to_numpy(), given)
        assert new["next.reward"].type == pa.float32()
        for name in set(old.column_names) - {"next.reward"}:
            assert new[name].equals(old[name]), name
        if not without:
            own = np.asarray(old["next.reward"], dtype=np.float32)
            np.testing.assert_array_equal(new["next.env_reward"].to_numpy(), own)
        described = json.loads(new.schema.metadata[b"huggingface"])["info"]["features"]
        assert described["next.reward"] == {"dtype": "float32", "_type": "Value"}
        video = PATHS["video_path"].format(video_key=CAMERA, chunk_index=0, file_index=file)
        assert (copy / video).read_bytes() == (origin / video).read_bytes()
    info = json.loads((copy / "meta" / "info.json").read_text())
    assert info["features"]["next.reward"] == {"dtype": "float32", "shape": [1], "names": None}
    everything = np.concatenate([t.rewards for t in relabelled])
    stats = json.loads((copy / "meta" / "stats.json").read_text())["next.reward"]
    assert stats["mean"] == [pytest.approx(everything.mean())] and stats["count"] == [39]
    listed = pq.read_table(copy / "meta" / "episodes" / "chunk-000" / "file-000.parquet")
    assert "stats/next.reward/mean" not in listed.column_names and len(listed) == 3
    for again, before in zip(adapter.read(copy), relabelled, strict=True):
        np.testing.assert_array_equal(again.rewards, before.rewards)
        if without:
            assert again.env_rewards is None
        else:
            np.testing.assert_array_equal(again.env_rewards, before.env_rewards)
    assert json.loads((origin / "meta" / "stats.json").read_text())["next.reward"]["mean"] == [0.5]


def test_the_last_picture_is_lacking_and_the_last_reward_held(dataset: Path) -> None:
    with pytest.raises(NeedsError, match=r"state 5, and .*4 of 5 scores.*between='hold'"):
        next(relabel(adapter.read(dataset), BrightnessReward()))
    read = next(relabel(adapter.read(dataset), BrightnessReward(), between="hold"))
    expected = np.array([brightness(0, row) for row in (1, 2, 3, 4, 4)]) / 255
    np.testing.assert_allclose(np.asarray(read.rewards), expected, atol=0.006)


# Bad input --------------------------------------------------------------------------------------


def test_several_cameras_ask_for_a_choice(tmp_path: Path) -> None:
    root = lay_out(tmp_path / "robot", cameras=(CAMERA, "observation.images.wrist"))
    with pytest.raises(NeedsError, match=r"camera='observation.images.top', or none"):
        adapter.read(root)
    assert next(adapter.read(root, camera="")).frames is None
    assert next(adapter.read(root, camera="observation.images.wrist")).frames is not None
    with pytest.raises(UnknownNameError, match="no camera 'eye'"):
        adapter.read(root, camera="eye")
    with pytest.raises(UnknownNameError, match=r"no 'observation.joints'"):
        adapter.read(root, observation="observation.joints", camera="")


@pytest.mark.parametrize("part", ["data", "videos"])
def test_a_missing_file_is_named(dataset: Path, part: str) -> None:
    (path,) = [p for p in (dataset / part).rglob("*-000.*")]
    path.unlink()
    with pytest.raises(FileNotFoundError, match=f"{path.name} is missing"):
        for trajectory in adapter.read(dataset):
            assert trajectory.frames is not None
            trajectory.frames.read([0])


@pytest.mark.parametrize("part", ["data", "videos", "meta/episodes"])
def test_a_damaged_file_is_named(dataset: Path, part: str) -> None:
    (path,) = [p for p in (dataset / part).rglob("file-000.*")]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(FileFormatError, match=f"{path.name} is no readable"):
        for trajectory in adapter.read(dataset):
            assert trajectory.frames is not None
            trajectory.frames.read([0])


def test_other_versions_and_folders_are_refused(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no meta/info.json"):
        adapter.read(tmp_path)
    path = dataset / "meta" / "info.json"
    info = json.loads(path.read_text())
    path.write_text(json.dumps(info | {"codebase_version": "v2.1"}))
    with pytest.raises(FileFormatError, match=r"version v2.1; v3 is read. Convert it"):
        adapter.read(dataset)
    path.write_text(json.dumps(info | {"total_episodes": 7}))
    with pytest.raises(FileFormatError, match="lists 3 of 7 episodes"):
        adapter.read(dataset)
    path.write_text("{}")
    with pytest.raises(
        FileFormatError, match=r"robot is no readable LeRobot dataset: 'codebase_version'"
    ):
        adapter.read(dataset)


def change_rows(dataset: Path, name: str, rows: Any) -> None:
    path = dataset / PATHS["data_path"].format(chunk_index=0, file_index=0)
    table = pq.read_table(path)
    place = table.column_names.index(name)
    pq.write_table(table.set_column(place, name, pa.array(rows)), path)


def test_rows_that_are_wrong_are_named(dataset: Path) -> None:
    rewards = np.zeros(35)
    rewards[7] = np.nan
    change_rows(dataset, "next.reward", rewards)
    with pytest.raises(InvalidValueError, match=r"episode 1: rewards has a number .* in row 2"):
        list(adapter.read(dataset))
    change_rows(dataset, "episode_index", np.repeat([0, 1], [6, 29]))
    with pytest.raises(FileFormatError, match=r"has 6 rows of episode 0, and .* say 5"):
        list(adapter.read(dataset))


def test_rewards_that_are_all_nan_are_not_known(dataset: Path) -> None:
    change_rows(dataset, "next.reward", np.full(35, np.nan))
    known = [trajectory.env_rewards is not None for trajectory in adapter.read(dataset)]
    assert known == [False, False, True]


def test_columns_that_are_no_numbers_are_named(dataset: Path) -> None:
    ragged = [[0.0, 1.0, 2.0]] * 34 + [[0.0]]
    change_rows(dataset, "observation.state", ragged)
    with pytest.raises(ShapeError, match=r"observation.state holds lists of \[3, 1\] numbers"):
        list(adapter.read(dataset))
    change_rows(dataset, "observation.state", ["here"] * 35)
    with pytest.raises(ShapeError, match=r"observation.state holds string; expected numbers"):
        list(adapter.read(dataset))
    change_rows(dataset, "observation.state", [[0.0]] * 35)
    change_rows(dataset, "next.success", [None] * 5 + [True] * 30)
    with pytest.raises(ShapeError, match=r"next.success has no value in 5 rows"):
        list(adapter.read(dataset))


def test_an_episode_that_is_listed_twice_is_refused(dataset: Path) -> None:
    path = dataset / "meta" / "episodes" / "chunk-000" / "file-000.parquet"
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table.slice(0, 1), table.slice(0, 2)]), path)
    with pytest.raises(FileFormatError, match="lists an episode twice"):
        adapter.read(dataset)


def broken(kind: str, whole: list[Trajectory]) -> list[Trajectory]:
    return {
        "fewer": whole[:2],
        "more": [*whole, whole[0]],
        "other order": whole[::-1],
        "no rewards": [whole[0], replace(whole[1], rewards=None), whole[2]],
    }[kind]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("fewer", "000002 has 4 steps and for it there is none"),
        ("more", "more trajectories than"),
        ("other order", "000000 has 5 steps and for it .* was given"),
        ("no rewards", "has no rewards; relabel it"),
    ],
)
def test_other_trajectories_are_refused_and_nothing_is_left(
    dataset: Path, tmp_path: Path, kind: str, message: str
) -> None:
    whole = [replace(t, rewards=np.zeros(len(t), np.float32)) for t in adapter.read(dataset)]
    with pytest.raises((ShapeError, NeedsError), match=message):
        adapter.write_relabelled(tmp_path / "copy", broken(kind, whole), origin=dataset)
    assert [path.name for path in tmp_path.iterdir()] == ["robot"]
    with pytest.raises(FileExistsError, match="choose another folder"):
        adapter.write_relabelled(dataset, whole, origin=dataset)


def test_a_dataset_is_named_by_its_folder_and_copied_into_another(
    dataset: Path, tmp_path: Path
) -> None:
    found = open_dataset(f"lerobot:{dataset}", {"camera": ""})
    trajectories = [replace(t, rewards=np.ones(len(t), np.float32)) for t in found.read()]
    assert [t.frames for t in trajectories] == [None, None, None]
    found.new_copy(f"lerobot:{tmp_path / 'copy.h5'}").write(trajectories, {})  # any folder's name
    copy = open_dataset(f"lerobot:{tmp_path / 'copy.h5'}", found.reading)
    assert [float(t.rewards.sum()) for t in copy.read() if t.rewards is not None] == [5, 30, 4]
    with pytest.raises(FileExistsError, match="there already; choose another folder"):
        found.new_copy(f"lerobot:{dataset}")
    with pytest.raises(UnknownNameError, match="differ in format; write lerobot:other"):
        found.new_copy("other")
