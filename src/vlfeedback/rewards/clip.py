"""CLIP: cosine of the picture and the instruction.

Paper:    Radford et al. 2021 (CLIP); as a zero-shot reward in VLP's tables 4 and 15
Code read: openai/CLIP, mlfoundations/open_clip 3.3.0
Weights:  any of open_clip's, from a file or the hub cache; licence MIT for OpenAI's
Needs:    frames (the picture after the action), instruction
Returns:  one reward a step, unitless, in [-1, 1]; only differences mean something
Recipe:   1 encode picture and text; 2 scale both to length 1; 3 multiply.
Left out: the learned temperature (about 100) and any softmax over texts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, UInt8

from vlfeedback.encoders.clip_settings import CLIPSettings, load_chosen_clip
from vlfeedback.encoders.segments import TextCache, hold_scores, picture_features
from vlfeedback.types import SegmentBatch, SourceNeeds

__all__ = ["CLIPConfig", "CLIPReward"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CLIPConfig(CLIPSettings):
    """Settings of the `clip` source; those of `CLIPSettings`."""


class CLIPReward:
    """Cosine of each picture and the instruction; see the module's header.

    Raises:
        NeedsError: not exactly one of `checkpoint`, `pretrained` and `random_weights_seed`.
        UnknownNameError: open_clip has no such architecture or tag.
        FileNotFoundError: the weights or the tokenizer are not here; the message says how to get
            them.
        CheckpointError: the file is damaged, or of another architecture or activation.
    """

    config_type = CLIPConfig
    needs = SourceNeeds(frames=True, instruction=True)

    def __init__(self, config: CLIPConfig | None = None, *, device: str = "cpu") -> None:
        self.config = config or CLIPConfig()
        self.needs = replace(self.needs, frame_stride=self.config.frame_stride)
        self._encoder = load_chosen_clip(self.config, device=device)
        self._texts = TextCache("clip", self._encoder.embed_text)

    @property
    def embedding_id(self) -> str:
        """Names all that `embed` depends on; see `EmbeddingSource`."""
        return self._encoder.pictures.identity

    def embed(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[np.ndarray, "B D"]:
        """Features of each picture, of length 1."""
        return self._encoder.embed_pictures(frames)

    def embed_text(self, text: str) -> Float32[np.ndarray, " D"]:
        """Features of a text, of length 1; each text is encoded once.

        Raises:
            NeedsError: the text is empty.
            InvalidValueError: nothing is left of it once it is cleaned.
        """
        return self._texts(text)

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """Cosine of the instruction and the newest picture at each step; zero on padding.

        Raises:
            NeedsError: pictures or instructions are missing or empty, or the first picture comes
                after the first step.
            InvalidValueError: nothing is left of an instruction once it is cleaned.
        """
        texts = self._texts.of(batch)
        pictures = picture_features(batch, self.embed, source="clip")
        return hold_scores(np.einsum("nfd,nd->nf", pictures, texts), batch)
