"""Collections of tasks that only their user knows."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from vlfeedback.collecting import collect
from vlfeedback.data.collection import Collection
from vlfeedback.errors import (
    FileFormatError,
    InvalidValueError,
    NeedsError,
    UnknownNameError,
)
from vlfeedback.tasks import TaskSpec, get_task, own_task

SMALL = {"episodes": 2, "frame_stride": 2}
GO = {"expert": "walk_world:go_right"}


def test_experts_and_random_episodes_of_ones_own_environment(
    walk: TaskSpec, tmp_path: Path
) -> None:
    said: list[tuple[str, int, int]] = []
    made = collect(
        tmp_path / "out",
        [walk],
        settings=SMALL,
        workers=2,
        policies=GO,
        report=lambda stage, done, total, _: said.append((stage, done, total)),
    )
    assert made == 4 and said == [("collect walk", 2, 4), ("collect walk", 4, 4)]
    collection = Collection.open(tmp_path / "out")
    experts, strays = (collection.load("walk", [level]) for level in ("expert", "random"))
    assert [len(t) for t in experts] == [4, 4] and all(t.terminated for t in experts)
    assert len({t.seed for t in (*experts, *strays)}) == 4
    assert collection.settings["horizon"] == 6  # the environment's own time limit


def test_the_folder_remembers_what_the_task_is_and_who_acted(
    walk: TaskSpec, tmp_path: Path
) -> None:
    collect(tmp_path / "out", [walk], settings=SMALL, workers=0, policies=GO)
    assert Collection.open(tmp_path / "out").task("walk") == walk
    assert json.loads((tmp_path / "out" / "walk" / "task.json").read_text()) == {
        "env_id": "walk_world:Walk-v0",
        "instruction": "walk to the end",
        "success_key": "there",
        "camera": "",
        "policies": {"expert": "walk_world:go_right"},
    }


def test_a_registered_task_needs_no_note(tmp_path: Path) -> None:
    collect(tmp_path / "out", ["cart-pole-balance"], settings={"episodes": 1}, workers=0)
    collection = Collection.open(tmp_path / "out")
    assert collection.task("cart-pole-balance") == get_task("cart-pole-balance")
    names = {path.name for path in (tmp_path / "out" / "cart-pole-balance").iterdir()}
    assert names == {"expert.h5", "medium.h5", "random.h5"}


def test_a_policy_acts_in_place_of_a_tasks_script(walk: TaskSpec, tmp_path: Path) -> None:
    task = "cart-pole-balance"
    policies = {"expert": lambda _: [0.5], "leaning": lambda _: [1.0]}
    settings = {"episodes": 1, "horizon": 5}
    collect(tmp_path / "out", [task], settings=settings, workers=0, policies=policies)
    collection = Collection.open(tmp_path / "out")
    by_level = {t.level: t for t in collection.load(task)}
    assert set(by_level) == {"expert", "leaning", "medium", "random"}
    assert by_level["expert"].actions.ravel().tolist() == [0.5] * 5
    assert by_level["expert"].seed == 200_000  # that of its own script
    assert collection.task(task) == get_task(task)


def test_a_level_can_be_added_and_one_that_is_there_has_to_be_the_same(
    walk: TaskSpec, tmp_path: Path
) -> None:
    def go_on(**policies: str) -> int:
        return collect(tmp_path / "out", [walk], settings=SMALL, workers=0, policies=policies)

    assert go_on(expert="walk_world:go_right") == 4
    assert go_on(expert="walk_world:go_right") == 0
    assert go_on(medium="walk_world:stay") == 2
    with pytest.raises(FileFormatError, match="policies expert was 'walk_world:go_right' and is"):
        go_on(expert="walk_world:stay")
    other = own_task(walk.env_id, "run", name="walk", success_key="there")
    with pytest.raises(FileFormatError, match="instruction was 'walk to the end' and is 'run'"):
        collect(tmp_path / "out", [other], settings=SMALL, workers=0)


def test_two_tasks_of_ones_own_may_share_a_folder(walk: TaskSpec, tmp_path: Path) -> None:
    back = own_task(walk.env_id, "walk back", name="walk-back", success_key="there")
    for task in (walk, back):
        collect(tmp_path / "out", [task], settings=SMALL, workers=0)
    collection = Collection.open(tmp_path / "out")
    assert [collection.task(name).instruction for name in collection.tasks()] == [
        "walk to the end",
        "walk back",
    ]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"levels": ["expart"], "policies": GO}, UnknownNameError, "Did you mean 'expert'"),
        ({"levels": ["expert"]}, UnknownNameError, "no level 'expert'.*It has random; give a pol"),
        ({"levels": ["idle"]}, UnknownNameError, "no level 'idle'.*It has random; give a pol"),
        ({"policies": {"expert": "walk_world:run"}}, UnknownNameError, "no attribute 'run'"),
        ({"policies": {"expert": "no_such:act"}}, UnknownNameError, "No module named 'no_such'"),
        ({"settings": {"episode": 2}}, UnknownNameError, "Did you mean 'episodes'"),
        ({"settings": {"episodes": 1001}}, InvalidValueError, "episodes: 1001 episodes; a task"),
        ({"settings": {"random_actions": "u01"}}, InvalidValueError, "'u01' is of scripts"),
        ({"tasks": []}, NeedsError, "no task to collect"),
        ({"tasks": [own_task("Wolk-v0", "walk")]}, UnknownNameError, "No environment 'Wolk-v0'"),
        ({"tasks": [own_task("no_such:A-v0", "x")]}, UnknownNameError, "No module named 'no_such'"),
        ({"tasks": [own_task("", "x", name="seen")]}, NeedsError, "'seen' names no environment"),
        ({"tasks": ["walk", "reach", "cart-pole-balance"]}, UnknownNameError, "No task 'walk'"),
        ({"tasks": ["reach", "cart-pole-balance"]}, InvalidValueError, "settings of its own"),
    ],
)
def test_what_cannot_be_collected_is_refused_before_anything_is_written(
    walk: TaskSpec,
    tmp_path: Path,
    changes: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        collect(tmp_path / "out", **{"tasks": [walk], "workers": 0, **changes})
    assert not (tmp_path / "out").exists()


def test_an_environment_without_a_time_limit_needs_a_horizon(
    walk: TaskSpec, tmp_path: Path
) -> None:
    import gymnasium as gym
    import walk_world  # type: ignore[import-not-found]

    gym.register("Endless-v0", walk_world.Walk)
    try:
        with pytest.raises(NeedsError, match=r"'Endless-v0' has no time limit.*\(horizon\)"):
            collect(tmp_path / "out", [own_task("Endless-v0", "walk")], workers=0)
    finally:
        del gym.registry["Endless-v0"]


def test_a_file_that_was_cut_off_is_named_and_collected_again_once_it_is_deleted(
    walk: TaskSpec, tmp_path: Path
) -> None:
    collect(tmp_path / "out", [walk], settings=SMALL, workers=0, policies=GO)
    path = tmp_path / "out" / "walk" / "expert.h5"
    os.truncate(path, path.stat().st_size - 100)
    with pytest.raises(FileFormatError, match=r"walk/expert\.h5 is no .* delete it and collect"):
        collect(tmp_path / "out", [walk], settings=SMALL, workers=0, policies=GO)
    path.unlink()
    assert collect(tmp_path / "out", [walk], settings=SMALL, workers=0, policies=GO) == 2
    assert len(Collection.open(tmp_path / "out").load("walk", ["expert"])) == 2
