"""IQL with values cut to what rewards could sum to."""

import numpy as np
import pytest
import torch

from vlfeedback.errors import InvalidValueError
from vlfeedback.offline import IQL, IQLConfig, TransitionBuffer
from vlfeedback.types import Trajectory

GAMMA = 0.9
REWARDS = np.array([-0.5, 0.25, 0.0, 1.0], dtype=np.float32)


@pytest.fixture
def buffer() -> TransitionBuffer:
    rng = np.random.default_rng(0)
    return TransitionBuffer(
        [
            Trajectory(
                observations=rng.normal(size=(5, 3)).astype(np.float32),
                actions=rng.uniform(-1, 1, (4, 2)).astype(np.float32),
                rewards=REWARDS,
                truncated=True,
            )
        ]
    )


def learner(*, clip_values: bool, value: float) -> IQL:
    """One whose V is nearly `value` everywhere."""
    config = IQLConfig(hidden=[8], batch_size=32, gamma=GAMMA, log_every=1, clip_values=clip_values)
    algo: IQL = config.create()
    algo.create_impl((3,), 2)
    network = algo.impl.modules.value
    network.flat.data.zero_()
    network.layers[-1][1].fill_(value)
    return algo


@pytest.mark.parametrize(
    ("value", "cut"),
    [
        (1000.0, 10.0),  # 1.0 / (1 - 0.9), of the greatest reward
        (-1000.0, -5.0),  # -0.5 / (1 - 0.9), of the least
        (3.0, 3.0),
    ],
)
def test_the_value_of_what_follows_is_at_most_what_rewards_could_sum_to(
    buffer: TransitionBuffer, value: float, cut: float
) -> None:
    batch = buffer.sample_transition_batch(32)
    assert {REWARDS.min(), REWARDS.max()} <= set(batch.rewards[:, 0])  # all have been seen
    for clip_values, expected in ((True, cut), (False, value)):
        algo = learner(clip_values=clip_values, value=value)
        rows = torch.from_numpy(np.concatenate([batch.observations, batch.actions], axis=1))
        with torch.no_grad():
            q = algo.impl.modules.q(rows)[..., 0].double().numpy()
        target = batch.rewards[:, 0] + GAMMA * expected
        loss = np.square(q - target).mean(axis=1).sum()
        np.testing.assert_allclose(algo.update(batch)["q_loss"], loss, rtol=1e-4)


def test_what_was_seen_before_counts_too(buffer: TransitionBuffer) -> None:
    batch = buffer.sample_transition_batch(32)
    algo = learner(clip_values=True, value=0.0)
    algo.update(batch)
    seen = algo.impl.modules.reward_range
    assert (seen.low.item(), seen.high.item()) == (-0.5, 1.0)
    batch.rewards[:] = 0.25
    algo.update(batch)
    assert (seen.low.item(), seen.high.item()) == (-0.5, 1.0)


def test_without_a_discount_nothing_can_be_cut() -> None:
    with pytest.raises(InvalidValueError, match=r"gamma=1\.0 with clip_values"):
        IQLConfig(gamma=1.0, clip_values=True)
