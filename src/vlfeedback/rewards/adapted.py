"""A frozen encoder with trained adapters, as a reward source: PrefVLM's.

Paper:    "Preference VLM" (PrefVLM, arXiv 2502.01616), as it was digested by others
Weights:  the encoder's, and adapters that `vlfeedback.online.train_online(..., person=...)` trains
Needs:    what the encoder reads: frames (the picture after the action), instruction
Returns:  one reward a step, unitless, in [-1, 1]: the cosine of adapted picture and adapted text
Recipe:   1 encode picture and text; 2 correct both by their adapters; 3 take the cosine
Left out: nothing known; whatever else the encoder's own source does with its features, such as
          SigLIP's sigmoid or LIV's distance, is not done here
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from vlfeedback.data.contents import digest_of_source
from vlfeedback.encoders.segments import TextCache, hold_scores, picture_features
from vlfeedback.errors import NeedsError
from vlfeedback.models.adapters.network import EncoderAdapters
from vlfeedback.types import (
    EmbedsTexts,
    RewardSource,
    SegmentBatch,
    class_and_settings,
    embedding_id,
)

__all__ = ["AdaptedConfig", "AdaptedReward", "encoder_of_texts"]

_AT_ONCE = 4096  # pictures' features, so that memory is bounded


@dataclass(frozen=True, slots=True)
class AdaptedConfig:
    """What records say of an `AdaptedReward`, beside the digest of its weights.

    Attributes:
        encoder: class of the encoder's source.
        encoder_config: its settings.
        bottleneck: of the adapters.
    """

    encoder: str = ""
    encoder_config: dict[str, Any] = field(default_factory=dict)
    bottleneck: int = 256


class AdaptedReward:
    """Cosine of adapted picture and adapted text; see the module's header.

    Args:
        source: a source whose pictures and texts lie in one space, such as ``"clip"``, ``"liv"`` or
            ``"siglip2"`` with an instruction.
        adapters: of its features; they may be trained further while this source is in use.

    Raises:
        NeedsError: the source embeds no texts, or reads no instruction.

    Example:
        >>> from vlfeedback.testing import ShadeEncoder
        >>> source = AdaptedReward(ShadeEncoder(), EncoderAdapters(2))
        >>> black = np.zeros((1, 3, 8, 8, 3), np.uint8)
        >>> source.rewards(SegmentBatch(frames=black, instructions=["dark"])).tolist()
        [[1.0, 1.0, 1.0]]
    """

    def __init__(self, source: RewardSource, adapters: EncoderAdapters) -> None:
        source = encoder_of_texts(source)
        self.source, self.adapters = source, adapters
        self.needs = source.needs
        name, settings = class_and_settings(source)
        self.config = AdaptedConfig(name, settings, adapters.bottleneck)
        self._texts = TextCache("adapted", source.embed_text)

    @property
    def content_id(self) -> str:
        """Of encoder and adapters; another one after each training."""
        return f"{digest_of_source(self.source)} {self.adapters.digest()}"

    @property
    def embedding_id(self) -> str:
        """The encoder's: adapters are applied to what `embed` gives."""
        return embedding_id(self.source)

    def embed(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[np.ndarray, "B D"]:
        """Features of each picture, as the frozen encoder gives them."""
        return self.source.embed(frames)

    def embed_text(self, text: str) -> Float32[np.ndarray, " D"]:
        """Features of a text, as the frozen encoder gives them; each text is encoded once."""
        return self._texts(text)

    @torch.inference_mode()
    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """Cosine of the instruction and the newest picture at each step; zero on padding.

        Raises:
            NeedsError: pictures or instructions are missing or empty, or the first picture comes
                after the first step.
        """
        device = self.adapters.device
        texts = torch.from_numpy(self._texts.of(batch)).to(device)
        pictures = torch.from_numpy(
            np.ascontiguousarray(picture_features(batch, self.embed, source="adapted"))
        )
        n = max(1, _AT_ONCE // max(1, pictures.shape[1]))
        scores = [
            self.adapters(rows.to(device), words[:, None]).cpu()
            for rows, words in zip(pictures.split(n), texts.split(n), strict=True)
        ]
        return hold_scores(np.asarray(torch.cat(scores).numpy()), batch)


def encoder_of_texts(source: RewardSource) -> EmbedsTexts:
    """The same source, if adapters can sit on its features.

    Raises:
        NeedsError: it embeds no texts, or reads no instruction.
    """
    if not isinstance(source, EmbedsTexts) or not source.needs.instruction:
        raise NeedsError(
            f"{class_and_settings(source)[0]} has no features of pictures and instructions in one "
            "space, so that adapters cannot sit on them; take 'liv', 'clip' or 'siglip2', with an "
            "instruction. PrefVLM works without them: PrefVLMConfig(adapters=False)."
        )
    return source
