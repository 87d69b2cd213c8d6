"""ManiSkill's tasks as the registry has them; none of this needs ManiSkill."""

import gymnasium as gym
import pytest

import vlfeedback_envs  # noqa: F401  # registers the ids
from vlfeedback.errors import UnknownNameError
from vlfeedback.rewards import REWARD_SOURCES
from vlfeedback.tasks import MANISKILL_TASKS, TASKS
from vlfeedback_envs.maniskill.scripts import SCRIPTS
from vlfeedback_envs.maniskill.simulation import maniskill_id, maniskill_task

STEPS = {"pick-cube": 50, "roll-ball": 80, "peg-insertion-side": 100, "stack-pyramid": 250}


@pytest.mark.parametrize("name", MANISKILL_TASKS)
def test_a_task_has_an_id_for_itself_and_one_for_each_source(name: str) -> None:
    task = TASKS[name]
    assert task.suite == "maniskill" and task.success_key == "success"
    assert task.env_id == f"vlfeedback_envs:vlfeedback/ms-{name}-v0"
    spec = gym.spec(f"vlfeedback/ms-{name}-v0")
    assert spec.kwargs == {"task": name}
    assert spec.max_episode_steps == task.collecting.horizon == task.collecting.longest
    assert spec.to_json()
    for source in REWARD_SOURCES.names():
        assert f"{REWARD_SOURCES.entry(source).gym_name}Reward-{task.gym_name}-v0" in gym.registry


def test_episodes_are_as_long_as_maniskills() -> None:
    for name, steps in STEPS.items():
        assert TASKS[name].collecting.horizon == steps


def test_tasks_with_a_script_have_three_levels_and_the_others_random_actions() -> None:
    for name in MANISKILL_TASKS:
        scripted = ("expert", "medium", "random") if name in SCRIPTS else ()
        assert TASKS[name].scripted_levels == scripted
        assert TASKS[name].levels == (scripted or ("random",))


def test_a_task_can_be_said_in_several_ways_none_of_which_is_anothers() -> None:
    said = [text for name in MANISKILL_TASKS for text in (TASKS[name].instruction, *_words(name))]
    assert len(set(said)) == len(said)
    assert all(len(_words(name)) >= 2 for name in MANISKILL_TASKS)


def _words(name: str) -> tuple[str, ...]:
    return TASKS[name].wordings


@pytest.mark.parametrize("spelt", ["pick-cube", "PickCube", "PickCube-v1"])
def test_a_task_answers_to_maniskills_own_name_too(spelt: str) -> None:
    assert maniskill_task(spelt) is TASKS["pick-cube"]
    assert maniskill_id(maniskill_task(spelt)) == "PickCube-v1"


def test_a_task_of_another_suite_is_none_of_maniskills() -> None:
    for name in ("drawer-close", "PickCub-v1"):
        with pytest.raises(UnknownNameError, match=r"of ManiSkill here.*There are pick-cube, push"):
            maniskill_task(name)
    with pytest.raises(UnknownNameError, match="Did you mean 'pick-cube'"):
        maniskill_task("pick-cub")
