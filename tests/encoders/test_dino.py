import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models import register_model
from timm.models.eva import _create_eva
from timm.models.vision_transformer import _create_vision_transformer
from torch import Tensor, nn

from vlfeedback.encoders.dino import load_dino
from vlfeedback.encoders.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess
from vlfeedback.errors import CheckpointError, InvalidValueError, UnknownNameError

SIZE = 28  # px: four patches
Tensors = dict[str, Tensor]
TINY = {"embed_dim": 24, "depth": 2, "num_heads": 2, "init_values": 0.1, "num_classes": 0}


@register_model
def tiny_dinov2(pretrained: bool = False, **settings: Any) -> nn.Module:
    model: nn.Module = _create_vision_transformer(
        "tiny_dinov2", **{**TINY, "patch_size": 14, **settings}
    )
    return model


@register_model
def tiny_dinov2_reg(pretrained: bool = False, **settings: Any) -> nn.Module:
    registers = {"reg_tokens": 3, "no_embed_class": True}
    model: nn.Module = _create_vision_transformer(
        "tiny_dinov2_reg", **{**TINY, "patch_size": 14, **registers, **settings}
    )
    return model


@register_model
def tiny_dinov3(pretrained: bool = False, **settings: Any) -> nn.Module:
    rope = {
        "rope_type": "dinov3",
        "rope_temperature": 100,
        "rope_rotate_half": True,
        "use_rot_pos_emb": True,
        "use_abs_pos_emb": False,
        "qkv_bias": False,
        "num_reg_tokens": 4,
        "use_fc_norm": False,
        "dynamic_img_size": True,
        "norm_layer": partial(nn.LayerNorm, eps=1e-5),
    }
    model: nn.Module = _create_eva("tiny_dinov3", **{**TINY, "patch_size": 14, **rope, **settings})
    return model


def pictures(n: int, height: int = 40, width: int = 48) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, height, width, 3), dtype=np.uint8)


def tensors_of(architecture: str, image_size: int = SIZE) -> Tensors:
    torch.manual_seed(7)
    model = timm.create_model(architecture, img_size=image_size, global_pool="token")
    return dict(model.state_dict())


def meta_dinov2(tensors: Tensors) -> Tensors:
    """As Meta publishes DINOv2 without registers: one token more, that training hid patches by."""
    return {**tensors, "mask_token": torch.zeros(1, 24)}


def meta_dinov2_with_registers(tensors: Tensors) -> Tensors:
    """Position embeddings include the class token's, to which Meta adds it at run time."""
    position = torch.full((1, 1, 24), 0.5)
    return {
        **{k: t for k, t in tensors.items() if k != "reg_token"},
        "mask_token": torch.zeros(1, 24),
        "register_tokens": tensors["reg_token"],
        "cls_token": tensors["cls_token"] - position,
        "pos_embed": torch.cat([position, tensors["pos_embed"]], dim=1),
    }


def meta_dinov3(tensors: Tensors) -> Tensors:
    names = {"gamma_1": "ls1.gamma", "gamma_2": "ls2.gamma", "reg_token": "storage_tokens"}
    renamed = {}
    for key, tensor in tensors.items():
        for ours, theirs in names.items():
            key = key.replace(ours, theirs)
        renamed[key] = tensor
    extra = {"mask_token": torch.zeros(1, 24), "rope_embed.periods": torch.zeros(3)}
    biases = {f"blocks.{n}.attn.qkv.bias": torch.zeros(72) for n in range(2)}
    return {**renamed, **extra, **biases}


