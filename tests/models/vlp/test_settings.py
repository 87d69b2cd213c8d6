import pytest
import torch
from torch import nn

from vlfeedback.models.vlp.network import VLPArchitecture
from vlfeedback.models.vlp.optimiser import Optimiser
from vlfeedback.models.vlp.settings import VLPTraining


def test_what_is_said_to_be_the_papers_is_the_papers() -> None:
    training, architecture = VLPTraining(), VLPArchitecture()
    assert (training.ilp_weight, training.ivp_weight) == (0.1, 0.5)
    assert training.weight_decay == 0.1
    assert (architecture.n_frames, architecture.self_layers, architecture.dropout) == (8, 2, 0.1)


def test_the_rate_rises_through_the_warm_up_and_falls_as_a_cosine() -> None:
    parameter = nn.Parameter(torch.zeros(1))
    optimiser = Optimiser([parameter], VLPTraining(warmup=2))
    optimiser.begin(4, 0.1)
    rates = []
    for _ in range(4):
        before = parameter.item()
        optimiser.step(parameter.sum())  # under a gradient that stays, Adam moves by its rate
        rates.append(before - parameter.item())
    half_warm, cosine = 0.5, [1.0, 0.853553, 0.5, 0.146447]
    expected = [0.1 * half_warm * cosine[0], *(0.1 * c for c in cosine[1:])]
    assert rates == pytest.approx(expected, rel=1e-4)


def test_matrices_decay_and_vectors_do_not() -> None:
    matrix, vector = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))
    optimiser = Optimiser([matrix, vector], VLPTraining(warmup=2, weight_decay=0.1))
    optimiser.begin(4, 0.1)
    optimiser.step(0.0 * (matrix.sum() + vector.sum()))
    first_rate = 0.1 * 0.5
    torch.testing.assert_close(matrix.detach(), torch.full((2, 2), 1 - first_rate * 0.1))
    torch.testing.assert_close(vector.detach(), torch.ones(2))


def test_gradients_are_cut_to_length_one() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    optimiser = Optimiser([parameter], VLPTraining())
    optimiser.begin(4, 0.1)
    optimiser.step(30.0 * parameter[0] + 40.0 * parameter[1])
    assert parameter.grad is not None
    torch.testing.assert_close(parameter.grad, torch.tensor([0.6, 0.8]), atol=1e-4, rtol=0.0)
