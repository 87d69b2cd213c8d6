"""What the adapter writes is read with d3rlpy itself, element by element."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vlfeedback.adapters import d3rlpy as adapter
from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.types import Trajectory

pytest.importorskip("d3rlpy")


def episode(seed: int, length: int, *, terminated: bool = False, **changes: Any) -> Trajectory:
    rng = np.random.default_rng(seed)
    fields: dict[str, Any] = {
        "observations": rng.normal(size=(length + 1, 3)).astype(np.float32),
        "actions": rng.uniform(-1, 1, size=(length, 2)).astype(np.float32),
        "rewards": rng.normal(size=length).astype(np.float32),
        "env_rewards": rng.normal(size=length).astype(np.float32),
        "terminated": terminated,
        "truncated": not terminated,
        "id": f"episode/{seed}",
    }
    return Trajectory(**(fields | changes))


EPISODES = [episode(0, 5), episode(1, 3, terminated=True), episode(2, 1), episode(3, 5)]


def transitions(buffer: Any) -> list[Any]:
    """Every transition that d3rlpy can sample, in order."""
    pick = buffer.transition_picker
    return [pick(e, i) for e in buffer.episodes for i in range(e.transition_count)]


@pytest.mark.parametrize("make", [adapter.to_replay_buffer, adapter.to_mdp_dataset])
def test_every_step_is_a_transition_that_d3rlpy_samples(make: Any) -> None:
    buffer = make(EPISODES)
    read = transitions(buffer)
    assert buffer.transition_count == len(read) == sum(map(len, EPISODES)) == 14
    steps = [(t, i) for t in EPISODES for i in range(len(t))]
    for transition, (t, i) in zip(read, steps, strict=True):
        np.testing.assert_array_equal(transition.observation, t.observations[i])
        np.testing.assert_array_equal(transition.action, t.actions[i])
        assert t.rewards is not None
        assert transition.reward == t.rewards[i] and transition.reward.dtype == np.float32
        last = i == len(t) - 1
        assert transition.terminal == float(t.terminated and last)
        if not transition.terminal:
            np.testing.assert_array_equal(transition.next_observation, t.observations[i + 1])


def test_the_flat_form_is_the_same() -> None:
    one, other = adapter.to_replay_buffer(EPISODES), adapter.to_mdp_dataset(EPISODES)
    for a, b in zip(one.episodes, other.episodes, strict=True):
        for name in ("observations", "actions", "rewards"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        assert a.terminated == b.terminated
    assert one.dataset_info == other.dataset_info


def test_time_outs_never_become_terminals() -> None:
    cut_off = [replace(t, terminated=False, truncated=False) for t in EPISODES]
    buffer = adapter.to_replay_buffer([*EPISODES[::2], *cut_off])
    assert not any(transition.terminal for transition in transitions(buffer))


def test_float64_becomes_float32_and_the_input_is_untouched() -> None:
    wide = episode(0, 4, observations=np.ones((5, 3)) / 3, actions=np.ones((4, 2)) / 3)
    (made,) = adapter.to_replay_buffer([wide]).episodes
    assert made.observations.dtype == made.actions.dtype == made.rewards.dtype == np.float32
    np.testing.assert_array_equal(made.observations, np.float32(1 / 3))
    made.rewards[:] = 7
    assert wide.observations.dtype == np.float64 and wide.rewards is not None
    assert not np.any(wide.rewards == 7)


def test_pictures_become_channels_first_and_stay_bytes() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3), dtype=np.uint8)
    written = episode(0, 3, observations=pictures)
    buffer = adapter.to_replay_buffer([written])
    assert buffer.dataset_info.observation_signature.shape[0] == (3, 6, 5)
    made = transitions(buffer)[1].observation
    assert made.dtype == np.uint8
    np.testing.assert_array_equal(made, pictures[1].transpose(2, 0, 1))
    (read,) = adapter.from_replay_buffer(buffer)
    np.testing.assert_array_equal(read.observations, pictures)


@pytest.mark.parametrize("make", [adapter.to_replay_buffer, adapter.to_mdp_dataset])
@pytest.mark.parametrize("shape", [(4, 8, 9), (3, 8, 9), (1, 8, 9), (2, 8, 9), (12, 8, 9)])
def test_pictures_with_channels_first_and_frame_stacks_stay_as_they_are(
    make: Any, shape: tuple[int, ...]
) -> None:
    stacks = np.random.default_rng(0).integers(0, 256, (4, *shape), dtype=np.uint8)
    (made,) = make([episode(0, 3, observations=stacks)]).episodes
    np.testing.assert_array_equal(made.observations, stacks)


@pytest.mark.parametrize("shape", [(8, 9, 1), (8, 9, 3), (8, 9, 4)])
def test_a_round_trip_of_pictures_keeps_their_layout(shape: tuple[int, ...]) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (4, *shape), dtype=np.uint8)
    buffer = adapter.to_replay_buffer([episode(0, 3, observations=pictures)])
    (made,) = buffer.episodes
    np.testing.assert_array_equal(made.observations, pictures.transpose(0, 3, 1, 2))
    (read,) = adapter.from_replay_buffer(buffer)
    np.testing.assert_array_equal(read.observations, pictures)


def test_a_layout_that_may_be_either_is_told() -> None:
    strips = np.random.default_rng(0).integers(0, 256, (4, 3, 9, 4), dtype=np.uint8)
    written = [episode(0, 3, observations=strips)]
    with pytest.raises(InvalidValueError, match=r"shape \(3, 9, 4\) may have their channels first"):
        adapter.to_replay_buffer(written)
    first = adapter.to_replay_buffer(written, channels="first")
    np.testing.assert_array_equal(first.episodes[0].observations, strips)
    last = adapter.to_mdp_dataset(written, channels="last")
    np.testing.assert_array_equal(last.episodes[0].observations, strips.transpose(0, 3, 1, 2))
    with pytest.raises(InvalidValueError, match=r"shape \(4, 3, 9\)|shape \(3, 9, 4\)"):
        adapter.from_replay_buffer(first)
    for buffer, channels in ((first, "first"), (last, "last")):
        (read,) = adapter.from_replay_buffer(buffer, channels=channels)
        np.testing.assert_array_equal(read.observations, strips)
    with pytest.raises(InvalidValueError, match="channels='middle'; expected 'first', 'last'"):
        adapter.to_replay_buffer(written, channels="middle")


@pytest.mark.parametrize("shape", [(4, 8, 9), (8, 9, 3), (8, 9, 12)])
def test_both_buffers_see_the_same_pictures(shape: tuple[int, ...]) -> None:
    from vlfeedback.offline import TransitionBuffer

    pictures = np.random.default_rng(0).integers(0, 256, (4, *shape), dtype=np.uint8)
    written = [episode(0, 3, observations=pictures)]
    (one,), (other,) = (
        adapter.to_replay_buffer(written).episodes,
        TransitionBuffer(written).episodes,
    )
    np.testing.assert_array_equal(one.observations, other.observations)


def test_discrete_actions_are_a_column() -> None:
    written = [episode(i, 4, actions=np.array([0, 2, 1, 2])) for i in range(2)]
    buffer = adapter.to_replay_buffer(written)
    assert buffer.dataset_info.action_size == 3
    assert [int(t.action[0]) for t in transitions(buffer)] == [0, 2, 1, 2] * 2


@pytest.mark.parametrize("make", [adapter.to_replay_buffer, adapter.to_mdp_dataset])
def test_a_round_trip_keeps_every_element(make: Any) -> None:
    read = adapter.from_replay_buffer(make(EPISODES), rewards="source")
    for one, other in zip(read, EPISODES, strict=True):
        for name in ("actions", "rewards", "terminated", "truncated"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        known = slice(None, -1 if other.terminated else None)
        np.testing.assert_array_equal(one.observations[known], other.observations[known])
        assert one.env_rewards is None
    assert read[1].facts() == {"last_observation": "repeated"}
    again = make(read)
    for a, b in zip(again.episodes, make(EPISODES).episodes, strict=True):
        np.testing.assert_array_equal(a.observations, b.observations)


def test_a_buffer_of_d3rlpys_own_making_is_read_transition_by_transition() -> None:
    import d3rlpy

    rng = np.random.default_rng(0)
    ends = np.isin(np.arange(10), [3, 9])
    terminals = ends & (np.arange(10) == 3)
    dataset = d3rlpy.dataset.MDPDataset(
        observations=rng.normal(size=(10, 2)).astype(np.float32),
        actions=rng.normal(size=(10, 1)).astype(np.float32),
        rewards=rng.normal(size=10).astype(np.float32),
        terminals=terminals.astype(np.float32),
        timeouts=(ends & ~terminals).astype(np.float32),
    )
    read = adapter.from_replay_buffer(dataset)
    assert [(len(t), t.terminated, t.truncated) for t in read] == [
        (4, True, False),
        (5, False, True),
    ]
    theirs = transitions(dataset)
    ours = [(t.observations[i], t.env_rewards[i]) for t in read for i in range(len(t))]  # type: ignore[index]
    assert len(theirs) == len(ours) == 9
    for transition, (observation, reward) in zip(theirs, ours, strict=True):
        np.testing.assert_array_equal(transition.observation, observation)
        assert transition.reward == reward


def test_an_unknown_last_observation_is_not_learnt_from() -> None:
    """It is there twice, and a truncated episode's last transition would be a loop."""
    known = episode(0, 4)
    unknown = replace(known, info={"last_observation": "repeated"})
    assert adapter.to_replay_buffer([known]).transition_count == 4
    assert adapter.to_replay_buffer([unknown]).transition_count == 3


