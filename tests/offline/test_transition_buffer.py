from typing import Any

import d3rlpy
import numpy as np
import pytest
from d3rlpy.constants import ActionSpace
from d3rlpy.preprocessing import StandardObservationScaler

from vlfeedback.adapters.d3rlpy import to_replay_buffer
from vlfeedback.errors import InvalidValueError, NeedsError, ShapeError
from vlfeedback.offline import TransitionBuffer
from vlfeedback.types import Trajectory


def episode(index: int, length: int = 4, *, terminated: bool = False, **arrays: Any) -> Trajectory:
    """Every number says where it is from: state t of episode i is 100 i + t."""
    steps = 100 * index + np.arange(length + 1, dtype=np.float64)
    given: dict[str, Any] = {
        "observations": np.stack([steps, -steps], axis=1),
        "actions": (steps[:-1, None] + 0.5).astype(np.float32),
        "rewards": (2 * steps[:-1]).astype(np.float32),
        "env_rewards": (3 * steps[:-1]).astype(np.float32),
    }
    return Trajectory(
        **(given | arrays), terminated=terminated, truncated=not terminated, id=f"e{index}"
    )


def test_no_transition_is_lost_and_each_is_that_of_its_trajectory() -> None:
    buffer = TransitionBuffer([episode(1, 4), episode(2, 3, terminated=True), episode(3, 1)])
    assert buffer.transition_count == len(buffer) == 8
    batch = buffer.sample_transition_batch(500)
    state = batch.observations[:, 0]
    assert set(state) == {100, 101, 102, 103, 200, 201, 202, 300}
    np.testing.assert_array_equal(batch.observations[:, 1], -state)
    np.testing.assert_array_equal(batch.next_observations[:, 0], state + 1)
    np.testing.assert_array_equal(batch.actions[:, 0], state + 0.5)
    np.testing.assert_array_equal(batch.rewards[:, 0], 2 * state)
    np.testing.assert_array_equal(batch.terminals[:, 0], state == 202)
    np.testing.assert_array_equal(batch.intervals, 1)
    # After a last action there is none; d3rlpy has zeros there.
    last = np.isin(state, [103, 202, 300])
    np.testing.assert_array_equal(batch.next_actions[:, 0], np.where(last, 0, state + 1.5))
    assert {array.dtype for array in (batch.observations, batch.rewards, batch.terminals)} == {
        np.dtype(np.float32)
    }


def test_transitions_are_drawn_uniformly() -> None:
    buffer = TransitionBuffer([episode(1, 4), episode(2, 1)], seed=3)
    states = buffer.sample_transition_batch(20_000).observations[:, 0]
    _, counts = np.unique(states, return_counts=True)
    assert counts == pytest.approx([4000] * 5, abs=300)  # five standard deviations


