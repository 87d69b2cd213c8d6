"""CLIP of open_clip with its own preprocessing and tokenizer, from files that are already here.

Code read: mlfoundations/open_clip 3.3.0, which only warns when weights and architecture disagree
about QuickGELU, and then computes something else than the weights were trained for: here that
is an error. Nothing is ever downloaded.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn

from vlfeedback.encoders.clip_weights import (
    Weights,
    cached_weights,
    check_quick_gelu,
    fill,
    preprocess_of,
    read_weights,
)
from vlfeedback.errors import NeedsError, UnknownNameError
from vlfeedback.optional import require
from vlfeedback.registry import suggest

__all__ = ["CLIPEncoder", "Preprocess", "load_clip"]

_BATCH = 8  # pictures encoded at once: more is no faster on a CPU, and activations stay small


@dataclass(frozen=True, slots=True)
class Preprocess:
    """Resize, crop and normalise a batch of pictures; the constants belong to the weights.

    Within 2 grey levels of 255 of open_clip's own transform, which takes one PIL picture at a
    time, even on noise. Pillow 13 resizes first along the edge that shrinks more; where that is
    the height, noise differs by up to 7 levels.
    """

    size: int  # side of the picture the network reads, px
    mean: tuple[float, float, float]  # of each channel, in [0, 1]
    std: tuple[float, float, float]
    interpolation: str = "bicubic"  # or "bilinear"
    resize_mode: str = "shortest"  # edge to `size`, then the centre; or "squash" both edges

    def __post_init__(self) -> None:
        if self.resize_mode not in ("shortest", "squash"):
            raise NeedsError(
                f"These weights want pictures resized in mode {self.resize_mode!r}; only "
                "'shortest' and 'squash' are supported."
            )

    def __call__(self, frames: UInt8[Tensor, "B H W 3"]) -> Float32[Tensor, "B 3 S S"]:
        """Pictures as the network reads them."""
        from torchvision.transforms import InterpolationMode
        from torchvision.transforms.v2 import functional

        squash = self.resize_mode == "squash"
        pictures = functional.resize(
            frames.permute(0, 3, 1, 2),
            [self.size, self.size] if squash else [self.size],
            interpolation=InterpolationMode(self.interpolation),
            antialias=True,
        )
        pictures = functional.center_crop(pictures, [self.size, self.size])
        normalised: Tensor = functional.normalize(
            pictures.float() / 255, list(self.mean), list(self.std)
        )
        return normalised


@dataclass(frozen=True, slots=True, eq=False)
class CLIPEncoder:
    """A frozen CLIP model: pictures and texts to directions in one space."""

    model: nn.Module
    preprocess: Preprocess
    tokenize: Callable[[list[str]], Tensor]  # texts to (N, context length) int64
    device: str

    @torch.inference_mode()
    def embed_pictures(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[np.ndarray, "B D"]:
        """Features of length 1, each picture's independent of the others."""
        parts = []
        for start in range(0, len(frames), _BATCH):
            chunk = torch.from_numpy(np.ascontiguousarray(frames[start : start + _BATCH]))
            features = self.model.encode_image(self.preprocess(chunk.to(self.device)))  # type: ignore[operator]
            parts.append(_normalise(features))
        return np.asarray(torch.cat(parts).cpu().numpy(), dtype=np.float32)

    @torch.inference_mode()
    def embed_text(self, text: str) -> Float32[np.ndarray, " D"]:
        """Features of length 1; what exceeds the context length (77 tokens) is cut off."""
        features = self.model.encode_text(self.tokenize([text]).to(self.device))  # type: ignore[operator]
        return np.asarray(_normalise(features)[0].cpu().numpy(), dtype=np.float32)