@pytest.mark.parametrize("make", [adapter.to_replay_buffer, adapter.to_mdp_dataset])
def test_a_round_trip_makes_no_unknown_observation_real(make: Any) -> None:
    unknown = episode(0, 4)
    repeated = np.concatenate([unknown.observations[:-1], unknown.observations[-2:-1]])
    unknown = replace(unknown, observations=repeated, last_observation_repeated=True)
    (read,) = adapter.from_replay_buffer(make([unknown]))
    assert len(read) == 3 and not read.last_observation_repeated
    np.testing.assert_array_equal(read.observations, unknown.observations[:4])  # each was seen


@pytest.mark.slow
def test_d3rlpy_learns_from_it() -> None:
    import d3rlpy

    algo = d3rlpy.algos.BCConfig(batch_size=4).create()
    quiet = d3rlpy.logging.NoopAdapterFactory()
    algo.fit(
        adapter.to_replay_buffer(EPISODES),
        n_steps=2,
        n_steps_per_epoch=2,
        logger_adapter=quiet,
        show_progress=False,
    )
    assert algo.predict(EPISODES[0].observations).shape == (6, 2)


# Bad input --------------------------------------------------------------------------------------


def test_another_word_for_rewards_is_refused() -> None:
    for call in (adapter.to_replay_buffer, adapter.to_mdp_dataset):
        with pytest.raises(ValueError, match="rewards='gold'; expected 'source', 'env' or 'none'"):
            call(EPISODES, rewards="gold")
    with pytest.raises(ValueError, match="rewards='gold'; expected"):
        adapter.from_replay_buffer(adapter.to_replay_buffer(EPISODES), rewards="gold")