def test_equal_seeds_draw_equal_batches() -> None:
    one, same, other = (
        TransitionBuffer([episode(1, 50)], seed=seed).sample_transition_batch(9).observations
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_time_limit_is_never_terminal() -> None:
    buffer = TransitionBuffer([episode(1), episode(2)])
    assert not buffer.sample_transition_batch(100).terminals.any()


@pytest.mark.parametrize("rewards", ["source", "env", "none"])
def test_a_transition_of_which_it_is_not_known_where_it_led_is_not_learnt_from(
    rewards: str,
) -> None:
    """The last observation is there twice, so that a time limit's last transition is a loop."""
    repeated = {"last_observation": "repeated"}
    buffer = TransitionBuffer(
        [
            episode(1, 4, info=repeated),
            episode(2, 3, terminated=True, info=repeated),
            episode(3, 1, info=repeated),
            episode(4, 2),
        ],
        rewards=rewards,
    )
    assert len(buffer) == sum(e.transition_count for e in buffer.episodes) == 3 + 3 + 0 + 2
    batch = buffer.sample_transition_batch(300)
    state = batch.observations[:, 0]
    assert set(state) == {100, 101, 102, 200, 201, 202, 400, 401}
    np.testing.assert_array_equal(batch.next_observations[:, 0], state + 1)
    np.testing.assert_array_equal(
        batch.rewards[:, 0], {"source": 2, "env": 3, "none": 0}[rewards] * state
    )
    np.testing.assert_array_equal(batch.terminals[:, 0], state == 202)


def test_it_keeps_the_transitions_that_the_adapter_keeps() -> None:
    repeated = {"last_observation": "repeated"}
    given = [episode(1, 4, info=repeated), episode(2, 3, terminated=True), episode(3, 5)]
    theirs = to_replay_buffer(given)
    ours = TransitionBuffer(given)
    assert theirs.transition_count == ours.transition_count == 3 + 3 + 5
    pick = theirs.transition_picker
    kept = {float(pick(e, i).observation[0]) for e in theirs.episodes for i in range(len(e) - 1)}
    drawn = set(map(float, ours.sample_transition_batch(500).observations[:, 0]))
    assert drawn - kept == {202}  # a terminal row is d3rlpy's last one
    assert kept < drawn


def test_nothing_but_unknown_transitions_is_refused() -> None:
    with pytest.raises(NeedsError, match=r"no transition to learn from: each .* one step"):
        TransitionBuffer([episode(1, 1, info={"last_observation": "repeated"})])


def test_what_looks_like_a_time_limit_marked_as_termination_is_refused() -> None:
    trap = [episode(i, 4, terminated=True) for i in range(3)]
    with pytest.raises(InvalidValueError, match=r"all 3 .* exactly 4 .*trust_terminals=True"):
        TransitionBuffer(trap)
    buffer = TransitionBuffer(trap, trust_terminals=True)
    assert buffer.sample_transition_batch(100).terminals.any()
    TransitionBuffer([*trap, episode(3, 5, terminated=True)])
    TransitionBuffer(trap[:1])


def test_without_terminals_values_are_learnt_through_every_end() -> None:
    trap = [episode(i, 4, terminated=True) for i in range(1, 4)]
    buffer = TransitionBuffer(trap, terminals=False)  # which no time limit can spoil
    batch = buffer.sample_transition_batch(200)
    assert len(buffer) == 12 and not batch.terminals.any()
    np.testing.assert_array_equal(batch.next_observations[:, 0], batch.observations[:, 0] + 1)
    assert not any(e.terminated for e in buffer.episodes)


def test_without_terminals_an_end_of_which_it_is_not_known_where_it_led_is_left_out() -> None:
    repeated = {"last_observation": "repeated"}
    buffer = TransitionBuffer([episode(1, 3, terminated=True, info=repeated)], terminals=False)
    assert set(buffer.sample_transition_batch(100).observations[:, 0]) == {100, 101}


def test_rewards_are_those_of_the_source_unless_told_otherwise() -> None:
    source, env, none = (
        TransitionBuffer([episode(1)], rewards=rewards) for rewards in ("source", "env", "none")
    )
    np.testing.assert_array_equal(source.rewards, [200, 202, 204, 206])
    np.testing.assert_array_equal(env.rewards, [300, 303, 306, 309])
    np.testing.assert_array_equal(none.rewards, 0)


def test_without_rewards_of_a_source_the_next_step_is_named() -> None:
    given = [episode(1), episode(2, rewards=None)]
    with pytest.raises(NeedsError, match=r"'e2' has no rewards \(1 of 2.*relabel.*rewards='env'"):
        TransitionBuffer(given)
    with pytest.raises(NeedsError, match=r"'e1' has no env_rewards .*Record"):
        TransitionBuffer([episode(1, env_rewards=None)], rewards="env")


def test_standardised_rewards_have_mean_0_and_deviation_1() -> None:
    rewards = TransitionBuffer([episode(1), episode(2)], standardise=True).rewards
    assert rewards.mean() == pytest.approx(0, abs=1e-6)
    assert rewards.std() == pytest.approx(1, abs=1e-6)
    constant = episode(1, 7, rewards=np.full(7, 0.1, dtype=np.float32))
    np.testing.assert_array_equal(
        TransitionBuffer([constant], standardise=True).rewards, np.float32(0.1)
    )


def test_differences_pay_what_a_reward_has_grown_by_and_nothing_for_the_first() -> None:
    scores = (np.array([3, 4, 4, 1], np.float32), np.array([7, 9], np.float32))
    episodes = [episode(k, len(given), rewards=given) for k, given in enumerate(scores)]
    buffer = TransitionBuffer(episodes, differences=True)
    np.testing.assert_array_equal(buffer.rewards, np.array([0, 1, 0, -3, 0, 2], np.float32))
    assert buffer.rewards.dtype == np.float32
    deviation = np.concatenate(scores).std()
    scaled = TransitionBuffer(episodes, differences=True, standardise=True).rewards
    np.testing.assert_allclose(scaled, buffer.rewards / deviation, rtol=1e-5)


@pytest.mark.parametrize("name", ["rewards", "observations", "actions"])
def test_numbers_that_are_not_finite_are_refused_with_their_place(name: str) -> None:
    bad = getattr(episode(2), name).copy()
    bad[3] = np.nan
    with pytest.raises(InvalidValueError, match=f"'e2': {name} has a number .* in row 3"):
        TransitionBuffer([episode(1), episode(2, **{name: bad})])


def test_trajectories_of_different_tasks_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"observations of trajectory 'e2' have shape \(3,\)"):
        TransitionBuffer([episode(1), episode(2, observations=np.zeros((5, 3)))])
    with pytest.raises(ShapeError, match=r"actions have shape \(4,\); expected \(L, A\)"):
        TransitionBuffer([episode(1, actions=np.zeros(4, dtype=np.float32))])