def load_clip(
    architecture: str,
    *,
    checkpoint: str | Path | None = None,
    pretrained: str | None = None,
    random_weights_seed: int | None = None,
    device: str = "cpu",
) -> CLIPEncoder:
    """Load a CLIP model in float32, in evaluation mode.

    Args:
        architecture: a name of ``open_clip.list_models()``.
        checkpoint: a weights file: an OpenAI archive, a state dict, or safetensors.
        pretrained: a tag of open_clip; its file must be in the hub cache.
        random_weights_seed: random weights, as open_clip initialises them: they know nothing.
        device: where it computes.

    Raises:
        NeedsError: not exactly one of the three weights is given.
        UnknownNameError: no such architecture, or no such tag for it.
        FileNotFoundError: the file is not there; the message says how to get it.
        CheckpointError: the file is damaged, or of another architecture or activation.
        MissingExtraError: open_clip is not installed.
    """
    open_clip = require("open_clip", extra="vision", needed_by="CLIP")
    _check_one_choice(checkpoint, pretrained, random_weights_seed)
    architecture = architecture.replace("/", "-")  # OpenAI writes ViT-B/32
    if architecture not in open_clip.list_models():
        raise UnknownNameError(
            f"open_clip has no architecture {architecture!r}. "
            f"{suggest(architecture, open_clip.list_models())}"
            "`python -c 'import open_clip; print(open_clip.list_models())'` shows all."
        )
    weights: Weights | None = None
    if pretrained is not None:
        weights = read_weights(cached_weights(architecture, pretrained))
    elif checkpoint is not None:
        weights = read_weights(Path(checkpoint).expanduser())
        check_quick_gelu(architecture, str(weights.path), trained=weights.quick_gelu)
    with _silenced_open_clip(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_weights_seed or 0)
        model: Any = open_clip.create_model(architecture, pretrained_text=False)
        tokenize = _tokenizer(open_clip, architecture)
    if weights is not None:
        fill(model, weights, architecture)
    settings = preprocess_of(architecture, pretrained, weights)
    settings["size"] = _side(model.visual.image_size)
    return CLIPEncoder(
        model.to(device).eval().requires_grad_(False), Preprocess(**settings), tokenize, device
    )


def _check_one_choice(
    checkpoint: str | Path | None, pretrained: str | None, random_weights_seed: int | None
) -> None:
    choices = {
        "checkpoint": checkpoint,
        "pretrained": pretrained,
        "random_weights_seed": random_weights_seed,
    }
    given = {name: value for name, value in choices.items() if value is not None}
    if len(given) != 1:
        raise NeedsError(
            f"CLIP got {given or 'no weights'}; give exactly one of: checkpoint='path of a weights "
            "file', pretrained='a tag of open_clip whose file is in your hub cache, such as "
            "openai', or random_weights_seed=0 for weights that know nothing."
        )


def _tokenizer(open_clip: Any, architecture: str) -> Callable[[list[str]], Tensor]:
    text = open_clip.get_model_config(architecture)["text_cfg"]
    # Only tokenizers of the hub would be downloaded, and only they know this argument.
    offline = {"local_files_only": True} if text.get("hf_tokenizer_name") else {}
    tokenizer: Callable[[list[str]], Tensor] = open_clip.get_tokenizer(architecture, **offline)
    return tokenizer


def _side(size: int | tuple[int, int]) -> int:
    if isinstance(size, int):
        return size
    if size[0] != size[1]:
        raise NeedsError(f"This CLIP reads pictures of {size} px; only square ones are supported.")
    return size[0]


def _normalise(features: Tensor) -> Tensor:
    return nn.functional.normalize(features.float(), dim=-1)


@contextmanager
def _silenced_open_clip() -> Iterator[None]:
    # It logs through the root logger, which would configure logging for the whole program, and
    # says "initialized randomly" just before we fill in the weights.
    root, nowhere = logging.getLogger(), logging.NullHandler()

    def is_ours(record: logging.LogRecord) -> bool:
        return "open_clip" not in record.pathname

    root.addHandler(nowhere)
    root.addFilter(is_ours)
    try:
        yield
    finally:
        root.removeFilter(is_ours)
        root.removeHandler(nowhere)
