"""R3M's and VIP's picture encoders: torchvision ResNets in files of their own layout.

Code read: facebookresearch/r3m at b2334e7 `models_r3m.py`, facebookresearch/vip at 81b0520
`model_vip.py`, torchvision 0.29. Both resize with PIL to 256 px, cut out the centre of 224 px and
normalise with ImageNet's constants. Left out: their resizing of tensors, and VIP's guess of the
scale from the brightest pixel, which takes a dark picture for one in [0, 1]; ours are uint8. Both
leave the network in training mode, so that features depend on the batch; ours is in evaluation
mode.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float32
from torch import Tensor, nn

from vlfeedback.encoders.batches import PictureEncoder
from vlfeedback.encoders.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess
from vlfeedback.encoders.recognise import r3m, r3m_pictures, recognise, vip
from vlfeedback.encoders.sharing import file_key, shared
from vlfeedback.encoders.weights_files import (
    Weights,
    check_one_choice,
    fill,
    locate,
    read_weights,
)
from vlfeedback.errors import CheckpointError, InvalidValueError, UnknownNameError
from vlfeedback.optional import require

__all__ = ["WEIGHTS_CHOICES", "ResNet", "check_size", "load_resnet", "read_resnet_file"]

WEIGHTS_CHOICES = (
    "checkpoint='path of the released model.pt', or random_weights_seed=0 for untrained weights"
)
"""How weights of either method are passed, as `check_one_choice` shows it."""

_SIZES = (18, 34, 50)
_RESIZE, _SIDE = 256, 224  # px: the shorter edge, then the centre; both repositories' examples
_ARITHMETIC = {"paper": "uint8", "pil": "pil"}
_LANGUAGE = ("lang_enc.", "lang_rew.")  # beginnings of names that are no picture encoder's


class ResNet(nn.Module):
    """A ResNet of torchvision under the name `convnet`, as both methods save it.

    Args:
        size: 18, 34 or 50.
        n_outputs: of a last linear layer; None for the pooled features themselves: 512 numbers
            a picture, or 2048 of size 50.
    """

    def __init__(self, size: int, n_outputs: int | None = None) -> None:
        super().__init__()
        models = require("torchvision.models", extra="vision", needed_by="R3M and VIP")
        self.convnet = getattr(models, f"resnet{size}")(weights=None)
        width = self.convnet.fc.in_features
        self.convnet.fc = nn.Identity() if n_outputs is None else nn.Linear(width, n_outputs)
        self.n_features = n_outputs or width

    def forward(self, pictures: Float32[Tensor, "B 3 S S"]) -> Tensor:
        """Features (B, D) of normalised pictures."""
        features: Tensor = self.convnet(pictures)
        return features


def check_size(source: str, size: str | int) -> int:
    """The size of a ResNet as a number; in an id such as ``"r3m.18"`` it is text.

    Raises:
        UnknownNameError: it is none of 18, 34 and 50.
    """
    if str(size) not in map(str, _SIZES):
        raise UnknownNameError(
            f"{source!r} has no ResNet of size {size!r}; it has the sizes 18, 34 and 50."
        )
    return int(size)


def load_resnet(
    family: str,
    size: int,
    *,
    source: str,
    checkpoint: str | Path | None,
    random_weights_seed: int | None,
    n_outputs: int | None = None,
    preprocess: str = "paper",
    precision: str = "float32",
    batch_size: int | None = None,
    device: str = "cpu",
) -> PictureEncoder:
    """Load a picture encoder, in evaluation mode; of equal weights there is one copy.

    Args:
        family: ``"r3m"`` or ``"vip"``; sources of one family share features.
        size: 18, 34 or 50.
        source: id of the reward source, for messages and for whether it reads the file.
        checkpoint: a file of either layout, or an address of the hub, see `locate`.
        random_weights_seed: random weights, as torchvision initialises them, untrained.
        n_outputs: see `ResNet`.
        preprocess: ``"paper"``: as published, in whole batches, within 2 grey levels of 255 of
            PIL; or ``"pil"``: exactly as published, one picture at a time.
        precision: see `PictureEncoder`.
        batch_size: pictures at once, see `PictureEncoder`.
        device: where it computes.

    Raises:
        NeedsError: not exactly one of the two weights is given.
        InvalidValueError: `preprocess` is neither.
        FileNotFoundError: the file is not there.
        CheckpointError: the file is damaged, or of another network or method.
        MissingExtraError: torchvision is not installed.
    """
    check_one_choice(
        repr(source),
        WEIGHTS_CHOICES,
        checkpoint=checkpoint,
        random_weights_seed=random_weights_seed,
    )
    if preprocess not in _ARITHMETIC:
        raise InvalidValueError(
            f"{source!r} got preprocess={preprocess!r}; expected 'paper' or 'pil'."
        )
    path = None if checkpoint is None else locate(checkpoint)
    network = shared(
        (family, size, device, random_weights_seed if path is None else file_key(path)),
        lambda: _load(path, family, source, size, n_outputs, random_weights_seed or 0).to(device),
    )
    return PictureEncoder(
        network,
        Preprocess(
            _SIDE,
            IMAGENET_MEAN,
            IMAGENET_STD,
            interpolation="bilinear",
            resize=_RESIZE,
            arithmetic=_ARITHMETIC[preprocess],
        ),
        network=network,
        name=f"{family} resnet{size}",
        device=device,
        precision=precision,
        batch_size=batch_size,
    )


def read_resnet_file(path: str | Path, *, family: str, source: str, size: int) -> Weights:
    """A file of R3M or VIP, its names as the repositories have them: ``convnet.*``, ``lang_*``.

    Args:
        path: of the file.
        family: ``"r3m"`` or ``"vip"``: whose file it has to be.
        source: see `load_resnet`; ``"r3m"`` needs the language head too.
        size: 18, 34 or 50, which it has to be.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is damaged, or another kind of file, which the message names.
    """
    path = Path(path)
    weights = read_weights(path)
    if "layer1.0.conv1.weight" in weights.tensors:  # saved from inside the wrapper
        tensors = {
            key if key.startswith(_LANGUAGE) else f"convnet.{key}": tensor
            for key, tensor in weights.tensors.items()
        }
        weights = replace(weights, tensors=tensors)
    _check_kind(weights, family, source, size)
    return weights


def _check_kind(weights: Weights, family: str, source: str, size: int) -> None:
    recognised = recognise(weights.tensors, weights.top_key)
    if not recognised.kind:
        return  # a damaged copy of ours may be among these: `fill` names what it lacks
    if source == "r3m" and recognised.kind == "r3m without language":
        raise CheckpointError(
            f"{weights.path} is visual-only R3M: use r3m-goal, or a file with lang_enc.* and "
            "lang_rew.*."
        )
    reads = vip if family == "vip" else r3m if source == "r3m" else r3m_pictures
    if reads(weights) is None:
        raise CheckpointError(
            f"{weights.path} is {recognised.what}, which {source!r} does not read; "
            f"`vlfeedback weights check {weights.path}` names the sources that do."
        )
    in_file = recognised.settings.get("size", size)
    if in_file != size:
        raise CheckpointError(
            f"{weights.path} is {recognised.what}: got size={size}; pass size={in_file}."
        )


def _load(
    path: Path | None, family: str, source: str, size: int, n_outputs: int | None, seed: int
) -> ResNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ResNet(size, n_outputs)
    if path is not None:
        weights = read_resnet_file(path, family=family, source=source, size=size)
        language = [key for key in weights.tensors if key.startswith(_LANGUAGE)]
        fill(network, weights, f"ResNet-{size} of {source!r}", unread=language)
    # Channels last is up to a quarter faster on a CPU, and equal but for the order of sums.
    network.to(memory_format=torch.channels_last)
    return network.eval().requires_grad_(False)
