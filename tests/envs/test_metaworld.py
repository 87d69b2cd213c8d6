"""Views of Meta-World: the official numbers, in the shape Gymnasium expects."""

import doctest
import pickle
import subprocess
import sys
import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env

pytest.importorskip("metaworld")

import mujoco
from metaworld.env_dict import ALL_V3_ENVIRONMENTS
from metaworld.types import Task

import vlfeedback_envs
from vlfeedback.errors import RenderError, UnknownNameError
from vlfeedback.tasks import METAWORLD_TASKS, TASKS
from vlfeedback_envs.metaworld import MetaWorldView


def roll(env: gym.Env[Any, Any], seed: int, n_steps: int = 6) -> tuple[np.ndarray, list[float]]:
    """Observations and rewards under fixed actions, some of them as large as allowed."""
    actions = np.random.default_rng(7).uniform(-3, 3, (n_steps, 4)).clip(-1, 1)
    observations, rewards = [env.reset(seed=seed)[0]], []
    for action in actions.astype(np.float32):
        observation, reward, _, _, _ = env.step(action)
        observations.append(observation)
        rewards.append(float(reward))
    return np.stack(observations), rewards


def official_task(view: MetaWorldView) -> Any:
    """Meta-World's own environment, with the goal and objects of the view's last reset."""
    name = f"{view.task.name}-v3"
    official: Any = ALL_V3_ENVIRONMENTS[name]()
    goal = {
        "env_cls": type(official),
        "rand_vec": view.simulation._last_rand_vec,
        "partially_observable": False,
    }
    official.set_task(Task(env_name=name, data=pickle.dumps(goal)))
    return official


@pytest.mark.parametrize("name", METAWORLD_TASKS)
def test_every_id_makes_an_environment_that_keeps_its_promises(name: str) -> None:
    env = gym.make(TASKS[name].env_id)
    space = env.observation_space
    _, info = env.reset(seed=1)
    assert info["success"] is False
    observation, reward, terminated, truncated, info = env.step(np.ones(4, dtype=np.float32))
    assert observation.shape == (39,) and observation.dtype == np.float32
    assert type(reward) is float and 0 <= reward <= 10
    assert type(info["success"]) is bool
    assert not terminated and not truncated
    one, rewards = roll(env, seed=1)
    assert all(observation in space for observation in one)
    other, _ = roll(env, seed=2)
    assert np.any(one != other)  # another seed, another episode
    again, again_rewards = roll(env, seed=1)  # whatever came in between
    np.testing.assert_array_equal(again, one)
    assert again_rewards == rewards
    env.close()


@pytest.mark.parametrize("name", ["reach", "drawer-close", "peg-insert-side"])
def test_a_view_gives_the_numbers_of_the_official_task(name: str) -> None:
    view = MetaWorldView(name)
    observations, rewards = roll(view, seed=3)
    official = official_task(view)
    expected, expected_rewards = roll(official, seed=3)
    np.testing.assert_array_equal(observations, expected.astype(np.float32))
    assert rewards == expected_rewards
    view.close()
    official.close()


@pytest.mark.parametrize("name", METAWORLD_TASKS)
def test_an_episode_begins_with_an_observation_of_the_simulators_own_state(name: str) -> None:
    view = MetaWorldView(name)
    for seed in (1001, 1002):
        first, _ = view.reset(seed=seed)
        simulation = view.simulation
        mujoco.mj_forward(simulation.model, simulation.data)
        state = view._observe(np.pad(simulation._get_curr_obs_combined_no_goal(), (0, 21)))[:18]
        np.testing.assert_array_equal(first[:18], state)
        np.testing.assert_array_equal(first[18:36], state)  # the step before: the same
    view.close()


@pytest.mark.parametrize(
    "name",
    ["window-open", "window-close", "dial-turn", "drawer-open", "lever-pull", "faucet-open"],
)
def test_nothing_jumps_when_a_first_step_does_nothing(name: str) -> None:
    view = MetaWorldView(name)
    for seed in range(1001, 1005):
        before, _ = view.reset(seed=seed)
        after, *_ = view.step(np.zeros(4, dtype=np.float32))
        assert np.abs(before[4:7] - after[4:7]).max() < 0.002  # m
    view.close()


