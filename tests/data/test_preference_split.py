"""Holding out pairs of a `PreferenceDataset` by trajectory."""

import numpy as np
import pytest

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.sampling import SegmentPairList, sample_segment_pairs
from vlfeedback.types import PreferenceLabels, Trajectory

TRAJECTORIES = [
    Trajectory(
        observations=np.zeros((21, 3), np.float32),
        actions=np.zeros((20, 2), np.float32),
        id=f"t{n}",
    )
    for n in range(30)
]


def draw(n_pairs: int, seed: int = 0) -> SegmentPairList:
    return sample_segment_pairs(TRAJECTORIES, n_pairs, 5, rng=np.random.default_rng(seed))


def answered(n: int) -> PreferenceLabels:
    return PreferenceLabels(np.ones(n, np.float32), np.ones(n, np.bool_))


def ends(pairs: SegmentPairList) -> list[list[tuple[str, int, int]]]:
    return [[(s.trajectory.id, s.start, s.length) for s in pair] for pair in pairs]


def names(part: PreferenceDataset) -> set[str]:
    return {segment.trajectory.id for pair in part.pairs for segment in pair}


@pytest.mark.parametrize("n_pairs", [10, 40, 400])
@pytest.mark.parametrize("seed", range(5))
def test_no_trajectory_is_in_both_halves(n_pairs: int, seed: int) -> None:
    full = PreferenceDataset(draw(n_pairs, seed), answered(n_pairs))
    training, held_out = full.split(0.1, rng=np.random.default_rng(seed))
    assert not names(training) & names(held_out)
    assert len(held_out) >= n_pairs // 10 and len(training) > 0


def test_pairs_that_straddle_the_cut_are_in_neither_half_and_no_others_are_lost() -> None:
    full = PreferenceDataset(draw(60), answered(60))
    training, held_out = full.split(0.2, rng=np.random.default_rng(0))
    kept = ends(training.pairs) + ends(held_out.pairs)
    lost = [pair for pair in full.pairs if ends([pair])[0] not in kept]
    assert len(training) + len(held_out) + len(lost) == 60 and lost
    for pair in lost:
        sides = {s.trajectory.id for s in pair}
        assert sides & names(held_out) or sides & names(training)
        assert not sides <= names(training) and not sides <= names(held_out)


def test_pairs_of_separate_trajectories_are_split_without_loss() -> None:
    pairs = [
        (TRAJECTORIES[2 * n].segment(0, 5), TRAJECTORIES[2 * n + 1].segment(0, 5))
        for n in range(15)
    ]
    full = PreferenceDataset(pairs, answered(15), cost=np.arange(15.0))
    training, held_out = full.split(0.2, rng=np.random.default_rng(0))
    assert (len(training), len(held_out)) == (12, 3)
    assert training.cost.tolist() == sorted(training.cost)


def test_the_same_seed_splits_alike_and_another_otherwise() -> None:
    full = PreferenceDataset(draw(60), answered(60))
    held_out = [names(full.split(rng=np.random.default_rng(seed))[1]) for seed in (3, 3, 4)]
    assert held_out[0] == held_out[1] != held_out[2]


@pytest.mark.parametrize("n_pairs", [1, 8])
def test_pairs_of_two_trajectories_cannot_be_split(n_pairs: int) -> None:
    pair = (TRAJECTORIES[0].segment(0, 5), TRAJECTORIES[1].segment(0, 5))
    full = PreferenceDataset([pair] * n_pairs, answered(n_pairs))
    with pytest.raises(ValueError, match=f"{n_pairs} pairs of 2 trajectories cannot be split by"):
        full.split(rng=np.random.default_rng(0))


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5])
def test_a_share_outside_zero_and_one_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=r"expected a share of the pairs, above 0 and below 1"):
        PreferenceDataset(draw(4), answered(4)).split(share, rng=np.random.default_rng(0))
