from collections.abc import Callable

import numpy as np
import pytest

from vlfeedback.data.queries import (
    pair_features,
    sample_picture_pairs,
    select_disagreement,
    select_entropy,
    select_k_center,
    select_k_center_disagreement,
    select_k_center_entropy,
)
from vlfeedback.errors import ShapeError
from vlfeedback.types import Trajectory


def trajectory(name: str, length: int) -> Trajectory:
    steps = np.arange(length + 1, dtype=np.float32)
    return Trajectory(
        observations=np.stack([steps, -steps], axis=1),
        actions=np.full((length, 1), 99, np.float32),
        id=name,
    )


def test_disagreement_picks_the_planted_candidates_the_widest_first() -> None:
    prefer_second = np.full((3, 20), 0.5)
    prefer_second[:, 7] = [0.0, 0.5, 1.0]
    prefer_second[:, 13] = [0.2, 0.5, 0.8]
    assert select_disagreement(prefer_second, 2).tolist() == [7, 13]


def test_entropy_picks_what_each_member_is_unsure_of() -> None:
    # sure of opposite answers; unsure; sure: entropies 0, log 2, 0.325
    prefer_second = np.array([[0.0, 0.5, 0.1], [1.0, 0.5, 0.1]], np.float32)
    assert select_entropy(prefer_second, 3).tolist() == [1, 2, 0]
    assert select_disagreement(prefer_second, 1).tolist() == [0]


def test_what_all_members_are_sure_of_is_ordered_by_how_sure_they_are() -> None:
    # 1 - sigmoid(40) rounds to 0, and so do the entropies of all four.
    logits = np.array([[60.0, -40.0, 50.0, 900.0], [-61.0, 41.0, 49.0, 901.0]])
    assert select_entropy(1 / (1 + np.exp(-np.abs(logits))), 4).tolist() == [0, 1, 2, 3]
    assert select_entropy(logits, 4, logits=True).tolist() == [1, 2, 0, 3]
    features = np.array([[0.0], [1.0], [5.0], [9.0]])
    chosen = select_k_center_entropy(logits, features, 2, logits=True)
    assert chosen.tolist() == [1, 2]  # the half with most entropy


def test_logits_order_as_their_probabilities_do_where_those_can() -> None:
    logits = np.random.default_rng(0).normal(scale=4, size=(3, 40))
    by_probability = select_entropy(1 / (1 + np.exp(-logits)), 40)
    assert select_entropy(logits, 40, logits=True).tolist() == by_probability.tolist()
    # one member unsure, one sure, against both half sure: 0.693 + 0.000 < 2 * 0.365
    mixed = np.array([[0.0, 2.0], [20.0, 2.0]])
    assert select_entropy(mixed, 2, logits=True).tolist() == [1, 0]


def test_equal_scores_are_taken_in_the_order_of_the_pool() -> None:
    assert select_disagreement(np.full((3, 5), 0.5), 3).tolist() == [0, 1, 2]


def test_k_center_takes_the_farthest_from_the_labelled_then_from_the_chosen() -> None:
    features = np.array([[1.0], [2.0], [6.0], [10.0]])
    # labelled at 0: farthest is 10; then 6 (4 from 10) and 2 (2 from 0) compete
    chosen = select_k_center(features, 4, labelled=np.array([[0.0]]))
    assert chosen.tolist() == [3, 2, 1, 0]


def test_k_center_without_labels_starts_with_the_first_candidate() -> None:
    features = np.array([[5.0], [0.0], [6.0], [20.0]])
    assert select_k_center(features, 3).tolist() == [0, 3, 1]
    empty = select_k_center(features, 3, labelled=np.zeros((0, 1)))
    assert empty.tolist() == [0, 3, 1]


@pytest.mark.parametrize("seed", range(5))
def test_k_center_chooses_no_copy_while_distinct_candidates_remain(seed: int) -> None:
    rng = np.random.default_rng(seed)
    distinct = rng.normal(size=(8, 300)) * 1e3  # sums of squares would round to more than 0
    features = rng.permutation(np.concatenate([distinct, distinct, distinct]))
    first = select_k_center(features, 8)
    assert len(np.unique(features[first], axis=0)) == 8
    all_of_them = select_k_center(features, 24)
    assert sorted(all_of_them) == list(range(24))
    labelled = select_k_center(features, 7, labelled=features[:1])
    assert len(np.unique(features[np.r_[0, labelled]], axis=0)) == 8


