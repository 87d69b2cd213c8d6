import dataclasses
from importlib import import_module

import gymnasium as gym
import pytest

import vlfeedback
from vlfeedback.errors import InvalidValueError, UnknownNameError
from vlfeedback.rewards import REWARD_SOURCES
from vlfeedback.tasks import (
    MANISKILL_TASKS,
    METAWORLD_TASKS,
    RLVLMF_TASKS,
    TASKS,
    VLP_TEST_TASKS,
    TaskSpec,
    get_task,
    is_installed,
    list_tasks,
    own_task,
    register_task,
    task_seed,
)

NAMES = list_tasks()


def test_every_meta_world_task_is_in_the_table() -> None:
    env_dict = pytest.importorskip("metaworld.env_dict")
    assert {f"{name}-v3" for name in METAWORLD_TASKS} == set(env_dict.ALL_V3_ENVIRONMENTS)
    assert len(METAWORLD_TASKS) == 50


def test_seeds_are_counted_by_place_so_meta_world_comes_first_and_sorted() -> None:
    assert tuple(TASKS)[:50] == METAWORLD_TASKS == tuple(sorted(METAWORLD_TASKS))
    later = (
        *("cart-pole-balance", *RLVLMF_TASKS, "straighten-rope", "dress-sleeve"),
        *("straighten-rope-free", "fold-cloth-diagonal", "fold-cloth-half"),
        *MANISKILL_TASKS,
    )
    assert tuple(TASKS)[50:] == later


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


def test_no_two_tasks_ask_for_the_same_but_variants_of_one() -> None:
    variants = {name: name.removeprefix("rlvlmf-") for name in RLVLMF_TASKS}
    variants["straighten-rope-free"] = "straighten-rope"
    stock = [task for name, task in TASKS.items() if name not in variants]
    assert len({task.instruction for task in stock}) == len(stock)
    for name, stock_name in variants.items():
        assert TASKS[name].instruction == TASKS[stock_name].instruction


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


# Tasks of one's own ----------------------------------------------------------------------------

TOWEL = TaskSpec("fold-towel", "fold the towel", "lab:FoldTowel-v0", success_key="folded")


def test_a_task_that_a_program_adds_is_one_like_all_others(fresh_tasks: None) -> None:
    vlfeedback.register_task(TOWEL)
    assert get_task("fold-towel") is get_task("FoldTowel") is TOWEL
    assert "fold-towel" in list_tasks() and tuple(TASKS)[71:] == ("fold-towel",)
    assert "VLPReward-FoldTowel-v0" in gym.registry
    ids = [id for id in gym.registry if id.endswith("Reward-FoldTowel-v0")]
    assert len(ids) == len(REWARD_SOURCES.names())
    register_task(TOWEL)  # the same again changes nothing
    assert len(TASKS) == 72


def test_two_tasks_do_not_share_a_name(fresh_tasks: None) -> None:
    register_task(TOWEL)
    for taken in (TOWEL, get_task("reach")):
        with pytest.raises(InvalidValueError, match=f"There is a task '{taken.name}' already"):
            register_task(dataclasses.replace(taken, instruction="do something else"))
    with pytest.raises(InvalidValueError, match="There is a task 'reach' already"):
        register_task(dataclasses.replace(TOWEL, name="Reach"))


def test_a_task_is_given_back_as_it_is() -> None:
    assert get_task(TOWEL) is TOWEL


@pytest.mark.parametrize(
    ("env_id", "name"),
    [
        ("FoldTowel-v0", "fold-towel"),
        ("lab:bench/FoldTowel-v12", "fold-towel"),
        ("LunarLander-v3", "lunar-lander"),
        ("ALE/Pong-v5", "pong"),
        ("HalfCheetah_Run-v4", "half-cheetah-run"),
        ("MTVLPPush-v0", "mtvlp-push"),
    ],
)
def test_a_task_of_ones_own_is_called_by_its_environment(env_id: str, name: str) -> None:
    task = own_task(env_id, "fold the towel")
    assert (task.name, task.env_id, task.success_key) == (name, env_id, "success")
    assert own_task(env_id, "fold", name="x").name == "x"
    assert not is_installed(task) and task.name not in TASKS


@pytest.mark.parametrize("name", ["fold_towel", "fold/towel", "", "-x", "fold towel"])
def test_a_name_that_files_cannot_have_is_refused(name: str) -> None:
    with pytest.raises(InvalidValueError, match=r"A task's name is .*expected letters, digits"):
        dataclasses.replace(TOWEL, name=name)


def test_a_task_without_words_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="'fold-towel' has no instruction"):
        own_task("FoldTowel-v0", " ")


def test_a_task_of_ones_own_may_say_where_each_episode_is_told_what_to_do() -> None:
    assert own_task("FoldTowel-v0", "fold", instruction_key="mission").instruction_key == "mission"
    assert own_task("FoldTowel-v0", "fold").instruction_key == ""


def test_seeds_of_our_own_tasks_are_their_places_and_those_of_others_stay(
    fresh_tasks: None,
) -> None:
    assert [task_seed(name) for name in TASKS.own] == list(range(71))
    before = task_seed("fold-towel")
    register_task(TOWEL)
    assert task_seed("fold-towel") == before >= 1000


def test_only_what_another_process_finds_by_its_name_is_installed(fresh_tasks: None) -> None:
    register_task(TOWEL)
    reach = get_task("reach")
    assert is_installed(reach) and not is_installed(TOWEL)
    assert not is_installed(dataclasses.replace(reach, instruction="go there"))


@pytest.mark.parametrize("kind", ["rollout", "retake", "picture"])
def test_what_our_tasks_name_is_there(kind: str) -> None:
    pytest.importorskip("metaworld")
    for target in {getattr(TASKS[name], kind) for name in TASKS.own} - {""}:
        module, _, function = target.partition(":")
        assert callable(getattr(import_module(module), function))
