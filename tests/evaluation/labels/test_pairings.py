import math

import numpy as np
import pytest

from vlfeedback.data.pairings import RankedPairs
from vlfeedback.errors import NeedsError
from vlfeedback.evaluation.labels.pairings import (
    PAIRINGS,
    PairScores,
    describe_pairing,
    draw_pairings,
    picture_stride,
    score_pairs,
)
from vlfeedback.rewards.picture_energy import PictureEnergyReward
from vlfeedback.rewards.random import RandomReward
from vlfeedback.scoring.segments import SegmentScorer
from vlfeedback.tasks import get_task
from vlfeedback.types import SourceNeeds, Trajectory


def judged(scores: list[list[float]], truth: list[float], returns: bool = False) -> PairScores:
    return PairScores(
        np.array(truth, np.float32),
        np.array(scores, float)[:, ::-1].copy() if returns else None,
        {"ours": np.array(scores, float)},
    )


def test_every_pairing_is_drawn_and_the_same_seed_draws_the_same(
    trajectories: list[Trajectory],
) -> None:
    def draw(seed: int) -> dict[str, RankedPairs]:
        return draw_pairings(trajectories, "drawer-close", n_pairs=30, length=16, seed=seed)

    posed = draw(3)
    assert tuple(posed) == PAIRINGS
    assert all(len(pairs) == 30 for pairs in posed.values())
    assert {c.segment.start % 5 for p in posed.values() for c in p.first} == {0}
    for pairing, pairs in draw(3).items():
        assert pairs.first == posed[pairing].first
    assert draw(4)["random"].first != posed["random"].first
    sides = [c.segment.trajectory.level for c in posed["clustered"].first]
    assert len(set(sides)) == 1
    right = get_task("drawer-close").instruction
    chosen = {
        (second if truth else first).instruction
        for first, second, truth in zip(
            posed["instruction"].first,
            posed["instruction"].second,
            posed["instruction"].prefer_second,
            strict=True,
        )
    }
    assert chosen == {right}


def test_pairings_that_need_experts_are_left_out_without_them(
    trajectories: list[Trajectory],
) -> None:
    random = [t for t in trajectories if t.level == "random"]
    assert tuple(draw_pairings(random, "drawer-close", n_pairs=4, length=16, seed=0)) == (
        "clustered",
        "random",
    )


def test_the_stride_is_read_off_the_pictures(trajectories: list[Trajectory]) -> None:
    assert picture_stride(trajectories) == 5


def test_picture_energy_brings_its_opposite_and_both_know_nothing_of_reversal(
    trajectories: list[Trajectory],
) -> None:
    posed = draw_pairings(trajectories, "drawer-close", n_pairs=30, length=16, seed=0)
    energy = PictureEnergyReward()
    energy.needs = SourceNeeds(frames=True, granularity="window", context=16, frame_stride=5)
    scorers = {"picture-energy": SegmentScorer(energy), "random": SegmentScorer(RandomReward())}
    clustered, backwards = (
        score_pairs(posed["clustered"], scorers),
        score_pairs(posed["reversed"], scorers),
    )
    assert clustered.right("picture-energy").mean() == 1.0  # experts grow brighter
    assert clustered.right("still").mean() == 0.0
    assert clustered.right("prior").mean() == 1.0
    for name in ("picture-energy", "still", "random"):
        assert backwards.right(name).tolist() == [0.5] * 30


def test_right_wrong_and_tied_labels_over_pairs_that_have_an_order() -> None:
    answers = judged([[0, 1], [1, 0], [1, 1], [0, 9]], [1, 1, 0, 0.5])
    assert answers.labels("ours").tolist() == [1, 0, 0.5, 1]
    assert answers.right("ours").tolist() == [1, 0, 0.5]
    assert answers.right("prior").tolist() == [1, 1, 0]


def test_figures_of_a_pairing() -> None:
    figures = describe_pairing(judged([[0, 1], [1, 0], [1, 1], [0, 9]], [1, 1, 0, 0.5]))
    assert figures["pairs"] == 4
    assert figures["scripted_ties"] == 0.25
    assert figures["accuracy"] == {"ours": 0.5, "prior": pytest.approx(2 / 3)}
    assert figures["ties"] == {"ours": 0.25}
    # 1, 0, 0.5 about 0.5 is 0.5, -0.5, 0; times 1, 1, 0 that is 0.
    assert figures["label_pearson"]["ours"] == pytest.approx(0.0)
    assert "score_pearson" not in figures


def test_correlation_of_scores_with_returns() -> None:
    answers = judged([[0, 1], [2, 3]], [0, 0], returns=True)  # returns: [1, 0], [3, 2]
    figures = describe_pairing(answers)
    assert figures["score_pearson"]["ours"] == pytest.approx(0.6)  # 3 / 5 by hand
    assert figures["score_spearman"]["ours"] == pytest.approx(0.6)
    assert answers.return_gap.tolist() == [1, 1]


def test_labels_on_one_side_only_correlate_in_both_orders_alone() -> None:
    # Three of four right, the truth always 1: 2 * 0.75 - 1 = 0.5.
    figures = describe_pairing(judged([[0, 1], [0, 1], [0, 1], [1, 0]], [1, 1, 1, 1]))
    assert math.isnan(figures["label_pearson"]["ours"])
    assert figures["label_pearson_both_orders"]["ours"] == pytest.approx(0.5)


def test_a_pairing_that_returns_do_not_decide_has_no_gaps_of_them() -> None:
    with pytest.raises(NeedsError, match="not ordered by returns"):
        _ = judged([[0, 1]], [1]).return_gap
