"""Tokens of a frozen CLIP: last hidden states of its picture and its text transformer.

Code read: mlfoundations/open_clip 3.3.0, `CLIP.forward_intermediates`; amberxie88/lapp at f0b2941,
which gives the same hidden states to a transformer of its own: pictures before the last norm,
texts after it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32, UInt8
from torch import Tensor

from vlfeedback.encoders.clip import CLIPEncoder, load_clip
from vlfeedback.encoders.weights_files import tensors_digest
from vlfeedback.errors import InvalidValueError
from vlfeedback.optional import require

__all__ = ["CLIPIdentity", "CLIPTokens", "half_precision", "load_clip_tokens"]

_CPU_BATCH = 8  # pictures encoded at once: more is no faster on a CPU
_GPU_BATCH = 128
_TEXT_BATCH = 64


@dataclass(frozen=True, slots=True)
class CLIPIdentity:
    """Architecture, weights and preprocessing of a CLIP; equal ones give equal tokens."""

    architecture: str  # a name of open_clip
    sha256: str  # of the tensors, whatever file they came in; see `tensors_digest`
    preprocess: dict[str, Any]  # the fields of `Preprocess`, as JSON values


@dataclass(frozen=True, slots=True, eq=False)
class CLIPTokens:
    """The hidden states of a frozen CLIP with two transformers, as OpenAI built it."""

    encoder: CLIPEncoder
    identity: CLIPIdentity
    picture_width: int  # numbers a picture's token has
    text_width: int  # numbers a text's token has

    @torch.inference_mode()
    def read_pictures(
        self, frames: UInt8[np.ndarray, "B H W 3"], *, class_token: bool = False
    ) -> Float32[Tensor, "B P D"]:
        """Last hidden states of each picture, before the last norm, independent of the others.

        Args:
            frames: pictures of any size.
            class_token: put the class token before those of the patches.

        Returns:
            One token a patch, row by row (196 of 768 for ViT-B/16), on the encoder's device.
        """
        device = self.encoder.device
        size = _GPU_BATCH if torch.device(device).type == "cuda" else _CPU_BATCH
        parts = []
        for start in range(0, len(frames), size):
            chunk = torch.from_numpy(np.ascontiguousarray(frames[start : start + size]))
            with half_precision(device):
                states = self.encoder.model.visual.forward_intermediates(  # type: ignore[operator, union-attr]
                    self.encoder.preprocess(chunk.to(device)),
                    indices=1,
                    intermediates_only=True,
                    output_fmt="NLC",
                    output_extra_tokens=True,
                )
            tokens = states["image_intermediates"][0]
            if class_token:
                tokens = torch.cat([states["image_intermediates_prefix"][0], tokens], dim=1)
            parts.append(tokens.float())
        return torch.cat(parts)

    @torch.inference_mode()
    def read_texts(
        self, texts: Sequence[str]
    ) -> tuple[Float32[Tensor, "S M E"], Bool[Tensor, "S M"]]:
        """Last hidden states of each text, after the last norm.

        Args:
            texts: what exceeds CLIP's context (77 tokens) is cut off.

        Returns:
            Tokens from start to end mark, padded with zeros to the longest text; and which of
            them are no padding. CLIP looks backwards only, so padding has not touched them.
        """
        ids = self.encoder.tokenize(list(texts)).to(self.encoder.device)
        end = ids.argmax(dim=1)  # the end mark has the highest number
        mask = torch.arange(int(end.max()) + 1, device=ids.device) <= end[:, None]
        parts = []
        for start in range(0, len(ids), _TEXT_BATCH):
            with half_precision(self.encoder.device):
                states = self.encoder.model.forward_intermediates(  # type: ignore[operator]
                    text=ids[start : start + _TEXT_BATCH],
                    text_indices=1,
                    normalize_intermediates=True,
                    intermediates_only=True,
                )
            parts.append(states["text_intermediates"][0][:, : mask.shape[1]].float())
        return torch.cat(parts) * mask[..., None], mask


def load_clip_tokens(
    architecture: str,
    *,
    checkpoint: str | Path | None = None,
    pretrained: str | None = None,
    random_weights_seed: int | None = None,
    device: str = "cpu",
) -> CLIPTokens:
    """Load a CLIP for its tokens; arguments and errors are those of `load_clip`.

    Raises:
        InvalidValueError: the architecture is no pair of transformers with one token a patch.
    """
    encoder = load_clip(
        architecture,
        checkpoint=checkpoint,
        pretrained=pretrained,
        random_weights_seed=random_weights_seed,
        device=device,
    )
    open_clip = require("open_clip", extra="vision", needed_by="CLIP")
    model: Any = encoder.model
    if not (
        isinstance(model, open_clip.CLIP)
        and isinstance(model.visual, open_clip.transformer.VisionTransformer)
        and model.text_pool_type == "argmax"
    ):
        raise InvalidValueError(
            f"{architecture!r} is no CLIP of two transformers as OpenAI built it, whose tokens "
            "are read here; use a ViT such as 'ViT-B-16-quickgelu'."
        )
    preprocess = json.loads(json.dumps(asdict(encoder.preprocess)))
    identity = CLIPIdentity(architecture.replace("/", "-"), tensors_digest(model), preprocess)
    return CLIPTokens(
        encoder, identity, model.visual.conv1.out_channels, model.token_embedding.embedding_dim
    )


def half_precision(device: str) -> AbstractContextManager[Any]:
    """Matrix products in bfloat16 on CUDA, where they are faster; untouched elsewhere."""
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda")
