from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision import models, transforms

from vlfeedback.encoders import resnet
from vlfeedback.encoders.batches import PictureEncoder
from vlfeedback.encoders.recognise import recognise
from vlfeedback.encoders.resnet import ResNet, check_size, load_resnet, read_resnet_file
from vlfeedback.encoders.weights_files import read_weights, tensors_digest
from vlfeedback.errors import CheckpointError, InvalidValueError, NeedsError, UnknownNameError

Tensors = dict[str, Tensor]

LANGUAGE = {"lang_enc.model.x": torch.zeros(1), "lang_rew.pred.0.weight": torch.zeros(1)}


def pictures(n: int, height: int = 30, width: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, height, width, 3), dtype=np.uint8)


@cache
def official(size: int = 18, n_outputs: int | None = None, seed: int = 0) -> Tensors:
    """Random weights under the repositories' names; running means unlike those of a new network."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = getattr(models, f"resnet{size}")()
        width = network.fc.in_features
        network.fc = torch.nn.Identity() if n_outputs is None else torch.nn.Linear(width, n_outputs)
        tensors = {f"convnet.{key}": tensor for key, tensor in network.state_dict().items()}
        for key, tensor in tensors.items():
            if key.endswith("running_mean"):
                tensor.normal_(std=0.1)
    return tensors


def save_r3m(tensors: Tensors, path: Path) -> None:
    parallel = {f"module.{key}": tensor for key, tensor in tensors.items()}
    torch.save({"r3m": parallel, "global_step": 1_000_000}, path)


def save_without_module(tensors: Tensors, path: Path) -> None:
    torch.save({"r3m": tensors}, path)


def save_bare(tensors: Tensors, path: Path) -> None:
    torch.save(tensors, path)


def save_from_inside(tensors: Tensors, path: Path) -> None:
    torch.save({key.removeprefix("convnet."): tensor for key, tensor in tensors.items()}, path)


def save_without_counters(tensors: Tensors, path: Path) -> None:
    kept = {key: t for key, t in tensors.items() if not key.endswith("num_batches_tracked")}
    torch.save({"r3m": kept}, path)


def load(
    path: Path | None = None, source: str = "r3m-goal", *, family: str = "r3m", **changes: Any
) -> PictureEncoder:
    settings: dict[str, Any] = {"checkpoint": path, "random_weights_seed": None}
    return load_resnet(family, 18, source=source, **(settings | changes))


@pytest.fixture
def smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks read pictures of 32 px, so that a test takes a moment."""
    monkeypatch.setattr(resnet, "_RESIZE", 36)
    monkeypatch.setattr(resnet, "_SIDE", 32)


@pytest.fixture
def forward_batches(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Tensor]]:
    """What networks are given."""
    given: list[Tensor] = []

    def record(self: ResNet, pictures: Tensor) -> Tensor:
        given.append(pictures.clone())
        return torch.zeros(len(pictures), 512)

    monkeypatch.setattr(ResNet, "forward", record)
    yield given


# Sizes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "n_outputs", "n_tensors", "n_parameters", "n_features"),
    [
        (18, None, 120, 11_176_512, 512),
        (34, None, 216, 21_284_672, 512),
        (50, None, 318, 23_508_032, 2048),
        (50, 1024, 320, 25_606_208, 1024),  # VIP
    ],
)
def test_networks_have_the_published_sizes(
    size: int, n_outputs: int | None, n_tensors: int, n_parameters: int, n_features: int
) -> None:
    with torch.device("meta"):
        network = ResNet(size, n_outputs)
    assert len(network.state_dict()) == n_tensors
    assert sum(parameter.numel() for parameter in network.parameters()) == n_parameters
    assert network.n_features == n_features


def test_a_size_may_be_text_and_another_is_refused() -> None:
    assert check_size("r3m", "34") == check_size("r3m", 34) == 34
    with pytest.raises(UnknownNameError, match=r"'r3m' has no ResNet of size '101'.*18, 34 and 50"):
        check_size("r3m", "101")


# Pictures ------------------------------------------------------------------------------------

