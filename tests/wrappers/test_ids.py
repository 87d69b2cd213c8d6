from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

from vlfeedback.errors import RenderError, UnknownNameError
from vlfeedback.rewards import REWARD_SOURCES
from vlfeedback.tasks import TASKS, TaskSpec
from vlfeedback.testing import BrightnessConfig, BrightnessReward
from vlfeedback.wrappers import RewardFromSource, VectorRewardFromSource
from vlfeedback.wrappers.ids import make_env, register_ids

FULL = np.ones(1, np.float32)
WINDOW = {"granularity": "window", "context": 5, "frame_stride": 2}  # reads 3 pictures


@pytest.fixture(autouse=True)
def ids() -> None:
    register_ids()


# Names ---------------------------------------------------------------------------------------


def test_every_source_is_registered_on_every_task() -> None:
    expected = {
        f"{REWARD_SOURCES.entry(source).gym_name}Reward-{task.gym_name}-v0"
        for source in REWARD_SOURCES.names()
        for task in TASKS.values()
    }
    assert expected <= set(gym.registry)
    assert {"VLPReward-DrawerClose-v0", "EnvReward-ButtonPressTopdownWall-v0"} <= expected


def test_registering_again_changes_nothing() -> None:
    before = dict(gym.registry)
    register_ids()
    assert gym.registry == before


def test_a_registered_id_is_strings_that_go_to_json() -> None:
    spec = gym.spec("VLPReward-DrawerClose-v0")
    assert spec.kwargs == {"task": "drawer-close", "source": "vlp"}
    assert EnvSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize("prefix", ["", "vlfeedback:"])
def test_a_nearly_right_id_suggests_the_right_one(prefix: str) -> None:
    with pytest.raises(gym.error.NameNotFound, match="Did you mean: `VLPReward-DrawerClose`"):
        gym.make(f"{prefix}VLPReward-DrawrClose-v0")


def test_an_unknown_task_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="drawer-close"):
        make_env("drawr-close", "vlp")


# What an id makes, on the world known by hand --------------------------------------------------


@pytest.fixture
def point_id(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An id like ours, of a task of `PointReachEnv` and a source of brightness."""

    def make(id: str, *, device: str = "cpu", **config: Any) -> BrightnessReward:
        assert (id, device) == ("brightness", "cpu")
        return BrightnessReward(BrightnessConfig(**config))

    task = TaskSpec("point-reach", "go right", "PointReachView-v0")
    monkeypatch.setattr("vlfeedback.wrappers.scoring.make_reward_source", make)
    monkeypatch.setattr("vlfeedback.wrappers.ids.get_task", lambda name: task)
    gym.register(
        "PointReachView-v0", "vlfeedback.testing.point_reach:PointReachEnv", max_episode_steps=100
    )
    gym.register(
        "BrightnessReward-PointReach-v0",
        "vlfeedback.wrappers.ids:make_env",
        vector_entry_point="vlfeedback.wrappers.ids:make_vector_env",
        kwargs={"task": "point-reach", "source": "brightness"},
        order_enforce=False,
    )
    yield "BrightnessReward-PointReach-v0"
    del gym.registry["PointReachView-v0"], gym.registry["BrightnessReward-PointReach-v0"]


def episode(env: gym.Env[Any, Any]) -> list[float]:
    env.reset()
    rewards, over = [], False
    while not over:
        _, reward, terminated, truncated, _ = env.step(FULL)
        rewards.append(float(reward))
        over = terminated or truncated
    return rewards


def test_the_reward_is_the_sources(point_id: str) -> None:
    np.testing.assert_allclose(episode(gym.make(point_id)), [0.2, 0.4, 0.6, 0.8, 1.0])


def test_the_instruction_is_the_tasks_unless_given(point_id: str) -> None:
    for given, told in ((None, "go right"), ("left", "left")):
        env = gym.make(point_id, instruction=given)
        assert env.spec is not None
        (wrapper,) = env.spec.additional_wrappers
        assert wrapper.kwargs is not None
        assert wrapper.kwargs["instruction"] == told


def test_what_the_wrapper_does_not_take_goes_to_the_view(point_id: str) -> None:
    assert len(episode(gym.make(point_id, steps=3))) == 3


def test_the_time_limit_of_the_view_is_inside_the_reward(point_id: str) -> None:
    env = gym.make(point_id, time_limit=4, source_config=WINDOW)
    assert env.spec is not None
    assert env.spec.max_episode_steps == 4
    assert gym.make(point_id).spec.max_episode_steps == 100  # type: ignore[union-attr]
    rewards = episode(env)
    assert len(rewards) == 4
    assert rewards[-1] == pytest.approx((0.2 + 0.6 + 0.8) / 3)  # its own picture is 0.8


def test_an_episode_source_scores_at_the_time_limit(point_id: str) -> None:
    env = gym.make(point_id, time_limit=2, source_config={"granularity": "episode"})
    assert episode(env) == pytest.approx([0.0, (0.2 + 0.4) / 2])


def test_the_spec_goes_through_json_and_makes_an_equal_environment(point_id: str) -> None:
    env = gym.make(point_id, time_limit=4, mode="add", scale=2.0, source_config=WINDOW)
    assert env.spec is not None
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert episode(again) == episode(env)
    assert again.spec == env.spec


def test_a_vector_environment_shares_one_source(point_id: str) -> None:
    env = gym.make_vec(point_id, num_envs=3, max_episode_steps=4, source_config=WINDOW)
    assert isinstance(env, VectorRewardFromSource)
    env.reset()
    rewards = [env.step(np.ones((3, 1), np.float32))[1] for _ in range(4)]
    np.testing.assert_allclose(rewards[-1], [(0.2 + 0.6 + 0.8) / 3] * 3, rtol=1e-6)
    assert isinstance(env.source, BrightnessReward)
    assert env.source.batch_sizes == [3, 3, 3]  # steps 0, 2, and 3 as the last


def test_a_vector_environment_can_be_asynchronous(point_id: str) -> None:
    env = gym.make_vec(
        point_id, num_envs=2, asynchronous=True, autoreset_mode="SameStep", steps=2, size=4
    )
    try:
        assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
        env.reset(seed=0)
        rewards = [env.step(np.ones((2, 1), np.float32))[1].tolist() for _ in range(3)]
        assert rewards == pytest.approx(np.array([[128 / 255] * 2, [1.0] * 2, [128 / 255] * 2]))
    finally:
        env.close()


def test_sub_environments_can_be_made_one_by_one_as_well(point_id: str) -> None:
    env = gym.make_vec(point_id, num_envs=2, vectorization_mode="sync")
    env.reset()
    np.testing.assert_allclose(env.step(np.ones((2, 1), np.float32))[1], [0.2, 0.2])


@pytest.mark.parametrize("make", [gym.make, gym.make_vec])
def test_a_source_of_pictures_without_a_render_mode_is_refused(point_id: str, make: Any) -> None:
    with pytest.raises(RenderError, match="render_mode='rgb_array'"):
        make(point_id, render_mode=None)


# A simulator -----------------------------------------------------------------------------------


def test_the_checker_of_gymnasium_passes_on_a_task_of_meta_world() -> None:
    pytest.importorskip("metaworld")
    env = gym.make("EnvReward-DrawerClose-v0", disable_env_checker=True, time_limit=20)
    assert isinstance(env, RewardFromSource)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*different from the unwrapped version.*")
        check_env(env)
    env.reset(seed=0)
    _, reward, *_, info = env.step(env.action_space.sample())
    assert reward == pytest.approx(info["env_reward"])
    assert info["success"] is False
    env.close()
