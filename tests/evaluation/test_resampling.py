import math

import numpy as np
import pytest

from vlfeedback.evaluation.resampling import (
    Bootstrap,
    Resampled,
    combine,
    estimate_mean,
    estimate_mean_of_groups,
    estimate_statistic,
    resample_mean,
)


@pytest.fixture
def bootstrap() -> Bootstrap:
    levels = {"a": "expert", "b": "expert", "c": "random"}
    return Bootstrap(levels, rng=np.random.default_rng(0), n_resamples=500)


def test_every_resample_has_as_many_of_each_level_as_there_are(bootstrap: Bootstrap) -> None:
    weights = bootstrap.weights(["a", "b", "c"])
    assert weights.shape == (500, 3)
    assert set((weights[:, 0] + weights[:, 1]).tolist()) == {2}
    assert set(weights[:, 2].tolist()) == {1}


def test_a_pair_counts_as_often_as_both_its_episodes_are_drawn(bootstrap: Bootstrap) -> None:
    single = bootstrap.weights(["a", "b"])
    pairs = bootstrap.pair_weights(["a", "a"], ["b", "a"])
    assert pairs[:, 0].tolist() == (single[:, 0] * single[:, 1]).tolist()
    assert pairs[:, 1].tolist() == single[:, 0].tolist()  # both clips of one episode: drawn once


def test_the_interval_of_a_mean_is_over_episodes_not_over_clips(bootstrap: Bootstrap) -> None:
    # Ten clips of "a" are right and ten of "b" are wrong. A resample draws "a" twice with
    # probability 1/4, "b" twice with 1/4, so the 2.5 and 97.5 % points are 0 and 1.
    members = ["a"] * 10 + ["b"] * 10
    estimate = estimate_mean(np.repeat([1.0, 0.0], 10), bootstrap.weights(members))
    assert (estimate.mean, estimate.low, estimate.high, estimate.n) == (0.5, 0.0, 1.0, 20)


def test_a_mean_of_nothing_is_no_number(bootstrap: Bootstrap) -> None:
    estimate = estimate_mean(np.zeros(0), bootstrap.weights([]))
    assert math.isnan(estimate.mean) and math.isnan(estimate.low)


def test_a_statistic_gets_what_was_drawn_as_often_as_it_was(bootstrap: Bootstrap) -> None:
    values = np.array([1.0, 3.0])
    estimate = estimate_statistic(lambda k: float(values[k].sum()), bootstrap.weights(["a", "b"]))
    assert (estimate.mean, estimate.low, estimate.high) == (4.0, 2.0, 6.0)


def test_resamples_in_which_a_statistic_is_not_defined_count_in_no_interval(
    bootstrap: Bootstrap,
) -> None:
    values = np.array([1.0, 3.0])
    estimate = estimate_statistic(
        lambda k: float(values[k].mean()) if len(set(k.tolist())) == 2 else math.nan,
        bootstrap.weights(["a", "b"]),
    )
    assert (estimate.low, estimate.high) == (2.0, 2.0)


def test_a_mean_of_groups_counts_each_group_once() -> None:
    values, groups = np.array([0.0, 1.0, 1.0, 1.0]), ["a", "b", "b", "b"]
    weights = np.array([[1, 1, 1, 1], [2, 0, 0, 0], [0, 1, 0, 0]])
    estimate = estimate_mean_of_groups(values, weights, groups)
    assert estimate.mean == 0.5  # of a's 0 and b's 1
    # Resamples: the same 0.5; a alone, 0; b alone, 1.
    assert (estimate.low, estimate.high) == pytest.approx((0.025, 0.975))
    assert estimate.n == 4
    assert np.isnan(estimate_mean_of_groups(values[:0], weights[:, :0], []).mean)


def test_a_mean_leaves_out_what_is_not_defined_in_each_resample() -> None:
    weights = np.array([[1, 1, 1], [2, 1, 0], [0, 3, 0]])
    figure = resample_mean(np.array([1.0, np.nan, 4.0]), weights)
    assert (figure.value, figure.n) == (2.5, 2)
    assert figure.draws[:2].tolist() == [2.5, 1.0]
    assert np.isnan(figure.draws[2])  # nothing was drawn that is defined


def test_figures_are_combined_resample_by_resample() -> None:
    first = Resampled(3.0, np.array([2.0, 4.0]), 5)
    second = Resampled(1.0, np.array([2.0, 1.0]), 7)
    difference = combine(np.subtract, first, second)
    assert difference.value == 2.0
    assert difference.draws.tolist() == [0.0, 3.0]
    assert difference.n == 12
    assert combine(np.subtract, first, second, n=5).n == 5


def test_an_estimate_of_draws_minds_only_those_that_are_defined() -> None:
    estimate = Resampled(1.0, np.array([0.0, np.nan, 2.0]), 3).estimate
    assert (estimate.low, estimate.high) == pytest.approx((0.05, 1.95))
