"""Where RoboCLIP's one reward an episode lands: at its last step, however episodes end."""

from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from vlfeedback import RewardFromSource, VectorRewardFromSource, relabel
from vlfeedback.rewards.roboclip import RoboCLIPConfig, RoboCLIPReward
from vlfeedback.testing import PointReachEnv
from vlfeedback.types import ArrayFrames, SegmentBatch, Trajectory

LENGTHS = (3, 5)  # steps to the goal: the first environment terminates
LIMIT = 4  # and the second is truncated
TEXT = "reach the goal"


@pytest.fixture(scope="module")
def source() -> RoboCLIPReward:
    return RoboCLIPReward(RoboCLIPConfig(random_weights_seed=0, n_frames=4, frame_stride=2))


def world(steps: int) -> gym.Env[Any, Any]:
    return gym.wrappers.TimeLimit(PointReachEnv(steps, render_mode="rgb_array"), LIMIT)


def picture(position: float) -> np.ndarray:
    return np.full((8, 8, 3), round(255 * position), np.uint8)


@pytest.fixture(scope="module")
def returns(source: RoboCLIPReward) -> list[float]:
    """Of an episode of each world, from the pictures after its steps 0 and 2, and the last."""
    expected = []
    for steps, taken in zip(LENGTHS, [(0, 2), (0, 2, 3)], strict=True):
        frames = np.stack([picture((step + 1) / steps) for step in taken])[None]
        batch = SegmentBatch(frames=frames, instructions=[TEXT], frame_steps=np.array(taken))
        expected.append(float(source.rewards(batch)[0, -1]))
    assert len(set(expected)) == 2
    assert 0 not in expected
    return expected


ONE = np.ones(1, np.float32)


@pytest.mark.parametrize("row", [0, 1])
def test_an_episode_has_one_reward_when_it_terminates_or_is_truncated(
    source: RoboCLIPReward, returns: list[float], row: int
) -> None:
    env = RewardFromSource(world(LENGTHS[row]), source, instruction=TEXT)
    for _ in range(2):
        env.reset(seed=0)
        steps = [env.step(ONE) for _ in range(min(LENGTHS[row], LIMIT))]
        assert [terminated or truncated for _, _, terminated, truncated, _ in steps[:-1]] == (
            [False] * (len(steps) - 1)
        )
        assert steps[-1][2:4] == ((True, False), (False, True))[row]
        rewards = [float(step[1]) for step in steps]
        np.testing.assert_allclose(rewards, [0.0] * (len(steps) - 1) + [returns[row]], rtol=1e-4)


@pytest.mark.parametrize("autoreset", list(AutoresetMode))
def test_in_vectors_it_lands_on_the_last_transition_however_they_reset(
    source: RoboCLIPReward, returns: list[float], autoreset: AutoresetMode
) -> None:
    worlds: SyncVectorEnv[Any, Any] = SyncVectorEnv(
        [partial(world, n) for n in LENGTHS], autoreset_mode=autoreset
    )
    env = VectorRewardFromSource(worlds, source, instruction=TEXT)
    env.reset(seed=0)
    rewards, ends = [], []
    for _ in range(11):
        _, reward, terminated, truncated, _ = env.step(np.ones((2, 1), np.float32))
        ended = terminated | truncated
        rewards.append(reward)
        ends.append(ended)
        if autoreset is AutoresetMode.DISABLED and ended.any():
            env.reset(options={"reset_mask": ended})
    first = np.argmax(ends, axis=0)
    assert first.tolist() == [2, 3]
    assert np.sum(ends, axis=0).min() >= 2
    np.testing.assert_allclose(rewards, np.where(ends, returns, 0.0), rtol=1e-4)


def test_relabelling_gives_the_rewards_of_the_wrapper(
    source: RoboCLIPReward, returns: list[float]
) -> None:
    recorded = []
    for steps in LENGTHS:
        length = min(steps, LIMIT)
        positions = np.arange(length + 1, dtype=np.float32)[:, None] / steps
        recorded.append(
            Trajectory(
                observations=positions,
                actions=np.ones((length, 1), np.float32),
                frames=ArrayFrames(
                    np.arange(length + 1), np.stack([picture(float(p)) for p in positions[:, 0]])
                ),
                terminated=length == steps,
                truncated=length != steps,
            )
        )
    relabelled = [t.rewards for t in relabel(recorded, source, instruction=TEXT)]
    for rewards, trajectory, expected in zip(relabelled, recorded, returns, strict=True):
        assert rewards is not None
        by_hand = [0.0] * (len(trajectory) - 1) + [expected]
        np.testing.assert_allclose(rewards, by_hand, rtol=1e-4)
