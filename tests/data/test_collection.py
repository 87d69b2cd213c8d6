import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlfeedback.data.collection import Collection
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.data.whole_files import is_partial
from vlfeedback.errors import FileFormatError, InvalidValueError, UnknownNameError
from vlfeedback.types import Trajectory

SETTINGS = {"episodes": 2, "horizon": 5, "seed": 0, "levels": ("expert", "random")}
TASKS, LEVELS = ["reach", "push"], ["expert", "random"]


def fill(collection: Collection, missing: list[tuple[str, str]]) -> None:
    """Two trajectories a file, whose numbers depend on the file's name only."""
    for task, level in missing:
        rng = np.random.default_rng([len(task), len(level)])
        trajectories = [
            Trajectory(
                observations=rng.normal(size=(6, 2)),
                actions=rng.normal(size=(5, 1)),
                task=task,
                id=f"{task}/{level}/{i}",
            )
            for i in range(2)
        ]
        write_trajectories(collection.path(task, level), trajectories)


def contents(root: Path) -> dict[str, Any]:
    collection = Collection.open(root)
    return {
        trajectory.id: (trajectory.observations.tolist(), trajectory.actions.tolist())
        for task in collection.tasks()
        for trajectory in collection.load(task)
    }


def test_a_new_collection_lacks_everything(tmp_path: Path) -> None:
    collection = Collection.create(tmp_path / "deep" / "new", SETTINGS)
    assert collection.missing(TASKS, iter(LEVELS)) == [
        ("reach", "expert"),
        ("reach", "random"),
        ("push", "expert"),
        ("push", "random"),
    ]
    assert collection.tasks() == []
    assert collection.path("reach", "expert") == tmp_path / "deep" / "new" / "reach" / "expert.h5"


def test_going_on_collects_only_what_is_missing_and_ends_like_an_unbroken_run(
    tmp_path: Path,
) -> None:
    whole = Collection.create(tmp_path / "whole", SETTINGS)
    fill(whole, whole.missing(TASKS, LEVELS))
    broken = Collection.create(tmp_path / "broken", SETTINGS)
    fill(broken, broken.missing(TASKS, LEVELS)[:3])
    finished = broken.path("reach", "expert").stat().st_mtime_ns
    again = Collection.create(tmp_path / "broken", SETTINGS)
    assert again.missing(TASKS, LEVELS) == [("push", "random")]
    fill(again, again.missing(TASKS, LEVELS))
    assert again.missing(TASKS, LEVELS) == []
    assert again.path("reach", "expert").stat().st_mtime_ns == finished
    assert contents(tmp_path / "broken") == contents(tmp_path / "whole")


def test_a_half_written_file_counts_as_missing(tmp_path: Path) -> None:
    collection = Collection.create(tmp_path, SETTINGS)
    collection.path("reach", "expert").parent.mkdir()
    collection.path("reach", "expert").with_name("expert.h5.123.partial").write_bytes(b"half")
    assert ("reach", "expert") in collection.missing(TASKS, LEVELS)
    assert collection.tasks() == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"episodes": 3}, "episodes was 2 and is 3"),
        ({"seed": 1, "horizon": 6}, "horizon was 5 and is 6, seed was 0 and is 1"),
        ({"stride": 7}, "stride was None and is 7"),
    ],
)
def test_other_settings_are_refused_by_name(
    tmp_path: Path, changes: Mapping[str, Any], message: str
) -> None:
    Collection.create(tmp_path, SETTINGS)
    with pytest.raises(FileFormatError, match=rf"other settings: {message}\. Use the same"):
        Collection.create(tmp_path, {**SETTINGS, **changes})


def test_a_setting_left_out_is_another_setting(tmp_path: Path) -> None:
    Collection.create(tmp_path, SETTINGS)
    with pytest.raises(FileFormatError, match="seed was 0 and is None"):
        Collection.create(tmp_path, {k: v for k, v in SETTINGS.items() if k != "seed"})


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(FileFormatError, match="not empty and holds no collection"):
        Collection.create(tmp_path, SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_run_killed_before_it_wrote_its_settings_can_be_repeated(tmp_path: Path) -> None:
    (tmp_path / "collection.json.1-2a.partial").write_text('{"episo')
    assert Collection.create(tmp_path, SETTINGS).settings["episodes"] == 2
    assert [p.name for p in tmp_path.iterdir() if not is_partial(p)] == ["collection.json"]


@pytest.mark.parametrize("text", ["{", "[1, 2]", "3", "null", "[" * 99_999])
def test_unreadable_settings_are_called_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "collection.json").write_text(text)
    with pytest.raises(FileFormatError, match=r"collection.json (is no|holds no) JSON.*Restore it"):
        Collection.create(tmp_path, SETTINGS)


def test_settings_are_kept_as_json_that_a_person_can_read(tmp_path: Path) -> None:
    Collection.create(tmp_path, SETTINGS)
    text = (tmp_path / "collection.json").read_text()
    assert json.loads(text) == {**SETTINGS, "levels": ["expert", "random"]}
    assert len(text.splitlines()) > len(SETTINGS)


