import math

import pytest
import torch

from vlfeedback.losses import (
    bradley_terry,
    contrastive,
    contrastive_ranking,
    expectile,
    ipl,
    language_preferences,
)


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


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_contrastive_matches_the_formula_by_hand() -> None:
    first, second = torch.tensor([-1.0, 2.0]), torch.tensor([0.5, -3.0])
    loss = contrastive(first, second, torch.tensor([1.0, 0.0]), bias=0.5)
    expected = (softplus(-(0.5 - 0.5 * -1.0)) + softplus(-(2.0 - 0.5 * -3.0))) / 2
    assert loss.item() == pytest.approx(expected)


def test_contrastive_equals_the_form_of_two_exponentials() -> None:
    first, second, label = torch.randn(6), torch.randn(6), torch.rand(6)
    loss = contrastive(first, second, label, bias=0.75)
    second_wins = second.exp() / (second.exp() + (0.75 * first).exp())
    first_wins = first.exp() / (first.exp() + (0.75 * second).exp())
    expected = -(label * second_wins.log() + (1 - label) * first_wins.log()).mean()
    assert torch.allclose(loss, expected)


def test_a_contrastive_tie_averages_both_orders() -> None:
    first, second = torch.randn(4), torch.randn(4)
    one, other = (contrastive(first, second, torch.full((4,), y)) for y in (0.0, 1.0))
    assert torch.allclose(contrastive(first, second, torch.full((4,), 0.5)), (one + other) / 2)


def test_swapping_the_pair_and_flipping_the_label_changes_no_contrastive_loss() -> None:
    first, second, label = torch.randn(5), torch.randn(5), torch.rand(5)
    swapped = contrastive(second, first, 1 - label)
    assert torch.allclose(contrastive(first, second, label), swapped)


def test_a_constant_on_both_advantages_counts_only_with_a_bias_below_one() -> None:
    first, second, label = torch.randn(5), torch.randn(5), torch.rand(5)

    def change(bias: float) -> float:
        shifted = contrastive(first - 2, second - 2, label, bias)
        return (shifted - contrastive(first, second, label, bias)).item()

    assert change(1.0) == pytest.approx(0.0, abs=1e-6)
    assert change(0.5) > 0.1


def test_contrastive_advantages_of_a_million_stay_finite() -> None:
    first = torch.tensor([1e6, -1e6], requires_grad=True)
    loss = contrastive(first, torch.tensor([-1e6, 1e6]), torch.tensor([1.0, 1.0]), bias=0.5)
    loss.backward()
    assert loss.item() == pytest.approx((1e6 + 0.5 * 1e6) / 2)
    assert first.grad is not None
    assert first.grad.tolist() == [0.25, 0.0]


def test_the_contrastive_gradient_is_the_formula_by_hand() -> None:
    first = torch.tensor([0.3], requires_grad=True)
    contrastive(first, torch.tensor([-0.2]), torch.tensor([0.0]), bias=0.5).backward()
    assert first.grad is not None
    assert first.grad.item() == pytest.approx(-1 / (1 + math.exp(0.3 + 0.1)))


def test_pairs_of_weight_zero_have_no_gradient_and_no_place_in_the_mean() -> None:
    first = torch.tensor([0.5, 0.1, -2.0], requires_grad=True)
    second, label = torch.tensor([1.0, 0.3, 4.0]), torch.tensor([1.0, 0.5, 0.0])
    weight = torch.tensor([1.0, 0.0, 1.0])
    loss = contrastive(first, second, label, weight=weight)
    loss.backward()
    kept = torch.tensor([0, 2])
    assert torch.allclose(loss, contrastive(first[kept], second[kept], label[kept]))
    assert first.grad is not None
    assert first.grad[1] == 0


def test_the_mean_over_all_pairs_shrinks_with_the_pairs_of_weight_zero() -> None:
    first, second, label = torch.randn(4), torch.randn(4), torch.rand(4)
    weight = torch.tensor([1.0, 0.0, 0.0, 0.0])
    over_one = contrastive(first, second, label, weight=weight)
    over_four = contrastive(first, second, label, weight=weight, mean_over_all=True)
    assert torch.allclose(over_four, over_one / 4)


