from dataclasses import replace

import numpy as np
import pytest

from vlfeedback.data.sampling import (
    cluster_trajectories,
    gather_pairs,
    sample_clustered_pairs,
    sample_segment_pairs,
    sample_segments,
)
from vlfeedback.errors import ShapeError
from vlfeedback.types import SourceNeeds, Trajectory


def trajectory(name: str, length: int, level: float = 0.0) -> Trajectory:
    rng = np.random.default_rng(length)
    return Trajectory(
        observations=(level + 0.01 * rng.normal(size=(length + 1, 3))).astype(np.float32),
        actions=np.zeros((length, 2), np.float32),
        env_rewards=np.full(length, level, np.float32),
        id=name,
        level=f"{level:g}",
    )


def test_segments_have_the_asked_length_and_lie_inside_their_trajectory() -> None:
    trajectories = [trajectory("a", 20), trajectory("b", 60)]
    for segment in sample_segments(trajectories, 200, 20, rng=np.random.default_rng(0)):
        assert segment.length == 20
        assert 0 <= segment.start <= len(segment.trajectory) - 20


def test_trajectories_too_short_are_never_drawn_and_all_others_are() -> None:
    trajectories = [trajectory("short", 19), trajectory("a", 20), trajectory("b", 60)]
    drawn = sample_segments(trajectories, 100, 20, rng=np.random.default_rng(0))
    assert {segment.trajectory.id for segment in drawn} == {"a", "b"}


def test_every_allowed_start_is_drawn() -> None:
    drawn = sample_segments(
        [trajectory("a", 40)], 300, 20, rng=np.random.default_rng(0), start_multiple=7
    )
    assert {segment.start for segment in drawn} == {0, 7, 14}


def test_segments_longer_than_every_trajectory_are_refused_with_both_lengths() -> None:
    with pytest.raises(ShapeError, match=r"100 steps .* longest has 60"):
        sample_segments([trajectory("b", 60)], 1, 100, rng=np.random.default_rng(0))


def test_the_same_seed_draws_the_same_pairs() -> None:
    trajectories = [trajectory("a", 30), trajectory("b", 60)]

    def draw() -> list[tuple[str, int, str, int]]:
        pairs = sample_segment_pairs(trajectories, 10, 20, rng=np.random.default_rng(5))
        return [(f.trajectory.id, f.start, s.trajectory.id, s.start) for f, s in pairs]

    assert draw() == draw()


def test_segments_of_one_trajectory_start_apart_and_those_of_two_need_not() -> None:
    trajectories = [trajectory("a", 30), trajectory("b", 30)]
    pairs = sample_segment_pairs(
        trajectories, 200, 4, rng=np.random.default_rng(0), start_multiple=2, min_gap=5
    )
    apart: dict[bool, list[int]] = {True: [], False: []}
    for first, second in pairs:
        apart[first.trajectory is second.trajectory].append(abs(first.start - second.start))
    assert len(pairs) == 200 and min(apart[True]) == 6 and min(apart[False]) == 0


def test_a_gap_that_is_never_too_small_changes_no_pair() -> None:
    trajectories = [trajectory(f"{k}", 10 + k) for k in range(8)]

    def draw(**options: int) -> list[tuple[str, int, str, int]]:
        pairs = sample_segment_pairs(trajectories, 20, 5, rng=np.random.default_rng(1), **options)
        return [(f.trajectory.id, f.start, s.trajectory.id, s.start) for f, s in pairs]

    assert draw() == draw(min_gap=0)
    assert draw(min_gap=4) != draw()


def test_a_gap_that_hardly_any_segments_have_is_refused() -> None:
    with pytest.raises(
        ShapeError, match="only 0 of 3 pairs are 26 steps apart; the 1 trajectories"
    ):
        sample_segment_pairs([trajectory("a", 30)], 3, 5, rng=np.random.default_rng(0), min_gap=26)


def test_clusters_separate_trajectories_that_differ() -> None:
    trajectories = [trajectory(f"{k}", 30 + k, level=k % 2) for k in range(12)]
    cluster = cluster_trajectories(trajectories, seed=0)
    assert len(set(cluster[0::2])) == len(set(cluster[1::2])) == 1
    assert cluster[0] != cluster[1]


def test_observations_of_any_shape_are_clustered_by_their_entries() -> None:
    vectors = [trajectory(f"{k}", 30 + k, level=k % 2) for k in range(12)]
    clouds = [replace(t, observations=t.observations[:, None]) for t in vectors]
    expected = cluster_trajectories(vectors, seed=0)
    np.testing.assert_array_equal(cluster_trajectories(clouds, seed=0), expected)


def test_clustered_pairs_take_one_segment_from_each_cluster() -> None:
    trajectories = [trajectory(f"{k}", 30 + k, level=k % 2) for k in range(12)]
    pairs = sample_clustered_pairs(trajectories, 50, 10, rng=np.random.default_rng(0))
    sides = {(f.trajectory.level, s.trajectory.level) for f, s in pairs}
    assert len(sides) == 1
    assert {*sides.pop()} == {"0", "1"}


def test_gathered_pairs_carry_only_what_the_source_needs() -> None:
    pairs = sample_segment_pairs([trajectory("a", 30)], 4, 10, rng=np.random.default_rng(0))
    gathered = gather_pairs(pairs, "go", needs=SourceNeeds(env_rewards=True))
    assert gathered.first.env_rewards is not None
    assert gathered.first.env_rewards.shape == (4, 10)
    assert gathered.first.observations is None
    assert gathered.second.instructions == ["go"] * 4
