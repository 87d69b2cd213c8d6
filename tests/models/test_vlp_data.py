import numpy as np

from vlfeedback.models import vlp_data


def test_a_window_return_is_the_sum_of_its_fifty_rewards() -> None:
    rewards = np.random.default_rng(0).normal(size=150)
    returns = vlp_data._window_returns(rewards, np.array([50, 57, 148]))
    np.testing.assert_allclose(
        returns, [rewards[:50].sum(), rewards[7:57].sum(), rewards[98:148].sum()]
    )


def test_before_the_episode_the_first_reward_counts() -> None:
    rewards = np.arange(1.0, 101.0)
    returns = vlp_data._window_returns(rewards, np.array([0, 1, 8]))
    np.testing.assert_allclose(returns, [50 * 1, 49 * 1 + 1, 42 * 1 + rewards[:8].sum()])


def test_ranks_run_from_zero_to_one_and_keep_the_order() -> None:
    np.testing.assert_allclose(
        vlp_data._rank(np.array([[5.0, -2.0], [7.0, 100.0]])), [[1 / 3, 0], [2 / 3, 1]]
    )


def test_states_that_never_move_stay_at_zero_instead_of_amplifying_noise() -> None:
    states = np.full((2, 3, 2), 0.4)
    states[..., 1] += np.random.default_rng(0).normal(size=(2, 3))
    standard = vlp_data._standardise(states)
    np.testing.assert_allclose(standard[..., 0], 0.0, atol=1e-9)
    assert np.isclose(standard[..., 1].std(), 1.0)