def test_weights_that_are_all_zero_cost_nothing() -> None:
    loss = contrastive(torch.ones(2), torch.ones(2), torch.ones(2), weight=torch.zeros(2))
    assert loss.item() == 0.0


def test_a_ranking_is_the_mean_over_all_pairs_of_segments() -> None:
    advantages, scores = torch.tensor([0.2, -1.0, 3.0]), torch.tensor([5.0, 1.0, 3.0])
    better_first = [(0.2, -1.0), (0.2, 3.0), (3.0, -1.0)]
    expected = sum(softplus(-(better - 0.5 * worse)) for better, worse in better_first) / 3
    assert contrastive_ranking(advantages, scores).item() == pytest.approx(expected)


def test_the_order_of_ranked_segments_changes_nothing_and_equal_scores_tie() -> None:
    advantages, scores = torch.randn(5), torch.tensor([1.0, 2.0, 2.0, 0.0, 3.0])
    order = torch.tensor([3, 1, 4, 2, 0])
    loss = contrastive_ranking(advantages, scores)
    assert torch.allclose(loss, contrastive_ranking(advantages[order], scores[order]))
    tied = contrastive_ranking(advantages[1:3], scores[1:3])
    assert torch.allclose(tied, contrastive(advantages[1:2], advantages[2:3], torch.tensor([0.5])))


def test_an_expectile_weighs_positive_differences_with_tau() -> None:
    loss = expectile(torch.tensor([2.0, -3.0]), tau=0.7)
    assert loss.item() == pytest.approx((0.7 * 4 + 0.3 * 9) / 2)


def test_ipl_matches_the_formula_by_hand() -> None:
    first = torch.tensor([[[1.0, -0.5]], [[0.0, 2.0]]])
    second = torch.tensor([[[0.5, 0.5]], [[1.0, -1.0]]])
    loss = ipl(first, second, torch.tensor([1.0]), regularisation=0.5)
    preference = (softplus(-(1.0 - 0.5)) + softplus(-(0.0 - 2.0))) / 2
    squares = (1 + 0.25 + 0 + 4 + 0.25 + 0.25 + 1 + 1) / 8
    assert loss.item() == pytest.approx(preference + 0.5 * squares)


def test_ipl_without_regularisation_is_bradley_terry_on_summed_rewards() -> None:
    first, second, label = torch.randn(1, 4, 3), torch.randn(1, 4, 3), torch.rand(4)
    expected = bradley_terry(first[0].sum(-1), second[0].sum(-1), label)
    assert torch.allclose(ipl(first, second, label, regularisation=0.0), expected)


def test_swapping_the_pair_and_flipping_the_label_changes_no_ipl_loss() -> None:
    first, second, label = torch.randn(2, 4, 3), torch.randn(2, 4, 3), torch.rand(4)
    assert torch.allclose(ipl(first, second, label), ipl(second, first, 1 - label))


def test_more_members_of_the_same_rewards_cost_ipl_the_same() -> None:
    first, second, label = torch.randn(1, 4, 3), torch.randn(1, 4, 3), torch.rand(4)
    twice = ipl(first.repeat(2, 1, 1), second.repeat(2, 1, 1), label)
    assert torch.allclose(ipl(first, second, label), twice)


def test_ipl_replay_shares_the_regularisation() -> None:
    first, second, label = torch.randn(2, 4, 3), torch.randn(2, 4, 3), torch.rand(4)
    replay = torch.tensor([[1.0, 3.0], [1.0, 1.0]])
    plain = ipl(first, second, label, regularisation=0.0)
    squares = ipl(first, second, label, regularisation=1.0) - plain
    loss = ipl(first, second, label, regularisation=0.5, replay=replay, replay_weight=0.25)
    assert torch.allclose(loss, plain + 0.5 * (0.75 * squares + 0.25 * (1 + 9 + 1 + 1) / 4))


def test_implied_rewards_of_a_million_stay_finite() -> None:
    first = torch.full((1, 1, 1), 1e6, requires_grad=True)
    ipl(first, -first.detach(), torch.tensor([1.0]), regularisation=0.0).backward()
    assert first.grad is not None
    assert first.grad.item() == pytest.approx(1.0)