PUBLISHED = transforms.Compose(
    [
        transforms.Resize(256),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
)


@pytest.mark.parametrize("size", [(60, 80), (224, 224), (480, 640)])
@pytest.mark.parametrize(("preprocess", "levels"), [("pil", 0.01), ("paper", 2.01)])
def test_pictures_are_prepared_as_published(
    forward_batches: list[Tensor], preprocess: str, levels: float, size: tuple[int, int]
) -> None:
    frames = pictures(2, *size)
    load(random_weights_seed=0, preprocess=preprocess).embed(frames)
    expected = torch.stack([PUBLISHED(Image.fromarray(frame)) for frame in frames])
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    difference = (forward_batches[-1] - expected).abs() * std * 255
    assert difference.max() < levels
    assert (difference > 0.01).float().mean() < 0.04  # of the values, and on noise


@pytest.mark.parametrize("brightest", [0, 1, 2])
def test_a_dark_picture_is_not_taken_for_one_of_another_scale(
    forward_batches: list[Tensor], brightest: int
) -> None:
    load(random_weights_seed=0).embed(np.full((1, 30, 30, 3), brightest, np.uint8))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = (brightest / 255 - mean) / std
    torch.testing.assert_close(forward_batches[-1][0, :, 100, 100], expected)


def test_another_preprocessing_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"preprocess='fast'; expected 'paper' or 'pil'"):
        load(random_weights_seed=0, preprocess="fast")


# Features ------------------------------------------------------------------------------------


@torch.inference_mode()
def test_features_are_those_of_torchvision_in_evaluation_mode(tmp_path: Path) -> None:
    tensors = official()
    save_r3m(tensors, tmp_path / "model.pt")
    network = models.resnet18()
    network.fc = torch.nn.Identity()
    network.load_state_dict({key.removeprefix("convnet."): t for key, t in tensors.items()})
    frames = pictures(2)
    expected = network.eval()(torch.stack([PUBLISHED(Image.fromarray(f)) for f in frames]))
    features = load(tmp_path / "model.pt", preprocess="pil").embed(frames)
    np.testing.assert_allclose(features, expected.numpy(), rtol=1e-3, atol=1e-4)


def test_a_picture_has_the_same_features_alone_and_among_others(smaller: None) -> None:
    encoder = load(random_weights_seed=0)
    frames = pictures(11)
    alone = np.concatenate([encoder.embed(frame[None]) for frame in frames])
    np.testing.assert_allclose(encoder.embed(frames), alone, rtol=1e-4, atol=1e-5)


def test_black_pictures_have_finite_features(smaller: None) -> None:
    features = load(random_weights_seed=0).embed(np.zeros((2, 30, 40, 3), np.uint8))
    assert features.shape == (2, 512)
    assert np.all(np.isfinite(features))
    np.testing.assert_allclose(features[0], features[1], rtol=1e-5)


def test_both_preprocessings_give_nearly_the_same_features() -> None:
    frames = np.array(Image.fromarray(pictures(1, 8, 10)[0]).resize((200, 160)))[None]
    paper, pil = (load(random_weights_seed=0, preprocess=p).embed(frames) for p in ("paper", "pil"))
    assert np.linalg.norm(paper - pil) < 0.01 * np.linalg.norm(pil)


# Files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "save", [save_r3m, save_without_module, save_bare, save_from_inside, save_without_counters]
)
def test_every_layout_gives_back_the_weights(save: Any, tmp_path: Path) -> None:
    network = ResNet(18)
    network.load_state_dict(official())
    save(official(), tmp_path / "model.pt")
    assert tensors_digest(network) in load(tmp_path / "model.pt").identity


def test_the_language_head_is_passed_over_by_a_picture_encoder(tmp_path: Path) -> None:
    save_r3m(official() | LANGUAGE, tmp_path / "model.pt")
    assert load(tmp_path / "model.pt").embed(pictures(1)).shape == (1, 512)


def test_equal_weights_have_equal_identities(tmp_path: Path) -> None:
    save_r3m(official(), tmp_path / "one.pt")
    save_bare(official(), tmp_path / "copy.pt")
    save_r3m(official(seed=1), tmp_path / "other.pt")
    one, copy, other = (load(tmp_path / f"{name}.pt") for name in ("one", "copy", "other"))
    assert one.identity == copy.identity
    assert one.identity != other.identity
    assert one.identity != load(tmp_path / "one.pt", preprocess="pil").identity


