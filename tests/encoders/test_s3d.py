from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from vlfeedback.encoders.recognise import recognise
from vlfeedback.encoders.s3d import S3D, load_s3d, pool_same, space_to_depth
from vlfeedback.errors import CheckpointError, NeedsError, ShapeError

Tensors = dict[str, Tensor]


@pytest.fixture(scope="module")
def network() -> S3D:
    return load_s3d(random_weights_seed=0)


@pytest.fixture(scope="module")
def official() -> Tensors:
    """Tensors of the released names and shapes; those of batch norm are no identity."""
    generator = torch.Generator().manual_seed(1)
    tensors = {k: t.clone() for k, t in load_s3d(random_weights_seed=1).state_dict().items()}
    for key in (k for k in tensors if ".bn" in k and not k.endswith("num_batches_tracked")):
        tensors[key] = 0.5 + torch.rand(tensors[key].shape, generator=generator)
    return tensors


def clips(*size: int, seed: int = 0) -> Tensor:
    return torch.rand(size, generator=torch.Generator().manual_seed(seed))


# The file's layout -----------------------------------------------------------------------------


def test_it_has_the_tensors_of_the_released_file(network: S3D) -> None:
    groups = Counter(key.split(".")[0] for key in network.state_dict())
    blocks = [f"mixed_{name}" for name in ["3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c"]]
    expected = {"conv1": 6, "conv_2b": 6, "conv_2c": 12, "gating": 2, "fc": 2, "text_module": 5}
    assert groups == expected | dict.fromkeys(blocks, 56)
    assert groups.total() == 537


def test_it_has_the_parameters_of_the_paper(network: S3D) -> None:
    text = sum(p.numel() for p in network.text_module.parameters())
    assert text == 66_250 * 300 + (300 + 1) * 2048 + (2048 + 1) * 512 == 21_540_536
    assert sum(p.numel() for p in network.parameters()) - text == 9_670_800


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ("conv1.conv1.weight", (64, 24, 2, 4, 4)),
        ("conv_2b.bn1.running_var", (64,)),
        ("conv_2c.conv1.weight", (192, 64, 1, 3, 3)),
        ("conv_2c.conv2.weight", (192, 192, 3, 1, 1)),
        ("gating.fc.weight", (192, 192)),
        ("mixed_3b.conv_b1_b.conv2.weight", (128, 128, 3, 1, 1)),
        ("mixed_4e.conv_b2_a.conv1.weight", (32, 512, 1, 1, 1)),
        ("mixed_5c.conv_b3_b.bn1.num_batches_tracked", ()),
        ("mixed_5c.gating_b0.fc.bias", (384,)),
        ("fc.weight", (512, 1024)),
        ("text_module.word_embd.weight", (66250, 300)),
        ("text_module.fc2.bias", (512,)),
    ],
)
def test_names_and_shapes_are_the_released_ones(
    network: S3D, key: str, shape: tuple[int, ...]
) -> None:
    assert network.state_dict()[key].shape == shape


def test_no_convolution_has_a_bias(network: S3D) -> None:
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv3d)]
    assert len(convolutions) == 1 + 1 + 2 + 9 * 8
    assert all(m.bias is None for m in convolutions)


# Parts, by hand --------------------------------------------------------------------------------


def test_blocks_become_channels_ordered_by_time_height_width_and_colour() -> None:
    clip = clips(1, 3, 4, 6, 8)
    expected = torch.zeros(1, 24, 2, 3, 4)
    for t, h, w, c in np.ndindex(4, 6, 8, 3):
        channel = 12 * (t % 2) + 6 * (h % 2) + 3 * (w % 2) + c
        expected[0, channel, t // 2, h // 2, w // 2] = clip[0, c, t, h, w]
    assert torch.equal(space_to_depth(clip), expected)


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ((31, 8, 8), "31 pictures of 8 x 8"),
        ((2, 225, 8), "2 pictures of 225 x 8"),
        ((2, 8, 7), "8 x 7 px"),
        ((0, 8, 8), "at least 2"),
    ],
)
def test_odd_sizes_are_refused(network: S3D, size: tuple[int, int, int], said: str) -> None:
    with pytest.raises(ShapeError, match=said):
        network(torch.zeros(1, 3, *size))


