import numpy as np
import pytest

from vlfeedback import RewardFromSource
from vlfeedback.errors import NeedsError
from vlfeedback.rewards.env_reward import EnvReward
from vlfeedback.testing import PointReachEnv, RewardSourceContract
from vlfeedback.types import SegmentBatch


class TestContract(RewardSourceContract):
    @pytest.fixture
    def source(self) -> EnvReward:
        return EnvReward()


def test_rewards_are_those_of_the_environment() -> None:
    given = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    np.testing.assert_array_equal(EnvReward().rewards(SegmentBatch(env_rewards=given)), given)


def test_changing_the_result_leaves_the_batch_alone() -> None:
    given = np.ones((1, 2), np.float32)
    EnvReward().rewards(SegmentBatch(env_rewards=given))[:] = 7
    np.testing.assert_array_equal(given, 1)


def test_a_batch_without_them_is_refused() -> None:
    with pytest.raises(NeedsError, match="environment's own rewards"):
        EnvReward().rewards(SegmentBatch(actions=np.zeros((1, 2, 4), np.float32)))


def test_an_environment_keeps_its_reward_and_renders_nothing() -> None:
    env = PointReachEnv(steps=2, render_mode="rgb_array")
    wrapped = RewardFromSource(env, "env")
    wrapped.reset(seed=0)
    assert [wrapped.step(np.ones(1, np.float32))[1] for _ in range(2)] == [-0.5, 0.0]
    assert env.renders == 0
