"""CLIP models of open_clip with their preprocessing and tokenizers, from local files.

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

from vlfeedback.encoders.batches import PictureEncoder
from vlfeedback.encoders.clip_tokenizer import load_tokenizer
from vlfeedback.encoders.clip_weights import (
    cached_weights,
    check_quick_gelu,
    fill_clip,
    preprocess_of,
    trained_with_quick_gelu,
)
from vlfeedback.encoders.preprocess import Preprocess
from vlfeedback.encoders.sharing import file_key, shared
from vlfeedback.encoders.weights_files import Weights, check_one_choice, locate, read_weights
from vlfeedback.errors import InvalidValueError, UnknownNameError
from vlfeedback.optional import require
from vlfeedback.registry import suggest

__all__ = ["CLIPEncoder", "build_clip", "known_architecture", "load_clip", "picture_side"]

_CHOICES = (
    "checkpoint='path of a weights file', pretrained='a tag of open_clip whose file is in your hub "
    "cache, such as openai', or random_weights_seed=0 for untrained weights"
)


@dataclass(frozen=True, slots=True, eq=False)
class CLIPEncoder:
    """A frozen CLIP model: pictures and texts to unit vectors in one space."""

    model: nn.Module
    pictures: PictureEncoder
    tokenize: Callable[[list[str]], Tensor]  # texts to (N, context length) int64

    @property
    def preprocess(self) -> Preprocess:
        """What is done to a picture before the network reads it."""
        return self.pictures.preprocess

    @property
    def device(self) -> str:
        """Where it computes."""
        return self.pictures.device

    def embed_pictures(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[np.ndarray, "B D"]:
        """Features of length 1, each picture's independent of the others."""
        return self.pictures.embed(frames)

    @torch.inference_mode()
    def embed_text(self, text: str) -> Float32[np.ndarray, " D"]:
        """Features of length 1; what exceeds the context length (77 tokens) is cut off.

        Raises:
            InvalidValueError: the text tokenises to nothing.
        """
        features = self.model.encode_text(self.tokenize([text]).to(self.device))  # type: ignore[operator]
        return np.asarray(_normalise(features)[0].cpu().numpy(), dtype=np.float32)


def load_clip(
    architecture: str,
    *,
    checkpoint: str | Path | None = None,
    pretrained: str | None = None,
    random_weights_seed: int | None = None,
    preprocess: Callable[[int], Preprocess] | None = None,
    tokenizer: str | Path | None = None,
    precision: str = "float32",
    batch_size: int | None = None,
    device: str = "cpu",
) -> CLIPEncoder:
    """Load a CLIP model, in evaluation mode; its texts are computed in float32.

    Args:
        architecture: a name of ``open_clip.list_models()``.
        checkpoint: a weights file: an OpenAI archive, a state dict, or safetensors; or an address
            of the hub, see `locate`.
        pretrained: a tag of open_clip; its file must be in the hub cache.
        random_weights_seed: random weights, as open_clip initialises them, untrained.
        preprocess: what is done to pictures, from the side of what the network reads, in px;
            default: what the weights were trained with.
        tokenizer: folder of the tokenizer's files, see `load_tokenizer`.
        precision: of pictures, see `PictureEncoder`.
        batch_size: pictures at once, see `PictureEncoder`.
        device: where it computes.

    Raises:
        NeedsError: not exactly one of the three weights is given.
        UnknownNameError: no such architecture, or no such tag for it.
        FileNotFoundError: the file, or the tokenizer's, is not there; the message says how to
            get it.
        CheckpointError: the file is damaged, or of another architecture or activation.
        FileFormatError: the tokenizer's files are damaged, or of another model.
        MissingExtraError: open_clip, or what reads the tokenizer, is not installed.
    """
    check_one_choice(
        "CLIP", _CHOICES, checkpoint=checkpoint, pretrained=pretrained, seed=random_weights_seed
    )
    architecture = known_architecture(architecture)
    tokenize = load_tokenizer(architecture, tokenizer)
    path = None
    if pretrained is not None:
        path = cached_weights(architecture, pretrained)
    elif checkpoint is not None:
        path = locate(checkpoint)
    model: Any = shared(
        ("clip", architecture, device, random_weights_seed if path is None else file_key(path)),
        lambda: build_clip(
            architecture, None if path is None else read_weights(path), random_weights_seed or 0
        ).to(device),
    )
    side = picture_side(model)
    pictures = PictureEncoder(
        lambda prepared: _normalise(model.encode_image(prepared)),
        preprocess(side) if preprocess else preprocess_of(architecture, pretrained, path, side),
        network=model.visual,
        name=f"clip {architecture}",
        device=device,
        precision=precision,
        batch_size=batch_size,
    )
    return CLIPEncoder(model, pictures, tokenize)


def known_architecture(name: str) -> str:
    """The name as open_clip spells it: OpenAI writes ViT-B/32.

    Raises:
        UnknownNameError: open_clip has no such architecture.
        MissingExtraError: it is not installed.
    """
    open_clip = require("open_clip", extra="vision", needed_by="CLIP")
    name = name.replace("/", "-")
    if name not in open_clip.list_models():
        raise UnknownNameError(
            f"open_clip has no architecture {name!r}. {suggest(name, open_clip.list_models())}"
            "`python -c 'import open_clip; print(open_clip.list_models())'` shows all."
        )
    return name


def build_clip(architecture: str, weights: Weights | None, seed: int) -> nn.Module:
    """A frozen CLIP model in evaluation mode, in float32, on the CPU.

    Args:
        architecture: a name of ``open_clip.list_models()``.
        weights: what it is filled with; None: random weights, as open_clip initialises them.
        seed: of the random weights.

    Raises:
        CheckpointError: the weights are of another architecture or activation.
    """
    open_clip = require("open_clip", extra="vision", needed_by="CLIP")
    if weights is not None:
        quick_gelu = trained_with_quick_gelu(weights)
        check_quick_gelu(architecture, str(weights.path), trained=quick_gelu)
    with _silenced_open_clip(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: nn.Module = open_clip.create_model(architecture, pretrained_text=False)
    if weights is not None:
        fill_clip(model, weights, architecture)
    return model.eval().requires_grad_(False)


def picture_side(model: Any) -> int:
    """Height and width of the pictures that a model of open_clip reads, px.

    Raises:
        InvalidValueError: they are not square.
    """
    size = model.visual.image_size
    height, width = (size, size) if isinstance(size, int) else size
    if height != width:
        raise InvalidValueError(
            f"This CLIP reads pictures of {size} px; only square ones are supported."
        )
    return int(height)


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