def test_nothing_and_unknown_rewards_are_refused() -> None:
    with pytest.raises(NeedsError, match="no trajectory"):
        TransitionBuffer([])
    with pytest.raises(ValueError, match="rewards='gold'; expected 'source', 'env' or 'none'"):
        TransitionBuffer([episode(1)], rewards="gold")


def test_what_it_cannot_do_is_said() -> None:
    with pytest.raises(NeedsError, match="never grows"):
        TransitionBuffer([episode(1)]).sample_trajectory(3)


def test_episodes_are_what_d3rlpy_cuts_the_same_transitions_from() -> None:
    buffer = TransitionBuffer([episode(1, 4), episode(2, 3, terminated=True)])
    assert sum(e.transition_count for e in buffer.episodes) == len(buffer)
    batch = buffer.sample_transition_batch(50)
    cut = d3rlpy.dataset.TransitionMiniBatch.from_transitions(list(batch.transitions))
    going_on = batch.terminals[:, 0] == 0  # after the end d3rlpy's next state is zeros
    for name in ("observations", "actions", "rewards", "terminals", "intervals", "next_actions"):
        np.testing.assert_array_equal(getattr(cut, name), getattr(batch, name))
    np.testing.assert_array_equal(
        cut.next_observations[going_on], batch.next_observations[going_on]
    )


def test_d3rlpy_fits_its_scalers_and_trains_its_algorithms_on_it() -> None:
    buffer = TransitionBuffer([episode(1, 4), episode(2, 3, terminated=True)])
    scaler = StandardObservationScaler()
    for config in (d3rlpy.algos.TD3PlusBCConfig, d3rlpy.algos.CalQLConfig):
        config(batch_size=4, observation_scaler=scaler).create().fit(
            buffer,
            n_steps=1,
            n_steps_per_epoch=1,
            logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
            show_progress=False,
        )
    states = np.array([100, 101, 102, 103, 200, 201, 202])
    assert scaler.mean == pytest.approx([states.mean(), -states.mean()])


def test_whole_numbers_are_discrete_actions() -> None:
    buffer = TransitionBuffer([episode(1, actions=np.array([0, 2, 1, 0]))])
    assert buffer.dataset_info.action_space is ActionSpace.DISCRETE
    assert buffer.dataset_info.action_size == 3
    d3rlpy.algos.DQNConfig(batch_size=4).create().fit(
        buffer,
        n_steps=1,
        n_steps_per_epoch=1,
        logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
        show_progress=False,
    )


def test_pictures_stay_small_until_they_are_drawn() -> None:
    pictures = np.arange(5 * 3 * 2 * 2, dtype=np.uint8).reshape(5, 3, 2, 2)
    buffer = TransitionBuffer([episode(1, observations=pictures)])
    assert buffer.dataset_info.observation_signature.dtype == [np.dtype(np.uint8)]
    batch = buffer.sample_transition_batch(1)
    assert batch.observations.dtype == np.float32
    assert batch.observations[0, 0, 0, 0] in (0, 12, 24, 36)
