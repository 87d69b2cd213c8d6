"""How scores and the environment's own reward become one: each formula, by hand."""

import numpy as np
import pytest
from tests.wrappers.test_reward import FULL, rewards_of_an_episode, world

from vlfeedback import RewardFromSource
from vlfeedback.testing import BrightnessReward


def test_replace_scales_the_score() -> None:
    env = RewardFromSource(world(), BrightnessReward(), scale=-2.0)
    np.testing.assert_allclose(rewards_of_an_episode(env), [-0.4, -0.8, -1.2, -1.6, -2.0])


def test_progress_is_the_change_of_the_score_also_at_the_end() -> None:
    env = RewardFromSource(world(), BrightnessReward(), mode="progress", scale=2.0)
    np.testing.assert_allclose(rewards_of_an_episode(env), [0.4] * 5, atol=1e-6)


def test_progress_pays_nothing_for_holding_a_score_that_is_high() -> None:
    env = RewardFromSource(world(random_start=True), BrightnessReward(), mode="progress")
    env.reset(seed=1)
    assert env.source_score > 0
    assert env.step(0.0 * FULL)[1] == 0.0


def test_add_keeps_the_reward_of_the_environment() -> None:
    env = RewardFromSource(world(), BrightnessReward(), mode="add", scale=0.5)
    expected = [-0.8 + 0.1, -0.6 + 0.2, -0.4 + 0.3, -0.2 + 0.4, 0.0 + 0.5]
    np.testing.assert_allclose(rewards_of_an_episode(env), expected, atol=1e-7)


def test_shape_adds_the_discounted_gain_and_ends_at_zero() -> None:
    env = RewardFromSource(world(), BrightnessReward(), mode="shape", scale=2.0, discount=0.9)
    expected = [
        -0.8 + 2 * (0.9 * 0.2 - 0.0),
        -0.6 + 2 * (0.9 * 0.4 - 0.2),
        -0.4 + 2 * (0.9 * 0.6 - 0.4),
        -0.2 + 2 * (0.9 * 0.8 - 0.6),
        0.0 + 2 * (0.9 * 0.0 - 0.8),  # terminated
    ]
    np.testing.assert_allclose(rewards_of_an_episode(env), expected, atol=1e-6)


def test_shape_keeps_the_potential_of_a_truncated_step() -> None:
    env = RewardFromSource(world(time_limit=2), BrightnessReward(), mode="shape", discount=0.9)
    assert rewards_of_an_episode(env)[-1] == pytest.approx(-0.6 + 0.9 * 0.4 - 0.2)


def test_shaping_changes_a_return_by_the_first_potential_alone() -> None:
    # Sum of discount^t (discount phi' - phi) telescopes to -phi(s_0), and phi(s_0) is 0.4 here.
    limited = world(random_start=True)
    env = RewardFromSource(limited, BrightnessReward(), mode="shape", discount=0.9)
    env.reset(seed=1)
    start = env.source_score
    gain, over, t = 0.0, False, 0
    while not over:
        _, reward, over, _, info = env.step(FULL)
        gain += 0.9**t * (float(reward) - info["env_reward"])
        t += 1
    assert start > 0
    assert gain == pytest.approx(-start)
