"""The squared-cosine schedule and DDIM, by their formulas."""

import math

import pytest
import torch
from torch import Tensor

from vlfeedback.offline.diffusion_schedule import NoiseSchedule


def level(t: float) -> float:
    return math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2


def test_the_data_s_share_is_a_squared_cosine_until_a_step_would_leave_nothing() -> None:
    kept = NoiseSchedule(100).alpha_bar
    expected = [level((t + 1) / 100) / level(0) for t in range(99)]
    torch.testing.assert_close(kept[:99], torch.tensor(expected))
    assert kept[99].item() == pytest.approx(expected[98] * (1 - 0.999), rel=1e-5)
    assert kept[0] > 0.999 and torch.all(kept[1:] < kept[:-1])


def test_noise_is_added_so_that_variances_add_up() -> None:
    schedule = NoiseSchedule(10)
    data, noise = torch.full((2, 1, 1), 0.5), torch.full((2, 1, 1), -2.0)
    noisy = schedule.add_noise(data, noise, torch.tensor([0, 7]))
    for row, step in enumerate((0, 7)):
        kept = level((step + 1) / 10) / level(0)
        expected = math.sqrt(kept) * 0.5 - math.sqrt(1 - kept) * 2
        assert noisy[row].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("n_steps", [1, 10, 16, 100])
def test_who_knows_the_noise_recovers_the_data(n_steps: int) -> None:
    schedule = NoiseSchedule(100)
    rng = torch.Generator().manual_seed(0)
    data = torch.rand(3, 4, 2, generator=rng) * 2 - 1

    def know(noisy: Tensor, steps: Tensor) -> Tensor:
        kept = schedule.alpha_bar[steps][:, None, None]
        return (noisy - kept.sqrt() * data) / (1 - kept).sqrt()

    noise = torch.randn(data.shape, generator=rng)
    torch.testing.assert_close(schedule.denoise(noise, know, n_steps), data, atol=1e-4, rtol=0)


def test_one_step_of_ddim_is_equation_12() -> None:
    """Two sampling steps of ten: from step 5 to step 0, to the data."""
    schedule = NoiseSchedule(10)
    asked = []

    def guess(noisy: Tensor, steps: Tensor) -> Tensor:
        asked.append(int(steps[0]))
        return torch.full_like(noisy, 0.4)

    x = 0.3
    for step in (5, 0):
        kept = level((step + 1) / 10) / level(0)
        later = level(1 / 10) / level(0) if step else 1.0
        clean = max(-1.0, min(1.0, (x - math.sqrt(1 - kept) * 0.4) / math.sqrt(kept)))
        x = math.sqrt(later) * clean + math.sqrt(1 - later) * 0.4
    found = schedule.denoise(torch.full((1, 1, 1), 0.3), guess, 2)
    assert asked == [5, 0]
    assert found.item() == pytest.approx(x, rel=1e-5)


def test_what_comes_out_lies_in_the_range_of_the_data() -> None:
    found = NoiseSchedule(10).denoise(torch.randn(50, 2, 1) * 5, lambda x, _: -9 * x, 5)
    assert found.abs().max() <= 1


@pytest.mark.parametrize("n_steps", [0, 11])
def test_steps_that_do_not_exist_are_refused(n_steps: int) -> None:
    with pytest.raises(ValueError, match=f"{n_steps} sampling steps; expected 1 to 10"):
        NoiseSchedule(10).denoise(torch.zeros(1, 1, 1), lambda x, _: x, n_steps)
