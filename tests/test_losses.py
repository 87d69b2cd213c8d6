import math

import pytest
import torch

from vlfeedback.losses import bradley_terry, language_preferences


def test_equal_scores_cost_log_two_whatever_the_label() -> None:
    scores = torch.tensor([3.0, -1.0, 0.0])
    loss = bradley_terry(scores, scores, torch.tensor([0.0, 1.0, 0.5]))
    assert loss.item() == pytest.approx(math.log(2))


def test_matches_the_formula_by_hand() -> None:
    loss = bradley_terry(torch.tensor([2.0]), torch.tensor([1.0]), torch.tensor([1.0]))
    expected = -math.log(math.exp(1) / (math.exp(1) + math.exp(2)))
    assert loss.item() == pytest.approx(expected)


def test_preferring_the_higher_score_costs_less_than_preferring_the_lower() -> None:
    first, second = torch.tensor([0.0]), torch.tensor([1.0])
    right = bradley_terry(first, second, torch.tensor([1.0]))
    assert right < bradley_terry(first, second, torch.tensor([0.0]))


def test_swapping_the_pair_and_flipping_the_label_changes_nothing() -> None:
    first, second, label = torch.randn(5), torch.randn(5), torch.rand(5)
    swapped = bradley_terry(second, first, 1 - label)
    assert torch.allclose(bradley_terry(first, second, label), swapped)


def test_scores_of_a_million_stay_finite() -> None:
    loss = bradley_terry(torch.tensor([1e6]), torch.tensor([-1e6]), torch.tensor([1.0]))
    assert loss.item() == pytest.approx(2e6)


def test_a_tie_at_equal_scores_has_no_gradient() -> None:
    first = torch.zeros(3, requires_grad=True)
    bradley_terry(first, torch.zeros(3), torch.full((3,), 0.5)).backward()
    assert first.grad is not None
    assert torch.equal(first.grad, torch.zeros(3))


def cost(better: float, worse: float) -> float:
    return -math.log(math.exp(better) / (math.exp(better) + math.exp(worse)))


def test_language_preferences_match_equation_4_by_hand() -> None:
    loss = language_preferences(
        own_first=torch.tensor([2.0]),
        own_second=torch.tensor([1.0]),
        foreign=torch.tensor([0.5]),
        other_first=torch.tensor([-1.0]),
        other_second=torch.tensor([3.0]),
        prefer_second=torch.tensor([1.0]),
        ilp_weight=0.1,
        ivp_weight=0.5,
    )
    itp = cost(1.0, 2.0)
    ilp = 0.5 * cost(-1.0, 3.0) + 0.5 * cost(3.0, -1.0)
    ivp = cost(2.0, 0.5) + cost(1.0, 0.5)
    assert loss.item() == pytest.approx(itp + 0.1 * ilp + 0.5 * ivp)


def test_language_preferences_of_a_constant_scorer_cost_log_two_a_comparison() -> None:
    same = torch.full((4,), 0.7)
    loss = language_preferences(same, same, same, same, same, torch.tensor([0.0, 1.0, 0.5, 0.2]))
    assert loss.item() == pytest.approx((1 + 0.1 + 2 * 0.5) * math.log(2))


def test_several_foreign_clips_and_instructions_count_with_their_mean() -> None:
    first, second, label = torch.randn(5), torch.randn(5), torch.rand(5)
    foreign, other_first, other_second = torch.randn(3, 4, 5)
    together = language_preferences(first, second, foreign, other_first, other_second, label)
    one_by_one = [
        language_preferences(first, second, foreign[k], other_first[k], other_second[k], label)
        for k in range(4)
    ]
    assert torch.allclose(together, torch.stack(one_by_one).mean())


def test_swapping_the_clips_and_flipping_the_label_changes_no_language_preference() -> None:
    first, second, foreign, other_first, other_second = torch.randn(5, 6)
    label = torch.rand(6)
    loss = language_preferences(first, second, foreign, other_first, other_second, label)
    swapped = language_preferences(second, first, foreign, other_second, other_first, 1 - label)
    assert torch.allclose(loss, swapped)
