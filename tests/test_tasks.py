import dataclasses

import pytest

from vlfeedback.errors import UnknownNameError
from vlfeedback.tasks import METAWORLD_TASKS, TASKS, VLP_TEST_TASKS, get_task, list_tasks

NAMES = list_tasks()


def test_every_meta_world_task_is_in_the_table() -> None:
    env_dict = pytest.importorskip("metaworld.env_dict")
    assert {f"{name}-v3" for name in METAWORLD_TASKS} == set(env_dict.ALL_V3_ENVIRONMENTS)
    assert len(METAWORLD_TASKS) == 50


def test_seeds_are_counted_by_place_so_meta_world_comes_first_and_sorted() -> None:
    assert tuple(TASKS)[:50] == METAWORLD_TASKS == tuple(sorted(METAWORLD_TASKS))
    assert tuple(TASKS)[50:] == ("cart-pole-balance",)


@pytest.mark.parametrize("name", NAMES)
def test_a_task_says_what_to_do_where_it_is_and_when_it_is_done(name: str) -> None:
    task = get_task(name)
    assert task.name == name
    assert len(task.instruction.split()) >= 3 and task.instruction == task.instruction.lower()
    assert task.env_id.startswith("vlfeedback_envs:vlfeedback/")
    assert task.success_key


def test_a_task_of_meta_world_names_its_view_and_a_camera() -> None:
    for name in METAWORLD_TASKS:
        assert TASKS[name].env_id == f"vlfeedback_envs:vlfeedback/mw-{name}-v0"
        assert TASKS[name].camera == "corner4"


def test_no_two_tasks_ask_for_the_same() -> None:
    assert len({task.instruction for task in TASKS.values()}) == len(TASKS)


def test_a_task_answers_to_the_name_in_a_gym_id_too() -> None:
    assert TASKS["drawer-close"].gym_name == "DrawerClose"
    assert all(get_task(task.gym_name) is task for task in TASKS.values())


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("drawer-clos", "drawer-close"),
        ("drawer_close", "drawer-close"),
        ("DrawrClose", "DrawerClose"),
    ],
)
def test_a_misspelt_task_is_answered_with_the_nearest(misspelt: str, meant: str) -> None:
    with pytest.raises(UnknownNameError, match=rf"No task '{misspelt}'\. Did you mean '{meant}'\?"):
        get_task(misspelt)


def test_a_task_like_no_other_is_answered_with_the_command_that_lists_them() -> None:
    with pytest.raises(UnknownNameError, match=r"^No task 'xyzzy'. `vlfeedback list tasks` shows"):
        get_task("xyzzy")


def test_the_vlp_papers_test_tasks_exist() -> None:
    assert len(VLP_TEST_TASKS) == 5 and set(VLP_TEST_TASKS) <= set(TASKS)


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError, match="does not support item assignment"):
        TASKS["new"] = TASKS["reach"]  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        TASKS["reach"].instruction = "stay"  # type: ignore[misc]
