import math
from collections.abc import Callable

import numpy as np
import pytest

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.errors import InvalidValueError, NeedsError, ShapeError
from vlfeedback.offline.preference_buffer import PreferenceBuffer
from vlfeedback.types import PreferenceLabels, Trajectory

Make = Callable[..., PreferenceDataset]


def of_one_pair(observations: np.ndarray, actions: np.ndarray) -> PreferenceDataset:
    trajectories = [Trajectory(observations, actions, id=name) for name in "ab"]
    first, second = (t.segment(0, len(actions)) for t in trajectories)
    labels = PreferenceLabels(np.ones(1, dtype=np.float32), np.ones(1, dtype=np.bool_))
    return PreferenceDataset([(first, second)], labels)


def test_a_batch_holds_both_segments_of_each_pair_row_after_row(make_preferences: Make) -> None:
    dataset = make_preferences([0.0, 1.0, 0.5])
    batch = PreferenceBuffer(dataset, seed=1).sample_transition_batch(3)
    order = np.random.default_rng(1).permutation(3)
    trajectories = [segment.trajectory for i in order for segment in dataset.pairs[i]]
    for name in ("observations", "actions"):
        expected = np.concatenate([getattr(t, name)[:6] for t in trajectories])
        np.testing.assert_allclose(getattr(batch, name), expected.astype(np.float32))
    np.testing.assert_array_equal(batch.prefer_second, dataset.labels.prefer_second[order])
    assert batch.length == 6


def test_all_arrays_are_float32(make_preferences: Make) -> None:
    batch = PreferenceBuffer(make_preferences([0.0, 1.0])).sample_transition_batch(2)
    for name in ("observations", "actions", "prefer_second"):
        assert getattr(batch, name).dtype == np.float32


def test_unanswered_pairs_are_never_drawn_and_ties_are(make_preferences: Make) -> None:
    buffer = PreferenceBuffer(make_preferences([math.nan, 0.5, 1.0, math.nan]))
    assert len(buffer) == 2
    drawn = np.concatenate([buffer.sample_transition_batch(2).prefer_second for _ in range(5)])
    assert sorted(drawn) == [0.5] * 5 + [1.0] * 5


def test_a_pass_sees_each_pair_once_and_ends_with_a_short_batch(make_preferences: Make) -> None:
    buffer = PreferenceBuffer(make_preferences([0.0, 0.1, 0.2, 0.3, 0.4]))
    batches = [buffer.sample_transition_batch(2).prefer_second for _ in range(6)]
    assert [len(batch) for batch in batches] == [2, 2, 1, 2, 2, 1]
    for start in (0, 3):
        seen = np.sort(np.concatenate(batches[start : start + 3]))
        np.testing.assert_allclose(seen, [0.0, 0.1, 0.2, 0.3, 0.4], atol=1e-6)


def test_pieces_start_anywhere_the_last_window_included_each_for_itself() -> None:
    steps = np.arange(6.0)
    dataset = of_one_pair(np.arange(7.0)[:, None], (steps / 10)[:, None])
    buffer = PreferenceBuffer(dataset, length=4)
    starts = set()
    for _ in range(60):
        batch = buffer.sample_transition_batch(1)
        observations = batch.observations.reshape(2, 4)
        starts.add((observations[0, 0], observations[1, 0]))
        np.testing.assert_array_equal(np.diff(observations, axis=1), 1)
        np.testing.assert_allclose(batch.actions.reshape(2, 4), observations / 10, atol=1e-6)
    assert starts == {(i, j) for i in range(3) for j in range(3)}


def test_actions_are_clipped_to_what_a_tanh_reaches() -> None:
    dataset = of_one_pair(np.zeros((3, 1)), np.array([[1.0], [-1.0]]))
    actions = PreferenceBuffer(dataset).sample_transition_batch(1).actions
    expected = np.array([-(1 - 1e-5), 1 - 1e-5], dtype=np.float32)
    np.testing.assert_array_equal(np.unique(actions), expected)


def test_the_same_seed_draws_the_same_batches(make_preferences: Make) -> None:
    dataset = make_preferences([0.0, 0.2, 0.4, 1.0])
    one, same, other = (PreferenceBuffer(dataset, length=3, seed=seed) for seed in (4, 4, 5))
    draws = [[b.sample_transition_batch(2) for _ in range(4)] for b in (one, same, other)]
    for batch, twin in zip(draws[0], draws[1], strict=True):
        np.testing.assert_array_equal(batch.observations, twin.observations)
    assert any((a.observations != b.observations).any() for a, b in zip(*draws[::2], strict=True))


def test_d3rlpy_reads_shapes_and_segments_as_episodes(make_preferences: Make) -> None:
    buffer = PreferenceBuffer(make_preferences([0.0, 1.0]))
    assert buffer.sample_transition().observation_signature.shape[0] == (3,)
    assert buffer.dataset_info.action_size == 2
    assert buffer.size() == len(buffer.episodes) == 4
    assert buffer.transition_count == 4 * 6
    assert not any(episode.terminated for episode in buffer.episodes)


def test_the_dataset_is_left_as_it_was(make_preferences: Make) -> None:
    dataset = make_preferences([0.0, 1.0])
    digest, actions = dataset.digest(), dataset.pairs[0][0].trajectory.actions.copy()
    buffer = PreferenceBuffer(dataset)
    buffer.sample_transition_batch(2).actions[:] = 0
    np.testing.assert_array_equal(dataset.pairs[0][0].trajectory.actions, actions)
    assert dataset.digest() == digest


def test_zero_answered_pairs_are_refused(make_preferences: Make) -> None:
    with pytest.raises(ValueError, match="0 of 2 pairs are answered"):
        PreferenceBuffer(make_preferences([math.nan, math.nan]))


def test_ties_alone_are_refused(make_preferences: Make) -> None:
    with pytest.raises(ValueError, match="2 of 2 labels are ties"):
        PreferenceBuffer(make_preferences([0.5, math.nan, 0.5]))


def test_pieces_longer_than_the_segments_are_refused(make_preferences: Make) -> None:
    with pytest.raises(ShapeError, match="length=7, but segments have 6 steps; ask for 1 to 6"):
        PreferenceBuffer(make_preferences([0.0]), length=7)


def test_numbers_that_are_not_finite_are_refused_with_their_place() -> None:
    observations = np.zeros((4, 2))
    observations[2, 1] = np.nan
    with pytest.raises(InvalidValueError, match=r"'a': observations has a number .* in row 2"):
        PreferenceBuffer(of_one_pair(observations, np.zeros((3, 1))))


def test_actions_that_no_policy_here_reaches_are_refused() -> None:
    dataset = of_one_pair(np.zeros((3, 1)), np.array([[0.5], [-3.0]]))
    with pytest.raises(ValueError, match=r"Actions lie in \[-3, 0.5\]; expected \[-1, 1\]"):
        PreferenceBuffer(dataset)


def test_pictures_as_observations_are_refused() -> None:
    dataset = of_one_pair(np.zeros((3, 8, 8, 3), dtype=np.uint8), np.zeros((2, 1)))
    with pytest.raises(ShapeError, match=r"observations have shape \(8, 8, 3\).*Encode pictures"):
        PreferenceBuffer(dataset)


def test_it_never_grows(make_preferences: Make) -> None:
    with pytest.raises(NeedsError, match="it never grows"):
        PreferenceBuffer(make_preferences([0.0])).append(np.zeros(3), np.zeros(2), 0.0)