def test_no_collection_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=rf"vlfeedback collect --out {tmp_path}"):
        Collection.open(tmp_path)


def test_a_task_is_loaded_level_by_level(tmp_path: Path) -> None:
    collection = Collection.create(tmp_path, SETTINGS)
    fill(collection, collection.missing(TASKS, ["random", "expert"]))
    assert [t.id for t in collection.load("push")] == [
        "push/expert/0",
        "push/expert/1",
        "push/random/0",
        "push/random/1",
    ]
    assert collection.tasks() == ["push", "reach"]


def test_levels_are_loaded_in_the_order_they_are_asked_for(tmp_path: Path) -> None:
    collection = Collection.create(tmp_path, SETTINGS)
    fill(collection, collection.missing(["push"], ["expert", "random", "scattered"]))
    ids = [t.id for t in collection.load("push", iter(["scattered", "expert"]))]
    assert ids == ["push/scattered/0", "push/scattered/1", "push/expert/0", "push/expert/1"]


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (["expert", "scattered"], "no scattered of 'reach'"),
        (["novice", "scattered"], "no novice or scattered of 'reach'"),
        ([], "no trajectories of 'reach'"),
    ],
)
def test_levels_that_were_not_collected_are_named(
    tmp_path: Path, levels: list[str], message: str
) -> None:
    collection = Collection.create(tmp_path, SETTINGS)
    fill(collection, collection.missing(["reach"], LEVELS))
    with pytest.raises(FileNotFoundError, match=f"{message}; it has .*vlfeedback collect --out"):
        collection.load("reach", levels)


def test_a_task_that_was_not_collected_is_answered_with_those_that_were(tmp_path: Path) -> None:
    collection = Collection.create(tmp_path, SETTINGS)
    fill(collection, [("reach", "expert")])
    with pytest.raises(FileNotFoundError, match=r"no trajectories of 'push'; it has \['reach'\]"):
        collection.load("push")


def test_an_episode_is_found_by_task_level_and_number(tmp_path: Path) -> None:
    collection = Collection.create(tmp_path / "data", {})
    fill(collection, collection.missing(["reach"], LEVELS))
    assert collection.episode("reach", "random", 1).id == "reach/random/1"
    with pytest.raises(UnknownNameError, match="no level 'export'; it has expert, random"):
        collection.episode("reach", "export", 0)
    with pytest.raises(UnknownNameError, match=r"has 2 episodes of level 'expert', 0 to 1, and no"):
        collection.episode("reach", "expert", 2)
    with pytest.raises(FileNotFoundError, match="no expert of 'push'"):
        collection.episode("push", "expert", 0)


@pytest.mark.parametrize("task", ["../other", "/", "..", ""])
def test_a_name_never_leads_out_of_the_folder(tmp_path: Path, task: str) -> None:
    collection = Collection.create(tmp_path / "own", SETTINGS)
    fill(Collection.create(tmp_path / "other", SETTINGS), [("reach", "expert")])
    for ask in (
        lambda: collection.load(f"{task}/../other/reach"),
        lambda: collection.path(f"{task}/../../other/reach", "expert"),
        lambda: collection.path("reach", f"../{task}/../other/reach/expert"),
        lambda: collection.episode(f"{task}/../other/reach", "expert", 0),
        lambda: collection.task("../other/reach"),
    ):
        with pytest.raises(InvalidValueError, match="lies outside of"):
            ask()


def test_a_file_that_was_cut_off_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    collection = Collection.create(tmp_path, SETTINGS)
    fill(collection, collection.missing(TASKS, LEVELS))
    path = collection.path("push", "random")
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(FileFormatError, match=r"push/random\.h5 is no .* delete it and collect"):
        collection.missing(TASKS, LEVELS)
    path.unlink()
    assert collection.missing(TASKS, LEVELS) == [("push", "random")]


def test_a_file_with_fewer_episodes_than_the_settings_say_is_not_whole(tmp_path: Path) -> None:
    collection = Collection.create(tmp_path, SETTINGS)
    fill(collection, [("reach", "expert")])
    path = collection.path("reach", "expert")
    write_trajectories(path, collection.load("reach")[:1])
    with pytest.raises(FileFormatError, match=r"expert\.h5 holds 1 episodes, .* 2 of each level"):
        collection.has("reach", "expert")


@pytest.mark.parametrize(
    "text",
    [
        "null",
        "[]",
        '{"env_id": 3}',
        '{"env_id": "A-v0", "instruction": "", "success_key": "", "camera": "", "policies": []}',
        '{"env_id": [], "instruction": "", "success_key": "", "camera": "", "policies": {}}',
    ],
)
def test_a_damaged_description_of_a_task_is_named(tmp_path: Path, text: str) -> None:
    collection = Collection.create(tmp_path, SETTINGS)
    (tmp_path / "fold").mkdir()
    (tmp_path / "fold" / "task.json").write_text(text)
    with pytest.raises(FileFormatError, match=r"fold/task\.json .*Restore it, or collect into"):
        collection.task("fold")