@pytest.mark.parametrize(
    ("kernel", "values", "expected"),
    [
        (3, [1, 2, 3, 4], [3, 4]),  # one zero, at the end
        (3, [1, 2, 3, 4, 5], [3, 5, 5]),
        (3, [-1, -2, -3, -4], [-1, 0]),  # the zero is seen
        (3, [-1], [0]),
        (2, [1, 2, 3, 4], [2, 4]),
        (2, [-1, -2, -3], [-1, -3]),  # no zero: the last is pooled alone
    ],
)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_pooling_pads_as_tensorflow_does(
    kernel: int, values: list[int], expected: list[int], axis: int
) -> None:
    shape, kernels, strides = [1, 1, 1], [1, 1, 1], [1, 1, 1]
    shape[axis], kernels[axis], strides[axis] = -1, kernel, 2
    x = torch.tensor(values, dtype=torch.float32).reshape(1, 1, *shape)
    pooled = pool_same(x, tuple(kernels), tuple(strides))  # type: ignore[arg-type]
    assert pooled.flatten().tolist() == expected
    assert pooled.shape[2 + axis] == len(expected)


@torch.inference_mode()
def test_the_first_convolution_pads_as_tensorflow_does(network: S3D) -> None:
    seen: list[Tensor] = []
    hook = network.conv_2b.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    clip = clips(1, 3, 4, 8, 12)
    network(clip)
    hook.remove()
    padded = functional.pad(space_to_depth(clip), (1, 2, 1, 2, 0, 1))
    x = network.conv1.bn1(functional.conv3d(padded, network.conv1.conv1.weight)).relu()
    torch.testing.assert_close(seen[0], pool_same(x, (1, 3, 3), (1, 2, 2)))


SMALL = {  # after which the length halves along height and width, and from mixed_4b along time
    "conv_2b": (64, 2, 8, 12),
    "conv_2c": (192, 2, 8, 12),
    "mixed_3b": (256, 2, 4, 6),
    "mixed_3c": (480, 2, 4, 6),
    "mixed_4b": (512, 1, 2, 3),
    "mixed_4e": (528, 1, 2, 3),
    "mixed_4f": (832, 1, 2, 3),
    "mixed_5b": (832, 1, 1, 2),
    "mixed_5c": (1024, 1, 1, 2),
    "fc": (512,),
}
FULL = {
    "conv1": (64, 17, 113, 113),
    "conv_2c": (192, 16, 56, 56),
    "mixed_3c": (480, 16, 28, 28),
    "mixed_4f": (832, 8, 14, 14),
    "mixed_5c": (1024, 4, 7, 7),
}


@torch.inference_mode()
@pytest.mark.parametrize(
    ("size", "shapes"),
    [((4, 32, 48), SMALL), pytest.param((32, 224, 224), FULL, marks=pytest.mark.slow)],
)
def test_each_stage_has_its_shape(
    network: S3D, size: tuple[int, int, int], shapes: dict[str, tuple[int, ...]]
) -> None:
    seen: dict[str, tuple[int, ...]] = {}

    def note(name: str, output: Tensor) -> None:
        seen[name] = tuple(output.shape[1:])

    hooks = [
        network.get_submodule(name).register_forward_hook(
            lambda _, args, output, name=name: note(name, output)
        )
        for name in shapes
    ]
    network(clips(1, 3, *size))
    for hook in hooks:
        hook.remove()
    assert seen == shapes


@torch.inference_mode()
def test_texts_take_the_maximum_over_all_places_empty_ones_included(network: S3D) -> None:
    t = network.text_module
    words = torch.tensor([[7, 9] + 14 * [0], 16 * [7]])
    each = functional.relu(t.word_embd.weight[[7, 9, 0]] @ t.fc1.weight.T + t.fc1.bias)
    first = torch.maximum(torch.maximum(each[0], each[1]), each[2])
    expected = torch.stack([first, each[0]]) @ t.fc2.weight.T + t.fc2.bias
    torch.testing.assert_close(network.embed_words(words), expected)
    without = torch.maximum(each[0], each[1]) @ t.fc2.weight.T + t.fc2.bias
    assert not torch.allclose(network.embed_words(words)[0], without)


# The whole, from a file ------------------------------------------------------------------------


