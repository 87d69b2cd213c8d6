from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from tests.online.pendulums import PlantedReward

from vlfeedback.online import LearnedRewardBuffer
from vlfeedback.online.entropy import StateEntropy, kth_distance

ROWS = 10


def buffer(n_envs: int) -> LearnedRewardBuffer:
    observations = gym.spaces.Box(-8.0, 8.0, (3,), np.float32)
    actions = gym.spaces.Box(-2.0, 2.0, (1,), np.float32)
    return LearnedRewardBuffer(ROWS * n_envs, observations, actions, n_envs=n_envs, device="cpu")


def fill(into: LearnedRewardBuffer, n_rows: int, *, done: bool = False) -> None:
    rng = np.random.default_rng(n_rows)
    n = into.n_envs
    for _ in range(n_rows):
        obs, next_obs = rng.normal(size=(2, n, 3)).astype(np.float32)
        action = rng.uniform(-1, 1, (n, 1)).astype(np.float32)
        infos: list[dict[str, Any]] = [{} for _ in range(n)]
        into.add(obs, next_obs, action, np.full(n, 5.0), np.full(n, done), infos)


def expected(of: LearnedRewardBuffer, n_rows: int) -> np.ndarray:
    # Actions are stored in [-1, 1] and taken in [-2, 2].
    speed, action = of.observations[:n_rows, :, 2], 2 * of.actions[:n_rows, :, 0]
    return np.asarray(-np.abs(speed) - action / 10)


@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("n_added", [4, ROWS + 3])
def test_relabelling_reaches_every_valid_row_before_and_after_the_ring_wraps(
    n_envs: int, n_added: int
) -> None:
    stored = buffer(n_envs)
    fill(stored, n_added)
    assert not stored.rewards.any()
    stored.pay(PlantedReward())
    n = min(n_added, ROWS)
    np.testing.assert_allclose(stored.rewards[:n], expected(stored, n), rtol=1e-5)
    assert not stored.rewards[n:].any()


def test_transitions_that_come_later_are_paid_as_those_that_are_relabelled() -> None:
    stored = buffer(2)
    stored.pay(PlantedReward())
    fill(stored, 5)
    paid = stored.rewards[:5].copy()
    stored.relabel()
    np.testing.assert_allclose(paid, stored.rewards[:5], rtol=1e-6)
    np.testing.assert_allclose(paid, expected(stored, 5), rtol=1e-5)


def test_the_environments_own_reward_is_kept_and_never_sampled() -> None:
    stored = buffer(1)
    fill(stored, 6)
    assert stored.env_rewards[:6].ravel().tolist() == [5.0] * 6
    assert not stored.sample(32).rewards.any()


def test_learned_returns_are_the_sums_that_were_paid() -> None:
    stored = buffer(1)
    stored.pay(PlantedReward())
    fill(stored, 3)
    fill(stored, 1, done=True)
    fill(stored, 2)
    returns = stored.take_learned_returns()
    assert returns == pytest.approx([float(stored.rewards[:4].sum())])
    assert stored.take_learned_returns() == []


def test_while_exploring_samples_carry_the_entropy_of_their_states() -> None:
    stored = buffer(2)
    fill(stored, 8)
    stored.explore(StateEntropy(k=3))
    samples = stored.sample(16)
    seen = torch.from_numpy(stored.observations[:8].reshape(16, 3))
    distance = kth_distance(samples.observations, seen, 3)
    torch.testing.assert_close(samples.rewards[:, 0], distance / distance.std(correction=0))
    stored.explore(None)
    assert not stored.sample(16).rewards.any()


@pytest.mark.parametrize("n_envs", [1, 3])
def test_samples_carry_what_disagreement_is_worth_and_the_buffer_does_not(n_envs: int) -> None:
    stored, worth = buffer(n_envs), 0.5
    stored.seek_doubt(lambda: worth)
    fill(stored, 4)
    stored.pay(PlantedReward())
    fill(stored, 4)
    mean, doubt = expected(stored, 8), np.abs(stored.observations[:8, :, 0])
    worths = {}
    for worth in (0.5, 2.0):
        samples = stored.sample(64)
        by_observation = {
            observation.tobytes(): reward
            for observation, reward in zip(
                stored.observations[:8].reshape(-1, 3),
                (mean + worth * doubt).reshape(-1),
                strict=True,
            )
        }
        wanted = [by_observation[o.tobytes()] for o in samples.observations.numpy()]
        np.testing.assert_allclose(samples.rewards[:, 0].numpy(), wanted, rtol=1e-5)
        worths[worth] = wanted
    assert np.std(worths[2.0]) > 0
    np.testing.assert_allclose(stored.rewards[:8], mean, rtol=1e-5)
    np.testing.assert_allclose(stored.doubts[:8], doubt, rtol=1e-5)  # type: ignore[index]


def test_a_buffer_comes_back_with_all_that_it_held() -> None:
    for n_added in (4, ROWS + 3):
        stored, other = buffer(2), buffer(2)
        for part in (stored, other):
            part.seek_doubt(lambda: 1.0)
        stored.pay(PlantedReward())
        fill(stored, n_added)
        other.restore(*stored.state())
        other.pay(PlantedReward(), relabel=False)
        for part in (stored, other):
            fill(part, 3, done=True)
        np.testing.assert_array_equal(stored.rewards, other.rewards)
        np.testing.assert_array_equal(stored.observations, other.observations)
        np.testing.assert_array_equal(stored.doubts, other.doubts)
        assert stored.take_learned_returns() == other.take_learned_returns()
