"""What `info` says where a source tells how likely the task is done."""

from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from vlfeedback.testing import BrightnessConfig, BrightnessReward, PointReachEnv
from vlfeedback.types import SegmentBatch
from vlfeedback.wrappers import RewardFromSource, VectorRewardFromSource

FULL = np.ones(1, np.float32)


def world(steps: int = 5, limit: int = 100) -> gym.Env[Any, Any]:
    return gym.wrappers.TimeLimit(PointReachEnv(steps, render_mode="rgb_array"), limit)


class SeesSuccess(BrightnessReward):
    """Takes the brightness of the last picture for the chance of success."""

    tells_success = True

    def rewards_and_success(self, batch: SegmentBatch) -> tuple[np.ndarray, np.ndarray]:
        rewards = self.rewards(batch)
        return rewards, rewards[:, -1]


def test_a_source_that_tells_success_is_heard_in_info_after_each_look() -> None:
    env = RewardFromSource(world(), SeesSuccess(BrightnessConfig(frame_stride=3)))
    _, info = env.reset(seed=0)
    assert np.isnan(info["source_success"])
    told = [env.step(FULL)[4]["source_success"] for _ in range(5)]
    np.testing.assert_allclose(told, [0.2, 0.2, 0.2, 0.8, 1.0], rtol=1e-6)
    assert np.isnan(env.reset()[1]["source_success"])


def test_a_source_that_does_not_tell_is_not_made_to() -> None:
    silent = SeesSuccess()
    silent.tells_success = False
    for source in (silent, BrightnessReward()):
        env = RewardFromSource(world(), source)
        assert "source_success" not in env.reset(seed=0)[1]
        assert "source_success" not in env.step(FULL)[4]


@pytest.mark.parametrize("autoreset", list(AutoresetMode))
def test_what_a_source_says_of_success_is_that_of_the_step_whose_reward_is_returned(
    autoreset: AutoresetMode,
) -> None:
    worlds = [partial(world, steps, limit=4) for steps in (3, 5, 5)]
    env = VectorRewardFromSource(SyncVectorEnv(worlds, autoreset_mode=autoreset), SeesSuccess())
    _, infos = env.reset(seed=0)
    assert np.isnan(infos["source_success"]).all() and infos["_source_success"].all()
    for _ in range(3):
        _, _, _, _, infos = env.step(np.ones((3, 1), np.float32))
    np.testing.assert_allclose(infos["source_success"], [1.0, 0.6, 0.6], rtol=1e-6)
