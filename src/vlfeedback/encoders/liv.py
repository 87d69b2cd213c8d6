"""LIV: OpenAI's CLIP, trained further on videos of hands and robots, from its authors' files.

Code read: penn-pal-lab/LIV at a12991f. Its released file holds ``{"liv": ...}`` with tensors named
``module.model.<CLIP's name>``; one that its training writes has ``model.<CLIP's name>``, and an
optimizer beside them. Tensors, activation and tokens are those of CLIP's ResNet-50.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from vlfeedback.encoders.batches import PictureEncoder
from vlfeedback.encoders.clip import build_clip, known_architecture, picture_side
from vlfeedback.encoders.clip_tokenizer import CLIPTokenizer, load_tokenizer
from vlfeedback.encoders.clip_weights import check_quick_gelu
from vlfeedback.encoders.preprocess import CLIP_MEAN, CLIP_STD, Preprocess
from vlfeedback.encoders.recognise import recognise
from vlfeedback.encoders.sharing import file_key, shared
from vlfeedback.encoders.weights_files import Weights, check_one_choice, locate, read_weights
from vlfeedback.errors import CheckpointError, InvalidValueError

__all__ = ["LIVEncoder", "load_liv", "read_liv"]

_CHOICES = (
    "checkpoint='path of model.pt' (`hf download jasonyma/LIV model.pt` prints it), or "
    "random_weights_seed=0 for untrained weights"
)
_KEY = "liv"  # under which its files hold the tensors

_PREPROCESS: dict[str, Callable[[int], Preprocess]] = {
    # Its transforms of tensors; "antialias=None" there means off.
    "paper": lambda side: Preprocess(
        side, CLIP_MEAN, CLIP_STD, "bilinear", arithmetic="float", antialias=False
    ),
    # What it does to PIL pictures: CLIP's own.
    "clip": lambda side: Preprocess(side, CLIP_MEAN, CLIP_STD),
}


@dataclass(frozen=True, slots=True, eq=False)
class LIVEncoder:
    """A frozen LIV: pictures and texts to vectors in one space, of no fixed length."""

    model: nn.Module
    pictures: PictureEncoder
    tokenize: CLIPTokenizer

    @torch.inference_mode()
    def embed_text(self, text: str) -> Float32[np.ndarray, " D"]:
        """Features as the network gives them; what exceeds 77 tokens is cut off.

        Raises:
            InvalidValueError: the text tokenises to nothing.
        """
        tokens = self.tokenize([text]).to(self.pictures.device)
        features = self.model.encode_text(tokens)  # type: ignore[operator]
        return np.asarray(features[0].float().cpu().numpy())


def load_liv(
    *,
    architecture: str = "RN50-quickgelu",
    checkpoint: str | Path | None = None,
    random_weights_seed: int | None = None,
    preprocess: str = "paper",
    precision: str = "float32",
    batch_size: int | None = None,
    device: str = "cpu",
) -> LIVEncoder:
    """Load LIV in evaluation mode; texts are computed in float32.

    Args:
        architecture: the CLIP it was trained from, a name of ``open_clip.list_models()``; the
            released one is a ResNet-50.
        checkpoint: a file that its authors or their training wrote, of float32 or float16; or an
            address of the hub, see `locate`.
        random_weights_seed: random weights, untrained.
        preprocess: ``"paper"``: shortest edge bilinear in floats, no antialiasing, then the centre:
            what its code does to tensors. ``"clip"``: bicubic as CLIP, what it does to PIL
            pictures.
        precision: of pictures, see `PictureEncoder`.
        batch_size: pictures at once, see `PictureEncoder`.
        device: where it computes.

    Raises:
        NeedsError: not exactly one of the two weights is given.
        InvalidValueError: no such preprocessing.
        UnknownNameError: open_clip has no such architecture.
        FileNotFoundError: the file is not there.
        CheckpointError: the file is damaged, no LIV, or of another architecture; or the
            architecture computes plain GELU, with which no LIV was trained.
        MissingExtraError: open_clip is not installed.
    """
    check_one_choice("LIV", _CHOICES, checkpoint=checkpoint, seed=random_weights_seed)
    if preprocess not in _PREPROCESS:
        raise InvalidValueError(
            f"preprocess={preprocess!r}; expected one of {', '.join(map(repr, _PREPROCESS))}."
        )
    architecture = known_architecture(architecture)
    check_quick_gelu(architecture, str(checkpoint or "LIV"), trained=True)
    path = None if checkpoint is None else locate(checkpoint)
    model: Any = shared(
        ("liv", architecture, device, random_weights_seed if path is None else file_key(path)),
        lambda: build_clip(
            architecture, None if path is None else read_liv(path), random_weights_seed or 0
        ).to(device),
    )
    pictures = PictureEncoder(
        model.encode_image,
        _PREPROCESS[preprocess](picture_side(model)),
        network=model.visual,
        name=f"liv {architecture}",
        device=device,
        precision=precision,
        batch_size=batch_size,
    )
    return LIVEncoder(model, pictures, load_tokenizer(architecture))


def read_liv(path: str | Path) -> Weights:
    """The tensors of a LIV checkpoint, under CLIP's names.

    Raises:
        CheckpointError: the file is damaged, or no LIV.
    """
    path = Path(path)
    weights = read_weights(path)
    if weights.top_key != _KEY:
        # A plain CLIP has the same tensors, and would be scored under LIV's name.
        raise CheckpointError(
            f"{path} is no LIV checkpoint: it has no tensors under the key {_KEY!r}. It looks like "
            f"{recognise(weights.tensors, weights.top_key).what}."
        )
    return weights.without_prefix("model.")
