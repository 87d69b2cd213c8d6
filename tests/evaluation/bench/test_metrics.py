"""Figures by hand, and against the rankings that the benchmark goes through."""

import itertools

import numpy as np
import pytest

from vlfeedback.evaluation.bench.metrics import (
    fitted_scores,
    kendall_tau_of_tiers,
    pair_credits,
    scores_on_the_scale,
)


def tau_over_rankings(tiers: np.ndarray, scores: np.ndarray) -> float:
    """Every way to take one clip of each tier, as robometer's script does."""
    by_tier = [scores[tiers == tier] for tier in sorted(set(tiers.tolist()))]
    taus = []
    for ranking in itertools.product(*by_tier):
        pairs = list(itertools.combinations(ranking, 2))
        taus.append(sum(np.sign(better - worse) for worse, better in pairs) / len(pairs))
    return float(np.mean(taus))


@pytest.mark.parametrize("seed", range(5))
def test_tau_is_the_mean_over_every_ranking_of_one_clip_a_tier(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tiers, scores = rng.integers(0, 3, 12), rng.integers(0, 5, 12).astype(float)  # with ties
    assert kendall_tau_of_tiers(tiers, scores) == pytest.approx(tau_over_rankings(tiers, scores))


def test_tau_by_hand() -> None:
    # Tiers 2 and 0 of two clips each: signs of 5-1, 5-5, 3-1, 3-5 are +, 0, +, -: mean 1/4.
    tiers, scores = np.array([2, 2, 0, 0]), np.array([5.0, 3.0, 1.0, 5.0])
    assert kendall_tau_of_tiers(tiers, scores) == 0.25


def test_a_better_ranking_has_a_larger_tau_and_the_opposite_one_the_opposite() -> None:
    tiers, scores = np.array([0, 1, 2]), np.array([1.0, 2.0, 3.0])
    assert kendall_tau_of_tiers(tiers, scores) == 1
    assert kendall_tau_of_tiers(tiers, -scores) == -1
    assert kendall_tau_of_tiers(tiers, 0 * scores) == 0


def test_one_tier_has_no_ranking() -> None:
    assert np.isnan(kendall_tau_of_tiers(np.array([1, 1]), np.array([1.0, 2.0])))


def test_a_tie_counts_as_the_exam_says() -> None:
    leads = np.array([1.0, 0.0, -1.0])
    np.testing.assert_array_equal(pair_credits(leads, 0.5), [1, 0.5, 0])
    np.testing.assert_array_equal(pair_credits(leads, 0.0), [1, 0, 0])


def test_scores_outside_of_0_to_1_are_not_on_the_scale() -> None:
    np.testing.assert_array_equal(
        scores_on_the_scale(np.array([0.0, 0.12, 0.13, 0.5, 1.0])), [1, 1, 2, 3, 5]
    )
    assert scores_on_the_scale(np.array([0.5, 1.01])) is None
    assert scores_on_the_scale(np.array([-0.01, 0.5])) is None


def test_a_fitted_score_is_learnt_on_the_other_tasks() -> None:
    # Two tasks: each is learnt on the other. On "b": 10 means 1 and 30 means 5, so 20 means 3. On
    # "a": 10 means 4, 20 means 2, which must not fall: both mean 3.
    scores = np.array([10.0, 20.0, 10.0, 30.0])
    truth = np.array([4.0, 2.0, 1.0, 5.0])
    fitted = fitted_scores(scores, truth, ["a", "a", "b", "b"], rng=np.random.default_rng(0))
    np.testing.assert_array_equal(fitted, [1, 3, 3, 3])


def test_no_fitted_score_depends_on_the_unit_of_scores() -> None:
    rng = np.random.default_rng(3)
    scores, truth = rng.normal(size=40), rng.integers(1, 6, 40).astype(float)
    tasks = [str(k // 4) for k in range(40)]
    one, other = (
        fitted_scores(unit, truth, tasks, rng=np.random.default_rng(0))
        for unit in (scores, 7 * scores - 100)
    )
    np.testing.assert_array_equal(one, other)
    assert set(one) <= {1, 2, 3, 4, 5}


def test_with_one_task_there_is_nothing_to_learn_from() -> None:
    fitted = fitted_scores(np.ones(2), np.ones(2), ["a", "a"], rng=np.random.default_rng(0))
    assert np.isnan(fitted).all()
