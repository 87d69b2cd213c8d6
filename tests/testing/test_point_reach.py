import warnings

import gymnasium as gym
import numpy as np
from gymnasium.utils.env_checker import check_env

from vlfeedback.testing import PointReachEnv

FULL = np.ones(1, np.float32)


def test_the_reward_is_minus_the_distance_left_after_the_action() -> None:
    env = PointReachEnv(steps=5)
    env.reset()
    rewards = [env.step(FULL)[1] for _ in range(5)]
    np.testing.assert_allclose(rewards, [-0.8, -0.6, -0.4, -0.2, 0.0])


def test_brightness_is_the_progress() -> None:
    env = PointReachEnv(steps=5, render_mode="rgb_array", size=3)
    env.reset()
    env.step(FULL)
    np.testing.assert_array_equal(env.render(), np.full((3, 3, 3), 51, np.uint8))


def test_only_the_goal_is_white_and_ends_the_episode() -> None:
    env = PointReachEnv(steps=3, render_mode="rgb_array")
    env.reset()
    seen = []
    for _ in range(3):
        _, _, terminated, truncated, info = env.step(FULL)
        picture = env.render()
        assert picture is not None
        seen.append((int(picture.max()), terminated, truncated, info["success"]))
    assert seen == [
        (85, False, False, False),
        (170, False, False, False),
        (255, True, False, True),
    ]


def test_the_line_ends_at_its_start() -> None:
    env = PointReachEnv()
    env.reset()
    observation, *_ = env.step(-FULL)
    assert observation == 0.0


def test_a_random_start_comes_from_the_seed() -> None:
    env = PointReachEnv(steps=100, random_start=True)
    first, again, other = (env.reset(seed=seed)[0] for seed in (1, 1, 2))
    assert first == again != other


def test_without_a_render_mode_nothing_is_drawn() -> None:
    env = PointReachEnv()
    env.reset()
    assert env.render() is None
    assert env.renders == 0


def test_the_checker_of_gymnasium_passes() -> None:
    env = PointReachEnv(render_mode="rgb_array")
    env.spec = gym.envs.registration.EnvSpec(
        "PointReach-v0", "vlfeedback.testing.point_reach:PointReachEnv"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env)
