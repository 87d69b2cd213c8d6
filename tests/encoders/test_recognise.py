"""Files told by names and shapes alone; tensors without memory stand for those of real size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from vlfeedback.encoders import recognise
from vlfeedback.encoders.weights import Weights


def named(**shapes: tuple[int, ...]) -> dict[str, Tensor]:
    """Empty tensors; two underscores in a name stand for a dot."""
    return {key.replace("__", "."): torch.empty(s, device="meta") for key, s in shapes.items()}


def resnet(size: int, prefix: str = "convnet.") -> dict[str, Tensor]:
    depth, expansion = {18: (2, 1), 34: (3, 1), 50: (3, 4)}[size]
    made = {"conv1.weight": (64, 3, 7, 7)}
    for stage in (1, 4):
        width = 64 * 2 ** (stage - 1)
        for block in range(depth):
            made[f"layer{stage}.{block}.conv1.weight"] = (width, 64, 3, 3)
            made[f"layer{stage}.{block}.conv2.weight"] = (width, width, 3, 3)
            if expansion == 4:
                made[f"layer{stage}.{block}.conv3.weight"] = (4 * width, width, 1, 1)
    return {prefix + key: torch.empty(shape, device="meta") for key, shape in made.items()}


LANGUAGE = named(lang_enc__model__x=(1,), lang_rew__pred__0__weight=(1, 1))
CLIP_B32 = named(
    visual__conv1__weight=(768, 3, 32, 32),
    visual__class_embedding=(768,),
    visual__positional_embedding=(50, 768),  # 7 x 7 patches of 32 px, and one for all
    token_embedding__weight=(49408, 512),
    text_projection=(512, 512),
) | {f"visual.transformer.resblocks.{i}.ln_1.weight": torch.empty(768) for i in range(12)}
CLIP_RN50 = named(visual__conv1__weight=(32, 3, 3, 3), text_projection=(512, 1024))
CLASSES = named(convnet__fc__weight=(1000, 2048))

KINDS = [
    (resnet(18) | LANGUAGE, "r3m", "an R3M checkpoint (ResNet-18, with its language head)"),
    (resnet(34) | LANGUAGE, "r3m", "an R3M checkpoint (ResNet-34, with its language head)"),
    (resnet(50) | LANGUAGE, "", "an R3M checkpoint (ResNet-50, with its language head)"),
    (resnet(50), "", "an R3M checkpoint (ResNet-50) without its language head, for 'r3m-goal'"),
    (resnet(50) | named(convnet__fc__weight=(1024, 2048)), "", "a VIP checkpoint (ResNet-50)"),
    (resnet(50) | CLASSES, "vip", "a VIP checkpoint (ResNet-50)"),
    (resnet(50) | CLASSES, "", "a classifier of ImageNet (ResNet-50), which no source reads"),
    (resnet(50, prefix=""), "", "an R3M checkpoint (ResNet-50) without its language head"),
    (named(convnet__strange=(1,)), "", "an R3M checkpoint (an unknown ResNet) without"),
    (named(mixed_5c__conv_b0__conv1__weight=(1,)), "", "an S3D checkpoint of MIL-NCE"),
    (CLIP_B32, "", "ViT-B-32 or ViT-B-32-quickgelu"),
    (CLIP_RN50, "", "a CLIP ResNet with embeddings of 1024"),
    (CLIP_RN50, "liv", "a LIV checkpoint (CLIP ResNet-50)"),
    (
        named(
            visual__trunk__patch_embed__proj__weight=(768, 3, 16, 16),
            visual__trunk__pos_embed=(1, 196, 768),
            text__token_embedding__weight=(256000, 768),
            logit_bias=(),
        ),
        "",
        "a SigLIP of open_clip (width 768)",
    ),
    (
        named(patch_embed__proj__weight=(384, 3, 14, 14))
        | {f"blocks.{i}.norm1.weight": torch.empty(384) for i in range(12)},
        "",
        "a vision transformer such as DINO (width 384, patch 14, 12 layers)",
    ),
    (named(transformer__layer__0__attention__q_lin__weight=(1,)), "", "a DistilBERT, a text encod"),
    (named(vision_model__x=(1,)), "", "a CLIP of the transformers library"),
    (named(vision_model__x=(1,), logit_bias=()), "", "a SigLIP of the transformers library"),
    (named(b=(1,), a=(1,)), "", "none of the known kinds; it holds 2 tensors, such as 'a'"),
    ({}, "", "none of the known kinds; it holds 0 tensors"),
]


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize(("tensors", "top_key", "said"), KINDS, ids=[said for *_, said in KINDS])
def test_every_kind_is_told_by_its_names_and_shapes(
    tensors: dict[str, Tensor], top_key: str, said: str, prefix: str
) -> None:
    prefixed = {prefix + key: tensor for key, tensor in tensors.items()}
    assert recognise.recognise(prefixed, top_key).what.startswith(said)


READERS = {
    "r3m": (recognise.r3m, recognise.r3m_pictures),
    "r3m without language": (recognise.r3m_pictures,),
    "vip": (recognise.vip,),
    "s3d": (recognise.s3d,),
    "clip": (recognise.clip,),
    "liv": (recognise.liv,),
    "siglip": (recognise.siglip,),
    "dino": (recognise.dino,),
    "": (),
}
ALL = {recogniser for readers in READERS.values() for recogniser in readers}


def file_of(tensors: dict[str, Tensor], top_key: str = "", format: str = "") -> Weights:
    return Weights(Path("weights.pt"), tensors, False, {}, top_key, format)


@pytest.mark.parametrize(("tensors", "top_key", "said"), KINDS, ids=[said for *_, said in KINDS])
def test_the_recognisers_of_a_kind_know_it_and_the_others_do_not(
    tensors: dict[str, Tensor], top_key: str, said: str
) -> None:
    kind = recognise.recognise(tensors, top_key).kind
    weights = file_of(tensors, top_key)
    assert {recogniser for recogniser in ALL if recogniser(weights)} == set(READERS[kind])


def test_a_file_of_ours_is_known_by_the_format_in_its_header_alone() -> None:
    weights = file_of(CLIP_B32, format="vlfeedback-vlp")
    found = recognise.vlp(weights)
    assert found is not None and found.what == "weights of `vlfeedback fit vlp`"
    assert not recognise.clip(weights)
    assert not recognise.vlp_clip(weights) and not recognise.reward_model(weights)
    assert not recognise.vlp(file_of(CLIP_B32))


def test_an_r3m_names_its_size_and_a_clip_the_architectures_it_may_be() -> None:
    r3m = recognise.recognise(resnet(18) | LANGUAGE)
    assert r3m.kind == "r3m"
    assert r3m.settings == {"size": 18}
    assert recognise.recognise(CLIP_B32).architectures == ("ViT-B-32", "ViT-B-32-quickgelu")
    larger = CLIP_B32 | named(visual__positional_embedding=(65, 768))
    assert recognise.recognise(larger).architectures == ("ViT-B-32-256",)
    assert recognise.recognise(CLIP_RN50).architectures == ("RN50", "RN50-quickgelu")


def test_a_clip_that_stands_under_model_is_one_too() -> None:
    wrapped = {f"model.{key}": tensor for key, tensor in CLIP_B32.items()}
    assert recognise.recognise(wrapped).kind == recognise.recognise(CLIP_B32).kind == "clip"
