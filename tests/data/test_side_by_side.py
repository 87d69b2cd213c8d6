"""Collections of different settings, read as one."""

from pathlib import Path

import numpy as np
import pytest

from vlfeedback.data.collection import Collection
from vlfeedback.data.side_by_side import load_side_by_side
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.errors import InvalidValueError
from vlfeedback.types import Trajectory


def collected(root: Path, level: str, *seeds: int, ends: str = "rest", task: str = "reach") -> Path:
    """A folder with one level of a task, an episode a seed."""
    collection = Collection.create(root, {"episodes": len(seeds), "ends": ends})
    episodes = [
        Trajectory(
            observations=np.zeros((3, 2), np.float32),
            actions=np.zeros((2, 1), np.float32),
            task=task,
            level=level,
            id=f"{task}/{level}/{seed}",
        )
        for seed in seeds
    ]
    write_trajectories(collection.path(task, level), episodes)
    return root


def test_episodes_come_folder_by_folder_whatever_their_settings(tmp_path: Path) -> None:
    rests = collected(tmp_path / "rests", "expert", 0, 1)
    runs_on = collected(tmp_path / "runs-on", "expert", 1000, ends="run-on")
    found = load_side_by_side([runs_on, str(rests)], "reach")
    assert [t.id for t in found] == ["reach/expert/1000", "reach/expert/0", "reach/expert/1"]


def test_of_each_folder_the_levels_are_read_that_it_has(tmp_path: Path) -> None:
    experts = collected(tmp_path / "a", "expert", 0)
    flawed = collected(tmp_path / "b", "flawed", 5)
    other = collected(tmp_path / "c", "idle", 7, task="push")
    folders = [experts, flawed, other]
    assert [t.level for t in load_side_by_side(folders, "reach")] == ["expert", "flawed"]
    assert [t.level for t in load_side_by_side(folders, "reach", ["flawed", "idle"])] == ["flawed"]


def test_the_same_episode_twice_is_refused(tmp_path: Path) -> None:
    one = collected(tmp_path / "one", "expert", 0)
    other = collected(tmp_path / "other", "expert", 0, ends="run-on")
    with pytest.raises(InvalidValueError, match=r"'reach/expert/0' is in .*one and in .*other;"):
        load_side_by_side([one, other], "reach")


def test_nothing_at_all_is_refused(tmp_path: Path) -> None:
    one = collected(tmp_path / "one", "expert", 0)
    with pytest.raises(FileNotFoundError, match="No trajectories of 'push' in "):
        load_side_by_side([one], "push")
    with pytest.raises(FileNotFoundError, match="of 'reach' of the levels idle, flawed in"):
        load_side_by_side([one], "reach", ["idle", "flawed"])
    with pytest.raises(FileNotFoundError, match="No collection at"):
        load_side_by_side([tmp_path / "elsewhere"], "reach")