@pytest.mark.parametrize(
    ("architecture", "layout"),
    [
        ("tiny_dinov2", dict),
        ("tiny_dinov2", meta_dinov2),
        ("tiny_dinov2_reg", meta_dinov2_with_registers),
        ("tiny_dinov3", dict),
        ("tiny_dinov3", meta_dinov3),
    ],
)
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_files_of_timm_and_of_meta_give_the_features_of_their_network(
    architecture: str, layout: Any, suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"weights.{suffix}"
    tensors = tensors_of(architecture)
    save: Any = torch.save if suffix == "pth" else save_file
    save(layout(tensors), path)
    encoder = load_dino(architecture, checkpoint=path, image_size=SIZE)
    network = timm.create_model(architecture, img_size=SIZE, global_pool="token").eval()
    network.load_state_dict(tensors)
    with torch.inference_mode():
        expected = network(encoder.preprocess(torch.from_numpy(pictures(3))))
    np.testing.assert_allclose(encoder.embed(pictures(3)), expected.numpy(), atol=1e-4)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("architecture", "prefix"), [("tiny_dinov2", 1), ("tiny_dinov2_reg", 4), ("tiny_dinov3", 5)]
)
def test_patches_are_all_tokens_but_class_and_registers(
    architecture: str, prefix: int, tmp_path: Path
) -> None:
    tensors = tensors_of(architecture)
    torch.save(tensors, tmp_path / "weights.pth")
    encoder = load_dino(
        architecture, checkpoint=tmp_path / "weights.pth", image_size=SIZE, features="patches"
    )
    network: Any = timm.create_model(architecture, img_size=SIZE, global_pool="token").eval()
    network.load_state_dict(tensors)
    with torch.inference_mode():
        tokens = network.forward_features(encoder.preprocess(torch.from_numpy(pictures(2))))
    assert tokens.shape == (2, prefix + 4, 24)
    np.testing.assert_allclose(encoder.embed(pictures(2)), tokens[:, prefix:].numpy(), atol=1e-5)


def test_position_embeddings_are_resampled_to_the_size_of_picture(tmp_path: Path) -> None:
    torch.save(tensors_of("tiny_dinov2", 56), tmp_path / "large.pth")
    encoder = load_dino("tiny_dinov2", checkpoint=tmp_path / "large.pth", image_size=SIZE)
    tensors = tensors_of("tiny_dinov2", 56)
    grid = tensors["pos_embed"][:, 1:].reshape(1, 4, 4, 24).permute(0, 3, 1, 2)
    smaller = nn.functional.interpolate(grid, (2, 2), mode="bicubic", antialias=True)
    patches = smaller.permute(0, 2, 3, 1).reshape(1, 4, 24)
    tensors["pos_embed"] = torch.cat([tensors["pos_embed"][:, :1], patches], dim=1)
    torch.save(tensors, tmp_path / "small.pth")
    expected = load_dino("tiny_dinov2", checkpoint=tmp_path / "small.pth", image_size=SIZE)
    np.testing.assert_allclose(encoder.embed(pictures(1)), expected.embed(pictures(1)), atol=1e-4)


def test_a_picture_has_the_same_features_alone_and_among_others() -> None:
    encoder = load_dino("tiny_dinov2", random_weights_seed=0, image_size=SIZE)
    frames = pictures(11)
    alone = np.concatenate([encoder.embed(frame[None]) for frame in frames])
    np.testing.assert_allclose(encoder.embed(frames), alone, atol=1e-5)


@pytest.mark.parametrize("architecture", ["tiny_dinov2", "tiny_dinov2_reg", "tiny_dinov3"])
@pytest.mark.parametrize("features", ["class", "patches"])
def test_in_bfloat16_features_point_nearly_the_same_way(architecture: str, features: str) -> None:
    exact, fast = (
        load_dino(
            architecture,
            random_weights_seed=0,
            image_size=SIZE,
            features=features,
            precision=precision,
        ).embed(pictures(4))
        for precision in ("float32", "bfloat16")
    )
    lengths = np.linalg.norm(exact, axis=-1) * np.linalg.norm(fast, axis=-1)
    assert np.all((exact * fast).sum(axis=-1) / lengths > 0.999)
    assert not np.array_equal(exact, fast)


def test_pictures_are_prepared_as_timm_says() -> None:
    encoder = load_dino("vit_small_patch14_dinov2.lvd142m", random_weights_seed=0, image_size=SIZE)
    config = timm.get_pretrained_cfg("vit_small_patch14_dinov2.lvd142m")
    assert config is not None
    assert (config.crop_pct, config.interpolation) == (1.0, "bicubic")
    expected = Preprocess(SIZE, IMAGENET_MEAN, IMAGENET_STD, "bicubic", resize=SIZE)
    assert encoder.preprocess == expected


def test_the_default_network_has_the_size_of_dinov2s_base() -> None:
    with torch.device("meta"):
        network = timm.create_model("vit_base_patch14_dinov2.lvd142m", num_classes=0)
    assert len(network.state_dict()) == 174
    # Meta's 86,580,480 count the hidden patch's token of 768 as well.
    assert sum(parameter.numel() for parameter in network.parameters()) == 86_580_480 - 768