def test_one_file_gives_one_network_which_is_frozen_and_in_evaluation_mode(
    smaller: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    used: list[ResNet] = []
    forward = ResNet.forward

    def record(self: ResNet, prepared: Tensor) -> Tensor:
        used.append(self)
        return forward(self, prepared)

    monkeypatch.setattr(ResNet, "forward", record)
    save_r3m(official() | LANGUAGE, tmp_path / "model.pt")
    encoders = [load(tmp_path / "model.pt", source=source) for source in ("r3m", "r3m-goal")]
    for encoder in encoders:
        encoder.embed(pictures(1))
    assert used[0] is used[1]
    assert not any(module.training for module in used[0].modules())
    assert not any(parameter.requires_grad for parameter in used[0].parameters())


def test_a_missing_tensor_and_one_too_many_are_named(tmp_path: Path) -> None:
    tensors = dict(official())
    del tensors["convnet.layer4.1.bn2.bias"]
    save_r3m(tensors | {"convnet.extra": torch.zeros(1)}, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match=r"2 tensors.*convnet\.extra.*layer4\.1\.bn2\.bias"):
        load(tmp_path / "model.pt")


def test_a_file_of_another_size_is_named(tmp_path: Path) -> None:
    save_r3m(official(34), tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match=r"ResNet-34\).*got size=50; pass size=34"):
        read_resnet_file(tmp_path / "model.pt", family="r3m", source="r3m-goal", size=50)
    with pytest.raises(CheckpointError, match=r"ResNet-34\).*got size=18; pass size=34"):
        load(tmp_path / "model.pt")


def test_files_of_the_other_method_are_named_with_how_to_learn_who_reads_them(
    tmp_path: Path,
) -> None:
    torch.save({"vip": official(18, 16)}, tmp_path / "vip.pt")
    with pytest.raises(
        CheckpointError,
        match=r"is a VIP checkpoint \(ResNet-18\), which 'r3m' does not read; "
        r"`vlfeedback weights check .*vip\.pt` names the sources that do",
    ):
        load(tmp_path / "vip.pt", source="r3m")
    save_r3m(official(18) | LANGUAGE, tmp_path / "r3m.pt")
    with pytest.raises(CheckpointError, match=r"an R3M checkpoint.*'vip-distance' does not read"):
        load(tmp_path / "r3m.pt", source="vip-distance", family="vip")


def test_r3m_without_its_language_head_is_for_r3m_goal(tmp_path: Path) -> None:
    save_r3m(official(), tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="visual-only R3M: use r3m-goal"):
        load(tmp_path / "model.pt", source="r3m")


def test_a_classifier_of_imagenet_is_named(tmp_path: Path) -> None:
    torch.save(models.resnet18().state_dict(), tmp_path / "resnet18.pth")
    with pytest.raises(CheckpointError, match=r"looks like a classifier of ImageNet \(ResNet-18\)"):
        load(tmp_path / "resnet18.pth")


@pytest.mark.parametrize("save", [save_r3m, save_from_inside])
def test_a_file_is_recognised_in_every_layout(save: Any, tmp_path: Path) -> None:
    save(official(18, 1024), tmp_path / "model.pt")
    weights = read_weights(tmp_path / "model.pt")
    found = recognise(weights.tensors, weights.top_key)
    assert found.kind == "vip"


@pytest.mark.parametrize("choice", [{}, {"path": "a.pt", "random_weights_seed": 0}])
def test_exactly_one_choice_of_weights_is_asked_for(choice: dict[str, Any]) -> None:
    with pytest.raises(NeedsError, match=r"'r3m-goal' got.*exactly one of: checkpoint=.*random"):
        load(**choice)


def test_equal_seeds_give_equal_weights_and_touch_no_global_generator() -> None:
    before = torch.random.get_rng_state()
    one, again, other = (load(random_weights_seed=seed).identity for seed in (3, 3, 4))
    assert one == again != other
    assert torch.equal(torch.random.get_rng_state(), before)