@pytest.mark.parametrize("name", ["window-open", "window-close", "dial-turn"])
def test_rewards_that_remember_where_things_began_are_those_of_the_official_task(name: str) -> None:
    view = MetaWorldView(name)
    observations, rewards = roll(view, seed=3)
    official = official_task(view)
    expected, expected_rewards = roll(official, seed=3)
    np.testing.assert_array_equal(observations[1:, :18], expected[1:, :18].astype(np.float32))
    assert rewards == expected_rewards
    view.close()
    official.close()


def test_episodes_after_the_first_differ_and_are_repeatable() -> None:
    view = MetaWorldView("reach")
    goals = []
    for _ in range(2):
        first = view.reset(seed=4)[0][-3:]
        goals.append((first, view.reset()[0][-3:], view.reset()[0][-3:]))
    np.testing.assert_array_equal(goals[0], goals[1])
    assert len({tuple(goal) for goal in goals[0]}) == 3
    view.close()


def test_the_goal_can_be_kept_from_the_agent() -> None:
    seen, hidden = MetaWorldView("reach"), MetaWorldView("reach", goal_observable=False)
    one, other = seen.reset(seed=0)[0], hidden.reset(seed=0)[0]
    np.testing.assert_array_equal(
        one[-3:], np.asarray(seen.simulation._target_pos, dtype=np.float32)
    )
    assert other[-3:].tolist() == [0, 0, 0]
    np.testing.assert_array_equal(one[:-3], other[:-3])
    assert other in hidden.observation_space
    seen.close()
    hidden.close()


def test_an_episode_is_truncated_after_five_hundred_steps() -> None:
    env = gym.make(TASKS["reach"].env_id)
    env.reset(seed=0)
    still = np.zeros(4, dtype=np.float32)
    ends = [env.step(still)[2:4] for _ in range(500)]
    assert ends == [(False, False)] * 499 + [(False, True)]
    env.close()


def test_gymnasiums_own_checker_finds_nothing() -> None:
    env = gym.make(TASKS["drawer-open"].env_id, render_mode="rgb_array", size=32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)
    env.close()


def test_an_environment_is_rebuilt_from_its_json() -> None:
    env = gym.make(
        TASKS["drawer-open"].env_id,
        render_mode="rgb_array",
        size=32,
        quality="vlm",
        camera="topview",
        hide_goal=True,
        goal_observable=False,
    )
    assert env.spec is not None
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    for one, other in zip(roll(env, seed=0), roll(again, seed=0), strict=True):
        np.testing.assert_array_equal(one, other)
    picture: Any = env.render()
    assert picture.shape == (32, 32, 3)
    np.testing.assert_array_equal(picture, again.render())
    env.close()
    again.close()


def test_without_a_render_mode_there_is_no_picture() -> None:
    view = MetaWorldView("reach")
    view.reset(seed=0)
    assert view.render() is None
    view.close()


def test_other_render_modes_are_refused() -> None:
    with pytest.raises(RenderError, match="render_mode='human'; this view renders 'rgb_array'"):
        MetaWorldView("reach", render_mode="human")


def test_a_misspelt_task_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'reach'"):
        MetaWorldView("raech")


def test_a_task_may_be_spelt_as_in_a_gym_id() -> None:
    view = MetaWorldView("DrawerClose")
    assert view.task.name == "drawer-close"
    view.close()


def test_an_unknown_camera_is_refused_before_anything_is_rendered() -> None:
    with pytest.raises(UnknownNameError, match="No camera 'front'"):
        MetaWorldView("reach", camera="front")


def test_all_ids_are_registered_with_the_time_limit_of_the_benchmark() -> None:
    registered = {name for name in gym.registry if name.startswith("vlfeedback/mw-")}
    assert registered == {f"vlfeedback/mw-{name}-v0" for name in METAWORLD_TASKS}
    limits = {gym.registry[name].max_episode_steps for name in registered}
    view = MetaWorldView("reach")
    assert limits == {vlfeedback_envs.METAWORLD_STEPS} == {view.simulation.max_path_length}
    view.close()


def test_the_example_in_the_docs_is_true() -> None:
    assert doctest.testmod(vlfeedback_envs) == (0, 2)  # failed, attempted


def test_registering_imports_no_simulator() -> None:
    code = (
        "import sys, vlfeedback_envs; "
        "print({'mujoco', 'metaworld', 'torch', 'OpenGL'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("set()\n", "")
