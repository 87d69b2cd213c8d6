"""Networks side by side against torch's own layers, one by one."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vlfeedback.offline.stacked_mlp import StackedMLP

SIZES = [5, 16, 16, 2]


def generators(n_runs: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(n_runs)]


def stack(n_runs: int = 1, **settings: Any) -> StackedMLP:
    return StackedMLP(SIZES, generators=generators(n_runs), **settings)


def network(stacked: StackedMLP, k: int) -> nn.Sequential:
    """One of them, of ordinary layers."""
    layers: list[nn.Module] = []
    for weight, bias in stacked.layers:
        layer = nn.Linear(weight.shape[2], weight.shape[1])
        layer.load_state_dict({"weight": weight[k].clone(), "bias": bias[k, 0].clone()})
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def rows(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(9))


def test_each_run_has_its_rows_and_all_its_members_see_them() -> None:
    stacked, given = stack(n_runs=3, n_members=2), rows(3, 7, 5)
    outputs = stacked.by_run(stacked(given))
    assert outputs.shape == (3, 2, 7, 2)
    for run in range(3):
        for member in range(2):
            expected = network(stacked, 2 * run + member)(given[run])
            torch.testing.assert_close(outputs[run, member], expected)


def test_rows_without_a_run_are_seen_by_all() -> None:
    stacked, given = stack(n_runs=2), rows(7, 5)
    for k, output in enumerate(stacked(given)):
        torch.testing.assert_close(output, network(stacked, k)(given))


@pytest.mark.parametrize("n_members", [1, 2])
def test_gradients_are_those_of_autograd(n_members: int) -> None:
    stacked, given = stack(n_runs=2, n_members=n_members), rows(2, 7, 5)
    activations = stacked.activations(given)
    gradient = rows(2 * n_members, 7, 2)
    stacked.backward(activations, gradient)
    for k in range(2 * n_members):
        alone = network(stacked, k)
        alone(given[k // n_members]).backward(gradient[k])
        expected = torch.cat([p.grad.flatten() for p in alone.parameters() if p.grad is not None])
        assert stacked.flat.grad is not None
        torch.testing.assert_close(stacked.flat.grad[k], expected)


def test_a_run_has_the_weights_and_masks_that_it_has_alone() -> None:
    settings: dict[str, Any] = {"n_members": 2, "dropout": 0.25}
    for orthogonal in (True, False):
        stacked = stack(n_runs=3, orthogonal=orthogonal, **settings)
        given = rows(3, 7, 5)
        outputs = stacked.by_run(stacked.activations(given, counts=torch.tensor([7, 4, 7]))[-1])
        for run, generator in enumerate(generators(3)):
            alone = StackedMLP(SIZES, generators=[generator], orthogonal=orthogonal, **settings)
            n = 4 if run == 1 else 7
            if run != 1:
                expected = alone.activations(given[run : run + 1, :n])[-1]
                torch.testing.assert_close(outputs[run, :, :n], expected)
            else:
                alone.activations(given[run : run + 1, :n])
            assert torch.equal(alone.flat, stacked.flat[2 * run : 2 * run + 2])


def test_dropout_leaves_out_its_share_scales_the_rest_and_passes_no_gradient_where_it_did() -> None:
    stacked = StackedMLP([1, 4000, 1], generators=generators(1), dropout=0.25)
    (weight, bias), (after, _) = stacked.layers
    weight.zero_(), bias.fill_(3.0), after.fill_(1.0)
    activations = stacked.activations(torch.ones(1, 1, 1))
    kept = activations[1][0, 0] != 0
    assert kept.float().mean().item() == pytest.approx(0.75, abs=0.03)
    torch.testing.assert_close(activations[1][0, 0][kept], torch.full((int(kept.sum()),), 4.0))
    stacked.backward(activations, torch.ones(1, 1, 1))
    assert stacked.flat.grad is not None
    torch.testing.assert_close(stacked.flat.grad[0, :4000], kept.float() / 0.75)


def test_masks_are_for_training_alone_and_differ_from_batch_to_batch() -> None:
    stacked, given = stack(dropout=0.5), rows(1, 7, 5)
    assert torch.equal(stacked(given), stacked(given))
    first = stacked.activations(given)[-1].clone()
    assert not torch.equal(first, stacked.activations(given)[-1])


def test_bfloat16_agrees_with_float32_within_its_precision_and_acts_in_float32() -> None:
    given = rows(1, 64, 5)
    exact, fast = (stack(bfloat16=bfloat16, orthogonal=True) for bfloat16 in (False, True))
    torch.testing.assert_close(fast(given), exact(given), atol=0.02, rtol=0.02)
    assert not torch.equal(fast(given), exact(given))
    assert torch.equal(fast.eval()(given), exact.eval()(given))
    gradients = []
    for stacked in (exact.train(), fast.train()):
        activations = stacked.activations(given)
        stacked.backward(activations, 2 * activations[-1])
        assert stacked.flat.grad is not None
        gradients.append(stacked.flat.grad[0])
    assert torch.cosine_similarity(gradients[0], gradients[1], dim=0) > 0.999


def test_further_parameters_are_zero_at_first_and_count_with_the_others() -> None:
    stacked = stack(n_runs=2, n_extra=3)
    assert torch.equal(stacked.extra, torch.zeros(2, 3))
    stacked.extra_gradient.fill_(1.0)
    assert stacked.flat.grad is not None and stacked.flat.grad[:, -3:].sum() == 6