def test_equal_seeds_give_equal_weights_and_touch_no_global_generator() -> None:
    before = torch.random.get_rng_state()
    first, other = (
        load_dino("tiny_dinov2", random_weights_seed=seed, image_size=SIZE) for seed in (3, 4)
    )
    features, identity = first.embed(pictures(1)), first.identity
    del first
    again = load_dino("tiny_dinov2", random_weights_seed=3, image_size=SIZE)
    np.testing.assert_array_equal(again.embed(pictures(1)), features)
    assert again.identity == identity != other.identity
    assert torch.equal(torch.random.get_rng_state(), before)


def test_class_and_patches_have_identities_of_their_own() -> None:
    encoders = [
        load_dino("tiny_dinov2", random_weights_seed=0, image_size=SIZE, features=features)
        for features in ("class", "patches")
    ]
    assert encoders[0].identity != encoders[1].identity


def test_another_size_of_patch_is_refused_and_not_stretched(tmp_path: Path) -> None:
    tensors = tensors_of("tiny_dinov2")
    tensors["patch_embed.proj.weight"] = torch.zeros(24, 3, 16, 16)
    torch.save(tensors, tmp_path / "sixteen.pth")
    with pytest.raises(CheckpointError, match=r"\(24, 3, 14, 14\).*DINO \(width 24, patch 16, 2"):
        load_dino("tiny_dinov2", checkpoint=tmp_path / "sixteen.pth", image_size=SIZE)


def test_weights_of_another_network_are_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"convnet.conv1.weight": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="looks like an R3M checkpoint"):
        load_dino("tiny_dinov2", checkpoint=path, image_size=SIZE)
    tensors = {k: t for k, t in tensors_of("tiny_dinov2").items() if ".ls" not in k}
    torch.save(tensors, path)  # such as MAE's, which scales no layer
    with pytest.raises(CheckpointError, match=r"4 tensors are missing.*ls1\.gamma"):
        load_dino("tiny_dinov2", checkpoint=path, image_size=SIZE)
    torch.save(tensors_of("tiny_dinov2_reg"), path)
    with pytest.raises(CheckpointError, match="reg_token"):
        load_dino("tiny_dinov2", checkpoint=path, image_size=SIZE)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    torch.save(tensors_of("tiny_dinov2"), tmp_path / "weights.pth")
    content = (tmp_path / "weights.pth").read_bytes()
    (tmp_path / "weights.pth").write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="no readable weights file"):
        load_dino("tiny_dinov2", checkpoint=tmp_path / "weights.pth", image_size=SIZE)


@pytest.mark.parametrize(
    ("architecture", "settings", "message"),
    [
        ("tiny_dinov2", {"image_size": 30}, r"image_size=30; .* patches of 14 px.* such as 224"),
        ("tiny_dinov2", {"image_size": 0}, "image_size=0"),
        ("tiny_dinov2", {"features": "all"}, r"'all'; expected 'class' or 'patches'"),
        ("test_vit2", {}, "has no class token"),
        ("resnet18", {}, "has no class token"),
    ],
)
def test_settings_out_of_range_are_named(
    architecture: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidValueError, match=message):
        load_dino(architecture, random_weights_seed=0, **settings)


@pytest.mark.parametrize(
    ("architecture", "meant"),
    [
        ("vit_base_patch14_dinov4", "vit_base_patch14_dinov2"),
        ("vit_base_patch14_dinov2.lvd142", "vit_base_patch14_dinov2.lvd142m"),
    ],
)
def test_an_unknown_architecture_suggests_the_nearest(architecture: str, meant: str) -> None:
    with pytest.raises(UnknownNameError, match=f"Did you mean '{meant}'"):
        load_dino(architecture, random_weights_seed=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "architecture", ["vit_base_patch14_dinov2.lvd142m", "vit_small_patch16_dinov3.lvd1689m"]
)
def test_networks_of_full_size_are_computed(architecture: str) -> None:
    features = load_dino(architecture, random_weights_seed=0).embed(pictures(1))
    assert features.shape[0] == 1
    assert math.isfinite(float(np.linalg.norm(features)))