def reference(w: Tensors, clip: Tensor) -> Tensor:
    """The published network, from the tensors alone."""

    def conv(x: Tensor, name: str, padding: tuple[int, int, int] = (0, 0, 0), i: int = 1) -> Tensor:
        x = functional.conv3d(x, w[f"{name}.conv{i}.weight"], padding=padding)
        mean, var = w[f"{name}.bn{i}.running_mean"], w[f"{name}.bn{i}.running_var"]
        scale, shift = w[f"{name}.bn{i}.weight"], w[f"{name}.bn{i}.bias"]
        channels = (slice(None), None, None, None)
        normal = (x - mean[channels]) / (var[channels] + 1e-5).sqrt()
        return (normal * scale[channels] + shift[channels]).clamp(min=0)

    def separable(x: Tensor, name: str) -> Tensor:
        return conv(conv(x, name, (0, 1, 1)), name, (1, 0, 0), i=2)

    def gate(x: Tensor, name: str) -> Tensor:
        means = x.mean(dim=(2, 3, 4))
        gates = 1 / (1 + torch.exp(-(means @ w[f"{name}.fc.weight"].T + w[f"{name}.fc.bias"])))
        return x * gates[:, :, None, None, None]

    def block(x: Tensor, name: str) -> Tensor:
        ways = [
            conv(x, f"{name}.conv_b0"),
            separable(conv(x, f"{name}.conv_b1_a"), f"{name}.conv_b1_b"),
            separable(conv(x, f"{name}.conv_b2_a"), f"{name}.conv_b2_b"),
            conv(functional.max_pool3d(x, 3, 1, 1), f"{name}.conv_b3_b"),
        ]
        return torch.cat([gate(way, f"{name}.gating_b{i}") for i, way in enumerate(ways)], dim=1)

    x = conv(space_to_depth(clip), "conv1", (1, 2, 2))[:, :, 1:, 1:, 1:]
    x = conv(pool_same(x, (1, 3, 3), (1, 2, 2)), "conv_2b")
    x = pool_same(gate(separable(x, "conv_2c"), "gating"), (1, 3, 3), (1, 2, 2))
    for name in ["3b", "3c"]:
        x = block(x, f"mixed_{name}")
    x = pool_same(x, (3, 3, 3), (2, 2, 2))
    for name in ["4b", "4c", "4d", "4e", "4f"]:
        x = block(x, f"mixed_{name}")
    x = pool_same(x, (2, 2, 2), (2, 2, 2))
    for name in ["5b", "5c"]:
        x = block(x, f"mixed_{name}")
    return x.mean(dim=(2, 3, 4)) @ w["fc.weight"].T + w["fc.bias"]


@torch.inference_mode()
@pytest.mark.parametrize("layout", ["plain", "module, no counters", "safetensors"])
def test_a_file_of_the_released_layout_gives_the_published_features(
    official: Tensors, layout: str, tmp_path: Path
) -> None:
    path = tmp_path / "s3d_howto100m.pth"
    if layout == "safetensors":
        path = path.with_suffix(".safetensors")
        save_file(official, path)
    else:
        prefix, skip = ("", "nothing") if layout == "plain" else ("module.", "num_batches_tracked")
        torch.save({prefix + k: t for k, t in official.items() if not k.endswith(skip)}, path)
    loaded = load_s3d(checkpoint=path)
    clip = clips(2, 3, 4, 16, 18)
    expected = reference(official, clip)
    assert expected.std(dim=0).mean() > 1e-3  # two clips differ
    torch.testing.assert_close(loaded(clip), expected, rtol=1e-4, atol=1e-4)
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())


def test_files_that_do_not_fit_are_refused_by_name(official: Tensors, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"r3m": {"module.convnet.conv1.weight": torch.zeros(64, 3, 7, 7)}}, path)
    with pytest.raises(CheckpointError, match=r"is no S3D .* looks like an R3M checkpoint"):
        load_s3d(checkpoint=path)
    torch.save({k: t for k, t in official.items() if not k.startswith("text_module")}, path)
    with pytest.raises(CheckpointError, match=r"5 tensors are missing.*text_module\.fc1\.bias"):
        load_s3d(checkpoint=path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="truncated"):
        load_s3d(checkpoint=path)


def test_its_file_is_recognised_wherever_it_is_given(official: Tensors) -> None:
    found = recognise(official)
    assert found.kind == "s3d"
    assert "HowTo100M" in found.what


def test_exactly_one_of_the_weights_must_be_chosen(tmp_path: Path) -> None:
    with pytest.raises(NeedsError, match="S3D got no weights"):
        load_s3d()
    with pytest.raises(NeedsError, match="exactly one"):
        load_s3d(checkpoint=tmp_path, random_weights_seed=0)
    with pytest.raises(FileNotFoundError, match="No weights file"):
        load_s3d(checkpoint=tmp_path / "nowhere.pth")


@torch.inference_mode()
def test_a_clip_has_the_same_features_alone_and_among_others(network: S3D) -> None:
    batch = clips(3, 3, 4, 16, 16)
    alone = torch.cat([network(clip[None]) for clip in batch])
    torch.testing.assert_close(network(batch), alone, rtol=1e-4, atol=1e-5)


def test_random_weights_come_from_the_seed_and_touch_no_other_generator(network: S3D) -> None:
    before = torch.random.get_rng_state()
    other = load_s3d(random_weights_seed=3)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert load_s3d(random_weights_seed=0) is network
    assert not torch.equal(other.fc.weight, network.fc.weight)
