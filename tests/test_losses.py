import math

import pytest
import torch

from vlfeedback.losses import bradley_terry


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