def test_no_rewards_are_needed_where_none_are_read() -> None:
    buffer = adapter.to_replay_buffer([episode(0, 4, rewards=None)], rewards="none")
    assert [transition.reward[0] for transition in transitions(buffer)] == [0, 0, 0, 0]
    (read,) = adapter.from_replay_buffer(buffer, rewards="none")
    assert read.rewards is None and read.env_rewards is None


def test_rewards_that_are_missing_name_the_way_out() -> None:
    bare = episode(0, 4, rewards=None)
    with pytest.raises(NeedsError, match=r"'episode/0' has no rewards .*relabel.*rewards='env'"):
        adapter.to_replay_buffer([bare])
    (made,) = adapter.to_replay_buffer([bare], rewards="env").episodes
    np.testing.assert_array_equal(made.rewards[:-1, 0], bare.env_rewards)
    with pytest.raises(NeedsError, match=r"has no env_rewards .*Record"):
        adapter.to_replay_buffer([episode(0, 4, env_rewards=None)], rewards="env")


@pytest.mark.parametrize("name", ["rewards", "observations", "actions"])
def test_a_number_that_is_none_is_named(name: str) -> None:
    broken = getattr(episode(0, 4), name).copy()
    broken[2] = np.nan
    with pytest.raises(InvalidValueError, match=f"'episode/0': {name} has a number .* in row 2"):
        adapter.to_replay_buffer([episode(0, 4, **{name: broken})])


def test_a_number_that_float32_cannot_hold_is_none() -> None:
    wide = np.zeros((5, 3))
    wide[1] = 1e300
    with np.errstate(over="ignore"), pytest.raises(InvalidValueError, match="infinite in row 1"):
        adapter.to_replay_buffer([episode(0, 4, observations=wide)])


@pytest.mark.parametrize("make", [adapter.to_replay_buffer, adapter.to_mdp_dataset])
def test_terminals_on_every_time_out_are_refused_unless_trusted(make: Any) -> None:
    posing = [episode(seed, 4, terminated=True) for seed in range(3)]
    with pytest.raises(InvalidValueError, match="all 3 episodes terminate after exactly 4 steps"):
        make(posing)
    buffer = make(posing, trust_terminals=True)
    assert sum(transition.terminal for transition in transitions(buffer)) == 3
    with pytest.raises(InvalidValueError, match="trust_terminals=True"):
        adapter.from_replay_buffer(buffer)
    assert len(adapter.from_replay_buffer(buffer, trust_terminals=True)) == 3


def test_no_trajectory_is_refused() -> None:
    with pytest.raises(NeedsError, match="No trajectory"):
        adapter.to_replay_buffer([])
