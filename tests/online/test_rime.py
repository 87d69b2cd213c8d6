import math

import numpy as np
import pytest
from scipy.special import expit

from vlfeedback.errors import InvalidValueError
from vlfeedback.online import RIMEConfig, RIMEFilter
from vlfeedback.online.rime import label_divergence

NOBODY = np.zeros(4, np.bool_)


def test_the_divergence_is_the_cross_entropy_of_the_label_and_the_mean_prediction() -> None:
    logits = np.array([[2.0, -1.0, 0.0], [0.0, -3.0, 0.0]])
    labels = np.array([1, 1, 0.5], np.float32)
    second = expit(logits).mean(axis=0)
    expected = [-math.log(second[0]), -math.log(second[1]), math.log(2)]
    np.testing.assert_allclose(label_divergence(logits, labels), expected, rtol=1e-9)


def test_the_weight_of_the_variance_falls_from_3_to_1_in_600_passes() -> None:
    config = RIMEConfig()
    assert [config.beta(n) for n in (0, 300, 600, 900)] == pytest.approx([3.0, 2.0, 1.0, 1.0])


def test_bounds_are_those_of_the_code() -> None:
    assert RIMEConfig().upper == pytest.approx(6.9078, abs=1e-4)
    judge = RIMEFilter()
    assert judge.lower == pytest.approx(-math.log(1e-8))  # 18.4: all are trusted at first
    logits, labels = np.array([[1.0, -1.0, 3.0, 0.5]]), np.array([1, 0, 1, 1], np.float32)
    divergence = label_divergence(logits, labels)
    judge.begin_pass(logits, labels, NOBODY)
    rho, variance = 0.1 * divergence.max(), divergence.var()
    slack = min((3 - 2 / 600) * variance, 3.0)
    assert judge.lower == pytest.approx(-math.log(rho + 1e-8) + 0.5 * rho + slack)


def test_what_the_ensemble_gives_less_than_a_thousandth_is_turned_round_but_no_tie() -> None:
    logits, labels = np.array([[-8.0, -8.0, 8.0, -6.0]]), np.array([1, 0.5, 1, 1], np.float32)
    trust = RIMEFilter().judge(logits, labels, NOBODY)
    assert trust.flipped.tolist() == [True, False, False, False]
    assert trust.trusted.tolist() == [False, True, True, True]


def test_what_is_certain_is_trusted_whatever_the_ensemble_says() -> None:
    certain = np.array([True, False, False, False])
    trust = RIMEFilter().judge(np.full((1, 4), -9.0), np.ones(4, np.float32), certain)
    assert trust.trusted.tolist() == [True, False, False, False]
    assert trust.flipped.tolist() == [False, True, True, True]


def test_most_trusted_labels_are_clean_where_three_in_ten_were_flipped() -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random(1000) < 0.5).astype(np.float32)
    logits = np.where(truth == 1, 1, -1) * rng.gamma(9.0, 1.0, (3, 1000))  # of a fitted ensemble
    is_flipped = rng.random(1000) < 0.3
    labels = np.where(is_flipped, 1 - truth, truth).astype(np.float32)
    judge, nobody = RIMEFilter(), np.zeros(1000, np.bool_)
    for _ in range(30):
        trust = judge.begin_pass(logits, labels, nobody)
    assert np.mean(~is_flipped[trust.trusted]) > 0.8
    assert np.mean(is_flipped[trust.flipped]) > 0.95
    assert trust.flipped.sum() > 50


def test_a_filter_comes_back_as_it_was() -> None:
    judge, other = RIMEFilter(), RIMEFilter()
    rng = np.random.default_rng(1)
    for _ in range(3):
        judge.begin_pass(rng.normal(size=(3, 4)), np.array([1, 0, 1, 0], np.float32), NOBODY)
    other.restore(judge.state())
    assert other.lower == judge.lower
    assert other.n_passes == 3


def test_a_weight_that_rises_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="a weight that falls"):
        RIMEConfig(beta_start=0.5)
    with pytest.raises(InvalidValueError, match=r"flip_probability=0\.7"):
        RIMEConfig(flip_probability=0.7)
