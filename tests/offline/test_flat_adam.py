import math

import pytest
import torch
from torch import nn

from vlfeedback.offline.flat_adam import FlatAdam, falling_cosine, linear_warmup


def parameter() -> nn.Parameter:
    made = nn.Parameter(torch.linspace(-1, 1, 12).view(2, 6).clone())
    made.grad = torch.zeros_like(made)
    return made


def test_steps_are_those_of_torchs_adam() -> None:
    ours, theirs = parameter(), parameter()
    adam = FlatAdam(ours, 0.1, linear_warmup(3))
    reference = torch.optim.Adam([theirs], lr=0.1)
    for step in range(5):
        for updated in (ours, theirs):
            assert updated.grad is not None
            updated.grad.copy_(updated.detach().square() - step)
        reference.param_groups[0]["lr"] = adam.rate
        adam.step()
        reference.step()
    torch.testing.assert_close(ours, theirs)
    assert adam.steps == 5


def test_a_rate_that_is_held_in_memory_is_that_of_the_steps_named() -> None:
    ours, same = parameter(), parameter()
    held, free = (FlatAdam(p, 0.1, falling_cosine(4)) for p in (ours, same))
    for step in range(3):
        for updated in (ours, same):
            assert updated.grad is not None
            updated.grad.fill_(1.0 - step)
        held.hold_rate(step)
        held.step()
        free.step()
    torch.testing.assert_close(ours, same)


def test_a_loaded_optimiser_goes_on() -> None:
    ours, other = parameter(), parameter()
    one, two = FlatAdam(ours, 0.1, falling_cosine(4)), FlatAdam(other, 0.1, falling_cosine(4))
    for updated in (ours, other):
        assert updated.grad is not None
        updated.grad.fill_(1.0)
    one.step()
    two.load_state_dict(one.state_dict())
    with torch.no_grad():
        other.copy_(ours)
    one.step()
    two.step()
    assert torch.equal(ours, other) and one.rate == two.rate
    one.reset()
    assert one.steps == 0 and not one.mean.any()


def test_schedules_are_those_of_their_names() -> None:
    cosine, warmup = falling_cosine(4), linear_warmup(4)
    assert cosine is not None and warmup is not None
    expected = [1, 0.5 + 0.5 * math.sqrt(0.5), 0.5, 0.5 - 0.5 * math.sqrt(0.5), 0, 0]
    assert [cosine(t) for t in range(6)] == pytest.approx(expected, abs=1e-12)
    assert [warmup(t) for t in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]
    assert falling_cosine(0) is None and linear_warmup(0) is None
