import numpy as np
import pytest

from vlfeedback import RewardFromSource
from vlfeedback.errors import NeedsError
from vlfeedback.rewards.random import RandomConfig, RandomReward
from vlfeedback.testing import PointReachEnv, RewardSourceContract
from vlfeedback.types import SegmentBatch


class TestContract(RewardSourceContract):
    @pytest.fixture
    def source(self) -> RandomReward:
        return RandomReward()


def actions(n: int, t: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (n, t, 4)).astype(np.float32)


def test_rewards_are_uniform_from_minus_one_to_one() -> None:
    rewards = RandomReward().rewards(SegmentBatch(actions=actions(100, 100)))
    assert rewards.min() >= -1
    assert rewards.max() < 1
    counts, _ = np.histogram(rewards, bins=10, range=(-1, 1))
    # Each of 10 bins expects 1000 of 10 000 draws, with a deviation of 30.
    assert np.all(np.abs(counts - 1000) < 5 * 30)


def test_steps_with_different_actions_are_unrelated() -> None:
    rewards = RandomReward().rewards(SegmentBatch(actions=actions(1, 2000)))[0]
    assert abs(np.corrcoef(rewards[1:], rewards[:-1])[0, 1]) < 5 / np.sqrt(2000)


def test_another_seed_gives_other_rewards() -> None:
    batch = SegmentBatch(actions=actions(1, 50))
    first, second = (RandomReward(RandomConfig(seed)).rewards(batch) for seed in (0, 1))
    assert np.all(first != second)


def test_the_step_and_the_row_of_an_action_do_not_matter() -> None:
    given = actions(2, 3)
    moved = given[::-1, ::-1].copy()
    source = RandomReward()
    rewards = source.rewards(SegmentBatch(actions=given))
    np.testing.assert_array_equal(source.rewards(SegmentBatch(actions=moved)), rewards[::-1, ::-1])


def test_equal_actions_in_another_precision_get_equal_rewards() -> None:
    source, given = RandomReward(), np.array([[[0.0, 0.5]]], np.float32)
    rewards = source.rewards(SegmentBatch(actions=given))
    for same in (given.astype(np.float64), np.array([[[-0.0, 0.5]]])):
        np.testing.assert_array_equal(source.rewards(SegmentBatch(actions=same)), rewards)


def test_discrete_actions_are_numbers_too() -> None:
    rewards = RandomReward().rewards(SegmentBatch(actions=np.array([[0, 1, 0]])))
    assert rewards[0, 0] == rewards[0, 2] != rewards[0, 1]


def test_online_and_recorded_actions_get_equal_rewards() -> None:
    env = RewardFromSource(PointReachEnv(steps=5), "random")
    env.reset(seed=0)
    taken = np.random.default_rng(0).uniform(-1, 1, (1, 4, 1)).astype(np.float32)
    online = [env.step(action)[1] for action in taken[0]]
    np.testing.assert_array_equal(RandomReward().rewards(SegmentBatch(actions=taken))[0], online)


def test_a_batch_without_actions_is_refused() -> None:
    with pytest.raises(NeedsError, match="give actions"):
        RandomReward().rewards(SegmentBatch(env_rewards=np.zeros((1, 2), np.float32)))
