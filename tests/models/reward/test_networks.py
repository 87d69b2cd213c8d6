import math

import pytest
import torch
from torch import nn

from vlfeedback.errors import ShapeError
from vlfeedback.models.reward.networks import PictureCNN, RewardModelConfig, StepMLP, build_network


def weights(network: nn.Module, kind: type[nn.Module]) -> list[tuple[int, ...]]:
    return [
        tuple(layer.weight.shape)  # type: ignore[arg-type]
        for layer in network.modules()
        if isinstance(layer, kind)
    ]


def test_the_mlp_is_the_one_of_b_pref() -> None:
    network = build_network(RewardModelConfig(), (43,))
    assert weights(network, nn.Linear) == [(256, 43), (256, 256), (256, 256), (1, 256)]
    slopes = [m.negative_slope for m in network.modules() if isinstance(m, nn.LeakyReLU)]
    assert slopes == [0.01] * 3
    out = network(1e3 * torch.randn(5, 43))
    assert out.shape == (5,)
    assert out.abs().max() <= 1  # tanh


@pytest.mark.parametrize(("size", "n_features"), [(300, 15_488), (200, 6_272), (47, 128)])
def test_the_last_layer_of_the_cnn_reads_as_much_as_in_rl_vlm_f(size: int, n_features: int) -> None:
    network = PictureCNN(size, size)
    assert network.n_features == n_features
    assert network.last.weight.shape == (1, n_features)


def test_the_cnn_reads_pictures_that_are_not_square() -> None:
    network = PictureCNN(64, 100)
    assert network(torch.zeros(2, 64, 100, 3, dtype=torch.uint8)).shape == (2, 1)


def test_the_cnn_is_initialised_as_in_rl_vlm_f_and_has_no_batch_norm() -> None:
    network = PictureCNN(64, 64)
    assert weights(network, nn.Conv2d) == [
        (16, 3, 5, 5),
        (32, 16, 3, 3),
        (64, 32, 3, 3),
        (128, 64, 3, 3),
    ]
    for layer in network.convolutions:
        if isinstance(layer, nn.Conv2d):
            bound = 1 / math.sqrt(layer.weight[0].numel())
            assert 0.9 * bound < layer.weight.abs().max() <= bound
            assert layer.bias is not None
            assert not layer.bias.any()
    assert network.last.weight.abs().max() <= 1e-3
    assert not any(isinstance(m, nn.BatchNorm2d) for m in network.modules())


def test_a_picture_that_is_too_small_for_the_cnn_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"46x64 pixels are too small .* set picture_size=64"):
        PictureCNN(46, 64)


def test_the_resnet_has_eighteen_layers_one_output_and_no_activation_after_it() -> None:
    config = RewardModelConfig(inputs="frames", network="resnet18")
    assert config.output == "linear"
    network = build_network(config, (32, 32, 3))
    convolutions = weights(network, nn.Conv2d)
    beside = [shape for shape in convolutions if shape[2:] == (1, 1)]  # of the three shortcuts
    assert len(convolutions) - len(beside) + 1 == 18
    assert weights(network, nn.Linear) == [(1, 512)]
    assert network.eval()(torch.zeros(2, 32, 32, 3, dtype=torch.uint8)).shape == (2,)


def test_embeddings_are_brought_to_one_scale_and_states_are_not() -> None:
    embedded, state = (StepMLP(8, (4,), normalise=normalise) for normalise in (True, False))
    x = torch.randn(3, 8)
    torch.testing.assert_close(embedded(x), embedded(1000 * x))
    assert not torch.allclose(state(x), state(1000 * x))


def test_a_linear_network_is_one_layer() -> None:
    config = RewardModelConfig(inputs="embeddings", network="linear")
    assert weights(build_network(config, (8,)), nn.Linear) == [(1, 8)]


@pytest.mark.parametrize(
    ("inputs", "network"),
    [
        ("state-action", "mlp"),
        ("state", "mlp"),
        ("frames", "cnn"),
        ("embeddings", "mlp"),
        ("points", "pointnet"),
    ],
)
def test_the_network_follows_from_the_inputs(inputs: str, network: str) -> None:
    assert RewardModelConfig(inputs=inputs).network == network


def test_a_network_that_does_not_read_the_inputs_is_refused_with_those_that_do() -> None:
    with pytest.raises(ValueError, match=r"'cnn' does not read .*: it reads \['frames'\], and the"):
        RewardModelConfig(inputs="state", network="cnn")
    with pytest.raises(ValueError, match=r"'transformer' .*read by \['mlp', 'linear'\]"):
        RewardModelConfig(network="transformer")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"inputs": "sound"}, "inputs='sound'; expected one of"),
        ({"output": "sigmoid"}, "output='sigmoid'; expected 'tanh'"),
        ({"n_members": 0}, "n_members=0 and frame_stride=1; expected at least 1"),
    ],
)
def test_a_setting_out_of_range_is_refused(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        RewardModelConfig(**changes)  # type: ignore[arg-type]
