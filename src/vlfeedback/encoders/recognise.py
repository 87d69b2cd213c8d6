"""Recognition of weights files by the names and shapes of their tensors.

`recognise` finds the kind of any file. A recogniser is a function
``(Weights) -> Recognised | None`` that recognises the files of one kind, and gives None for all
others; the entry of a reward source names the one for its files, by which readers are found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from vlfeedback.encoders.weights import Weights
from vlfeedback.optional import require

__all__ = [
    "Recognised",
    "Recogniser",
    "clip",
    "dino",
    "liv",
    "r3m",
    "r3m_pictures",
    "recognise",
    "reward_model",
    "s3d",
    "siglip",
    "vip",
    "vlp",
    "vlp_clip",
]

_IMAGENET_CLASSES = 1000
_CLIP_RESNETS = {1024: "RN50", 512: "RN101", 640: "RN50x4", 768: "RN50x16"}  # by embedding
_VITS = {(384, 12): "small", (768, 12): "base", (1024, 24): "large", (1536, 40): "giant"}
_RESNETS = {(64, 2, 512): 18, (64, 3, 512): 34, (256, 3, 2048): 50}


@dataclass(frozen=True, slots=True)
class Recognised:
    """Kind of a weights file, and the settings that it fixes.

    Attributes:
        what: in words: ``"an R3M checkpoint (ResNet-50)"``.
        kind: what recognisers go by: ``"r3m"``; ``""`` for what no source reads.
        settings: of a source that reads it, which the file fixes: ``{"size": 50}``.
        architectures: that it may be, where a source has several to choose from.
    """

    what: str
    kind: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    architectures: tuple[str, ...] = ()


Recogniser = Callable[[Weights], Recognised | None]
"""Function that says what a file of one kind is; None for files of other kinds."""


def recognise(tensors: Mapping[str, Tensor], top_key: str = "") -> Recognised:
    """Recognise the network that has these tensors.

    Args:
        tensors: by name, as the file has them; a leading ``module.`` makes no difference.
        top_key: under which the file held them, ``""`` for none.
    """
    by_name = {key.removeprefix("module."): tensor for key, tensor in tensors.items()}
    for kind in (_resnet, _s3d, _clip, _siglip, _dino, _distilbert, _of_transformers):
        match = kind(by_name, top_key)
        if match is not None:
            return match
    first = sorted(by_name)[:1]
    return Recognised(
        f"none of the known kinds; it holds {len(by_name)} tensors"
        + (f", such as {first[0]!r}" if first else "")
    )


def _by_tensors(*kinds: str) -> Recogniser:
    def recogniser(weights: Weights) -> Recognised | None:
        if weights.format:
            return None
        match = recognise(weights.tensors, weights.top_key)
        return match if match.kind in kinds else None

    return recogniser


def _by_format(format: str, what: str) -> Recogniser:
    def recogniser(weights: Weights) -> Recognised | None:
        return Recognised(what, format) if weights.format == format else None

    return recogniser


clip = _by_tensors("clip")
liv = _by_tensors("liv")
siglip = _by_tensors("siglip")
dino = _by_tensors("dino")
s3d = _by_tensors("s3d")
vip = _by_tensors("vip")
r3m = _by_tensors("r3m")
r3m_pictures = _by_tensors("r3m", "r3m without language")  # the language head may be there or not
vlp = _by_format("vlfeedback-vlp", "weights of `vlfeedback fit vlp`")
vlp_clip = _by_format("vlfeedback-vlp-clip", "weights of `vlfeedback fit vlp-clip`")
reward_model = _by_format("vlfeedback-reward-model", "a reward model of `vlfeedback fit reward`")


def _with_axes(tensors: Mapping[str, Tensor], name: str, n_axes: int) -> Tensor | None:
    """A tensor, if it is there and of the kind that is meant."""
    tensor = tensors.get(name)
    return tensor if tensor is not None and tensor.ndim == n_axes else None


def _resnet(tensors: Mapping[str, Tensor], top_key: str) -> Recognised | None:
    if "layer1.0.conv1.weight" in tensors:  # torchvision's names, saved from inside R3M or VIP
        tensors = {
            key if key.startswith("lang_") else f"convnet.{key}": tensor
            for key, tensor in tensors.items()
        }
    if not any(key.startswith("convnet.") for key in tensors):
        return None
    size = _resnet_size(tensors)
    network = f"ResNet-{size}" if size else "an unknown ResNet"
    classes = _with_axes(tensors, "convnet.fc.weight", 2)
    if classes is not None and len(classes) == _IMAGENET_CLASSES and top_key != "vip":
        return Recognised(f"a classifier of ImageNet ({network}), which no source reads")
    if classes is not None or top_key == "vip":
        return Recognised(f"a VIP checkpoint ({network})", "vip")
    settings = {"size": size} if size else {}
    if {"lang_enc", "lang_rew"} <= {key.partition(".")[0] for key in tensors}:
        what = f"an R3M checkpoint ({network}, with its language head)"
        return Recognised(what, "r3m", settings)
    what = f"an R3M checkpoint ({network}) without its language head, for 'r3m-goal' alone"
    return Recognised(what, "r3m without language", settings)


def _resnet_size(tensors: Mapping[str, Tensor]) -> int | None:
    """18, 34 or 50, from the widths of its first and last stage and its depth."""
    blocks = {key.split(".")[2] for key in tensors if key.startswith("convnet.layer1.")}
    first = [
        key for key in tensors if key.startswith("convnet.layer1.0.conv") and key.endswith("weight")
    ]
    last = [
        key for key in tensors if key.startswith("convnet.layer4.0.conv") and key.endswith("weight")
    ]
    if not first or not last:
        return None
    first_stage, last_stage = (_with_axes(tensors, max(names), 4) for names in (first, last))
    if first_stage is None or last_stage is None:
        return None
    return _RESNETS.get((first_stage.shape[0], len(blocks), last_stage.shape[0]))


def _s3d(tensors: Mapping[str, Tensor], top_key: str) -> Recognised | None:
    if (
        "text_module.word_embd.weight" not in tensors
        and "mixed_5c.conv_b0.conv1.weight" not in tensors
    ):
        return None
    return Recognised("an S3D checkpoint of MIL-NCE (HowTo100M)", "s3d")


def _clip(tensors: Mapping[str, Tensor], top_key: str) -> Recognised | None:
    by_name = {key.removeprefix("model."): tensor for key, tensor in tensors.items()}
    patches = _with_axes(by_name, "visual.conv1.weight", 4)
    projection = _with_axes(by_name, "text_projection", 2)
    if patches is None or projection is None:
        return None
    if top_key == "liv":
        return Recognised("a LIV checkpoint (CLIP ResNet-50)", "liv")
    embedding = projection.shape[-1]
    if "visual.class_embedding" not in by_name:
        name = _CLIP_RESNETS.get(embedding)
        return Recognised(
            f"a CLIP ResNet with embeddings of {embedding}",
            "clip",
            architectures=(name, f"{name}-quickgelu") if name else (),
        )
    width, _, patch, _ = patches.shape
    prefix = "visual.transformer.resblocks."
    blocks = {
        key.removeprefix(prefix).partition(".")[0] for key in by_name if key.startswith(prefix)
    }
    shape = (embedding, width, patch, len(blocks))
    open_clip = require("open_clip", extra="vision", needed_by="CLIP")
    configs = {name: open_clip.get_model_config(name) for name in open_clip.list_models()}
    names = [
        name
        for name in sorted(configs, key=lambda name: (len(name), name))
        if _shape_of(configs[name]) == shape and _reads_the_same(configs[name], by_name)
    ]
    what = " or ".join(names[:4]) or f"a ViT with (embedding, width, patch, layers) {shape}"
    return Recognised(what, "clip", architectures=tuple(names))


def _shape_of(config: dict[str, Any]) -> tuple[Any, ...]:
    vision = config["vision_cfg"]
    return config["embed_dim"], *(vision.get(k) for k in ("width", "patch_size", "layers"))


def _reads_the_same(config: dict[str, Any], tensors: Mapping[str, Tensor]) -> bool:
    """Whether pictures of this size and texts of these words are read, as far as tensors show."""
    if config.get("custom_text") or "multimodal_cfg" in config:
        return False  # its text encoder has other names
    vision, text = config["vision_cfg"], config["text_cfg"]
    places = (vision["image_size"] // vision["patch_size"]) ** 2 + 1
    expected = {
        "visual.positional_embedding": (places, vision["width"]),
        "token_embedding.weight": (text.get("vocab_size"), text.get("width")),
    }
    return all(
        name not in tensors or tuple(tensors[name].shape) == shape
        for name, shape in expected.items()
    )


def _siglip(tensors: Mapping[str, Tensor], top_key: str) -> Recognised | None:
    patches = _with_axes(tensors, "visual.trunk.patch_embed.proj.weight", 4)
    if patches is None or "logit_bias" not in tensors:
        return None
    width, _, patch, _ = patches.shape
    places = _with_axes(tensors, "visual.trunk.pos_embed", 3)
    words = _with_axes(tensors, "text.token_embedding.weight", 2)
    open_clip = require("open_clip", extra="vision", needed_by="SigLIP")
    names = [
        name
        for name in open_clip.list_models()
        if "SigLIP" in name
        and places is not None
        and words is not None
        and _siglip_shape(open_clip.get_model_config(name))
        == (patch, places.shape[1], words.shape[0], words.shape[1])
    ]
    what = f"a SigLIP of open_clip (width {width})" + (f": {' or '.join(names)}" if names else "")
    return Recognised(what, "siglip", architectures=tuple(names))


def _siglip_shape(config: dict[str, Any]) -> tuple[int, int, int, int]:
    """Patch, patches, words and width of a configuration; its network is one of timm's."""
    vision, text = config["vision_cfg"], config["text_cfg"]
    match = re.search(r"patch(\d+)", vision.get("timm_model_name", ""))
    patch = int(match[1]) if match else vision.get("patch_size", 1)
    return patch, (vision["image_size"] // patch) ** 2, text["vocab_size"], text["width"]


def _dino(tensors: Mapping[str, Tensor], top_key: str) -> Recognised | None:
    patches = _with_axes(tensors, "patch_embed.proj.weight", 4)
    if patches is None:
        return None
    blocks = {key.split(".")[1] for key in tensors if key.startswith("blocks.")}
    width, _, patch, _ = patches.shape
    what = f"a vision transformer such as DINO (width {width}, patch {patch}, {len(blocks)} layers)"
    size = _VITS.get((width, len(blocks)))
    registers = "reg4_" if {"reg_token", "register_tokens"} & tensors.keys() else ""
    names = {
        14: f"vit_{size}_patch14_{registers}dinov2",
        16: f"vit_{size}_patch16_{'dinov3' if registers else '224.dino'}",
        8: f"vit_{size}_patch8_224.dino",
    }
    has_name = size is not None and patch in names
    return Recognised(what, "dino", architectures=(names[patch],) if has_name else ())


def _distilbert(tensors: Mapping[str, Tensor], top_key: str) -> Recognised | None:
    if not any(".attention.q_lin." in key for key in tensors):
        return None
    return Recognised("a DistilBERT, a text encoder alone; R3M's checkpoint brings its own")


def _of_transformers(tensors: Mapping[str, Tensor], top_key: str) -> Recognised | None:
    if not any(key.startswith("vision_model.") for key in tensors):
        return None
    kind = "a SigLIP" if "logit_bias" in tensors else "a CLIP"
    return Recognised(f"{kind} of the transformers library, whose tensors have other names")