def test_many_labelled_pairs_are_compared_in_blocks_with_the_same_result() -> None:
    rng = np.random.default_rng(0)
    features, labelled = rng.normal(size=(30, 4)), rng.normal(size=(2500, 4))
    expected: list[int] = []
    known = labelled
    for _ in range(5):
        gaps = np.linalg.norm(features[:, None] - known[None], axis=2).min(axis=1)
        expected.append(int(np.argmax(gaps)))
        known = np.concatenate([known, features[expected[-1] :][:1]])
    assert select_k_center(features, 5, labelled=labelled).tolist() == expected


@pytest.mark.parametrize(
    ("select", "unsure"),
    [(select_k_center_disagreement, [0.0, 1.0]), (select_k_center_entropy, [0.5, 0.5])],
)
def test_the_mixes_cover_the_better_half_of_the_pool(
    select: Callable[..., np.ndarray], unsure: list[float]
) -> None:
    prefer_second = np.full((2, 8), 0.9)
    prefer_second[:, [1, 3, 5, 6]] = np.array(unsure)[:, None]
    features = np.array([[99.0], [0.0], [98.0], [1.0], [97.0], [8.0], [4.0], [96.0]])
    # of the candidates 1, 3, 5, 6 at 0, 1, 8, 4: first 0, then 8, then 4
    assert select(prefer_second, features, 3).tolist() == [1, 5, 6]
    nearby = select(prefer_second, features, 1, labelled=np.array([[8.0]]))
    assert nearby.tolist() == [1]


def test_a_pool_hardly_larger_than_the_queries_is_used_whole() -> None:
    prefer_second, features = np.full((2, 4), 0.5), np.arange(4.0)[:, None]
    assert sorted(select_k_center_entropy(prefer_second, features, 3)) == [0, 1, 2]


def test_more_queries_than_candidates_are_refused() -> None:
    message = "5 queries cannot be chosen from 4 candidates; draw a larger pool, such as 10"
    prefer_second, features = np.full((2, 4), 0.5), np.zeros((4, 1))
    with pytest.raises(ValueError, match=message):
        select_disagreement(prefer_second, 5)
    with pytest.raises(ValueError, match=message):
        select_entropy(prefer_second, 5)
    with pytest.raises(ValueError, match=message):
        select_k_center(features, 5)
    with pytest.raises(ValueError, match="5 queries cannot be chosen from 4 candidates"):
        select_k_center_disagreement(prefer_second, features, 5)


def test_features_are_the_observations_of_both_segments_without_actions() -> None:
    one, other = trajectory("a", 10), trajectory("b", 10)
    features = pair_features([(one.segment(0, 2), other.segment(5, 2))])
    assert features.tolist() == [[0, 0, 1, -1, 5, -5, 6, -6]]


# --- pairs of pictures


def test_pictures_of_one_trajectory_are_apart_and_those_of_two_need_not_be() -> None:
    trajectories = [trajectory("a", 20), trajectory("b", 20)]
    pairs = sample_picture_pairs(trajectories, 300, rng=np.random.default_rng(0), min_gap=5)
    assert len(pairs) == 300
    assert all(s.length == 1 for pair in pairs for s in pair)
    same = [abs(a.start - b.start) for a, b in pairs if a.trajectory is b.trajectory]
    other = [abs(a.start - b.start) for a, b in pairs if a.trajectory is not b.trajectory]
    assert min(same) == 5 and min(other) == 0


def test_by_default_no_picture_is_compared_with_itself() -> None:
    pairs = sample_picture_pairs([trajectory("a", 3)], 100, rng=np.random.default_rng(0))
    assert all(a.start != b.start for a, b in pairs)


def test_steps_are_those_that_were_pictured() -> None:
    rng = np.random.default_rng(0)
    pairs = sample_picture_pairs([trajectory("a", 30)], 50, rng=rng, min_gap=8, start_multiple=7)
    assert {s.start % 7 for pair in pairs for s in pair} == {0}
    assert min(abs(a.start - b.start) for a, b in pairs) == 14


def test_a_gap_longer_than_the_only_trajectory_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"only 0 of 4 pairs are 20 steps apart; .* at most 20 st"):
        sample_picture_pairs([trajectory("a", 20)], 4, rng=np.random.default_rng(0), min_gap=20)
