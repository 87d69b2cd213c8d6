"""Vision transformers trained without labels, DINOv2 and DINOv3, on timm's networks.

Files of timm and of Meta are read, as far as timm's own `checkpoint_filter_fn` converts them.
Code read: timm 1.0.31, vision_transformer.py and eva.py; facebookresearch/dinov2.

Position embeddings of another picture size are resampled once by timm, bicubic and antialiased.
Meta's own code for DINOv2 does it without antialiasing and a tenth of a patch off, except where
there are register tokens, so that its features differ a little from these.
"""

from __future__ import annotations

import contextlib
import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vlfeedback.data.foreign_files import reading
from vlfeedback.encoders.batches import PictureEncoder
from vlfeedback.encoders.preprocess import Preprocess
from vlfeedback.encoders.recognise import recognise
from vlfeedback.encoders.sharing import file_key, shared
from vlfeedback.encoders.weights_files import Weights, check_one_choice, fill, locate, read_weights
from vlfeedback.errors import CheckpointError, InvalidValueError, UnknownNameError
from vlfeedback.optional import require
from vlfeedback.registry import suggest

__all__ = ["load_dino"]

_CHOICES = "checkpoint='path of a weights file', or random_weights_seed=0 for untrained weights"
_PATCHES = "patch_embed.proj.weight"
_FEATURES = ("class", "patches")


def load_dino(
    architecture: str,
    *,
    checkpoint: str | Path | None = None,
    random_weights_seed: int | None = None,
    image_size: int = 224,
    features: str = "class",
    precision: str = "float32",
    batch_size: int | None = None,
    device: str = "cpu",
) -> PictureEncoder:
    """Load a vision transformer of timm that has a class token, in evaluation mode.

    Args:
        architecture: a name of timm, such as ``vit_base_patch14_dinov2.lvd142m``.
        checkpoint: a weights file of timm or Meta, or an address of the hub, see `locate`.
        random_weights_seed: random weights, as timm initialises them, untrained.
        image_size: side of the picture the network reads, px; a multiple of the patch's.
        features: ``"class"``: the class token after the last norm, (B, D). ``"patches"``: those of
            the patches, row by row, (B, P, D).
        precision: see `PictureEncoder`.
        batch_size: pictures at once, see `PictureEncoder`.
        device: where it computes.

    Raises:
        NeedsError: not exactly one of the two weights is given.
        InvalidValueError: no such features, the size is no multiple of the patch's, or the
            architecture has no class token.
        UnknownNameError: timm has no such architecture.
        FileNotFoundError: the file is not there.
        CheckpointError: the file is damaged, or of another architecture.
        MissingExtraError: timm is not installed.
    """
    check_one_choice("DINO", _CHOICES, checkpoint=checkpoint, seed=random_weights_seed)
    if features not in _FEATURES:
        raise InvalidValueError(f"features={features!r}; expected 'class' or 'patches'.")
    _check_known(architecture)
    path = None if checkpoint is None else locate(checkpoint)
    weights = random_weights_seed if path is None else file_key(path)
    network: Any = shared(
        ("dino", architecture, image_size, device, weights),
        lambda: _load(architecture, path, random_weights_seed or 0, image_size).to(device),
    )
    first_patch = network.num_prefix_tokens

    def encode(prepared: Tensor) -> Tensor:
        tokens: Tensor = network.forward_features(prepared)
        return tokens[:, 0] if features == "class" else tokens[:, first_patch:]

    return PictureEncoder(
        encode,
        _preprocess_of(network, image_size),
        network=network,
        name=f"dino {architecture} {features}",
        device=device,
        precision=precision,
        batch_size=batch_size,
    )


def _check_known(architecture: str) -> None:
    timm = require("timm", extra="vision", needed_by="DINO")
    name, _, tag = architecture.partition(".")
    variants = timm.list_pretrained(f"{name}.*")
    if timm.is_model(name) and (not tag or architecture in variants):
        return
    names = variants if timm.is_model(name) else timm.list_models("*dino*")
    raise UnknownNameError(
        f"timm has no vision transformer {architecture!r}. {suggest(architecture, names)}"
        "`python -c 'import timm; print(timm.list_models(\"*dino*\"))'` shows DINO's."
    )


def _load(architecture: str, path: Path | None, seed: int, image_size: int) -> nn.Module:
    weights = None if path is None else read_weights(path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _build(architecture, image_size)
    if weights is not None:
        fill(network, _converted(weights, network, architecture), repr(architecture))
    return network.eval().requires_grad_(False)


def _build(architecture: str, image_size: int) -> nn.Module:
    timm = require("timm", extra="vision", needed_by="DINO")
    with torch.device("meta"):  # takes no memory
        outline = timm.create_model(architecture, pretrained=False, num_classes=0)
    if getattr(outline, "cls_token", None) is None:
        raise InvalidValueError(
            f"{architecture!r} has no class token, and is compared by none; use a DINO such as "
            "'vit_base_patch14_dinov2.lvd142m'."
        )
    patch = outline.patch_embed.patch_size[0]
    if image_size < patch or image_size % patch:
        raise InvalidValueError(
            f"image_size={image_size}; {architecture!r} reads patches of {patch} px, so expected a "
            f"multiple of that, such as {224 // patch * patch}."
        )
    network: nn.Module = timm.create_model(
        architecture, pretrained=False, num_classes=0, global_pool="token", img_size=image_size
    )
    return network


def _converted(weights: Weights, network: Any, architecture: str) -> Weights:
    """The tensors under timm's names, for this size of picture."""
    expected = network.state_dict()[_PATCHES].shape
    patches = weights.tensors.get(_PATCHES)
    if patches is None or patches.shape != expected:  # timm would stretch patches of another size
        raise CheckpointError(
            f"{weights.path} is no {architecture!r}, whose tensor {_PATCHES!r} has the shape "
            f"{tuple(expected)}. It looks like {recognise(weights.tensors, weights.top_key).what}."
        )
    module = require(type(network).__module__, extra="vision", needed_by="DINO")
    advice = f"Pass weights of {architecture!r}."
    with (
        reading(weights.path, "weights file of DINO", advice=advice, error=CheckpointError),
        contextlib.redirect_stdout(io.StringIO()),  # it prints what it leaves out
    ):
        tensors = module.checkpoint_filter_fn(dict(weights.tensors), network)
    return replace(weights, tensors=tensors)


def _preprocess_of(network: Any, image_size: int) -> Preprocess:
    config = network.pretrained_cfg
    return Preprocess(
        image_size,
        tuple(config["mean"]),
        tuple(config["std"]),
        interpolation=config["interpolation"],
        resize=math.floor(image_size / config["crop_pct"]),
    )
