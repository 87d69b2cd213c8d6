"""The two networks: shapes, and that everything they are told matters."""

import pytest
import torch
from torch import Tensor, nn

from vlfeedback.offline.diffusion_networks import ConditionalUnet, MlpDenoiser, StepEmbedding


@pytest.fixture(params=["unet", "mlp"])
def network(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    if request.param == "mlp":
        return MlpDenoiser(8, 3, condition_size=6, hidden=(16, 24))
    return ConditionalUnet(3, condition_size=6, hidden=(8, 16, 24))


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(1)
    return (
        torch.randn(2, 8, 3, generator=rng),
        torch.tensor([3, 50]),
        torch.randn(2, 6, generator=rng),
    )


def test_noise_has_the_shape_of_the_actions(network: nn.Module) -> None:
    assert network(*inputs()).shape == (2, 8, 3)


def test_rows_do_not_touch_each_other(network: nn.Module) -> None:
    actions, steps, observed = inputs()
    alone = network(actions[1:], steps[1:], observed[1:])
    torch.testing.assert_close(network(actions, steps, observed)[1:], alone)


def test_actions_step_and_observations_all_matter(network: nn.Module) -> None:
    actions, steps, observed = inputs()
    found = network(actions, steps, observed)
    for other in (
        network(actions + 0.5, steps, observed),
        network(actions, steps + 20, observed),
        network(actions, steps, observed + 0.5),
    ):
        assert not torch.allclose(other, found, atol=1e-3)


def test_every_weight_is_learnt(network: nn.Module) -> None:
    network(*inputs()).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_a_step_begins_as_sines_and_cosines_of_falling_rates() -> None:
    embedding = StepEmbedding()
    embedding.layers = nn.Sequential(nn.Identity())
    (found,) = embedding(torch.tensor([5]))
    rates = 10_000.0 ** (-torch.arange(64) / 63)
    torch.testing.assert_close(found, torch.cat([(5 * rates).sin(), (5 * rates).cos()]))


def test_the_unet_of_the_paper_has_its_size() -> None:
    """By hand: two blocks a level, each two convolutions of width 5, a FiLM and a skip."""
    condition, action = 128 + 10, 2

    def block(before: int, after: int) -> int:
        convolutions = 5 * before * after + 5 * after * after + 2 * after + 4 * after
        film = 2 * after * (condition + 1)
        return convolutions + film + (before * after + after if before != after else 0)

    def two(before: int, after: int) -> int:
        return block(before, after) + block(after, after)

    total = 128 * 512 + 512 + 512 * 128 + 128
    total += two(action, 256) + two(256, 512) + two(512, 1024) + two(1024, 1024)
    total += two(2048, 512) + two(1024, 256)
    total += sum(3 * c * c + c for c in (256, 512)) + sum(4 * c * c + c for c in (512, 256))
    total += 5 * 256 * 256 + 3 * 256 + 256 * action + action
    with torch.device("meta"):
        network = ConditionalUnet(action, 10, hidden=(256, 512, 1024))
    assert sum(p.numel() for p in network.parameters()) == total
