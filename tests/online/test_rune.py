import numpy as np
import pytest
from tests.online.pendulums import BRIEF, sac

from vlfeedback.models.reward.networks import RewardModelConfig
from vlfeedback.models.reward.training import RewardTraining
from vlfeedback.online import PEBBLE, RUNEConfig


def test_the_weight_loses_its_share_at_every_step() -> None:
    config = RUNEConfig(weight=0.05, decay=1e-5)
    assert config.weight_at(0) == 0.05
    assert config.weight_at(100_000) == pytest.approx(0.05 * np.exp(100_000 * np.log(0.99999)))
    assert RUNEConfig(weight=0.2, decay=0.0).weight_at(10**6) == 0.2


@pytest.mark.parametrize(("weight", "decay"), [(0.0, 0.1), (-1.0, 0.1), (0.05, 1.0), (0.05, -0.1)])
def test_numbers_out_of_their_range_are_refused(weight: float, decay: float) -> None:
    with pytest.raises(ValueError, match=f"weight={weight} and decay={decay}"):
        RUNEConfig(weight=weight, decay=decay)


def test_an_agent_is_paid_for_doubt_after_the_first_session_by_the_weight_of_the_step() -> None:
    learns = PEBBLE(
        "teacher",
        BRIEF,
        reward=RewardModelConfig(hidden=(16,)),
        training=RewardTraining(epochs=3),
        rune=RUNEConfig(weight=50.0, decay=0.01),
    )
    model = sac()
    model.learn(60, callback=learns)
    buffer, n = learns.buffer, learns.buffer.n_rows
    observations, actions = buffer.observations[:n, 0], 2 * buffer.actions[:n, 0]
    members = learns.learner.member_rewards(observations, actions)
    np.testing.assert_allclose(buffer.rewards[:n, 0], members.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(buffer.doubts[:n, 0], members.std(axis=0), atol=1e-5)  # type: ignore[index]
    bonus = 50.0 * 0.99**60 * members.std(axis=0)
    sampled = buffer.sample(256)
    rows = {o.tobytes(): row for row, o in enumerate(observations)}
    at = [rows[o.tobytes()] for o in sampled.observations.numpy()]
    wanted = members.mean(axis=0)[at] + bonus[at]
    np.testing.assert_allclose(sampled.rewards[:, 0].numpy(), wanted, atol=1e-4)
    assert bonus.max() > 0.1
