"""SigLIP 2: cosine of the picture and the instruction, or the probability that they match.

Paper:    Tschannen et al. 2025 (SigLIP 2); Zhai et al. 2023 for the sigmoid
Code read: mlfoundations/open_clip 3.3.0, google-research/big_vision for how a text is cleaned
Weights:  any SigLIP of open_clip, from a file or the hub cache (tag "webli"), and its tokenizer's
          files; licence Apache-2.0
Needs:    frames (the picture after the action), instruction
Returns:  one reward a step, unitless: a cosine in [-1, 1], or with calibrated=True a number in
          (0, 1)
Recipe:   1 squash the picture to a square; 2 put the text in lower case, without punctuation, and
          pad it to 64 tokens; 3 encode both, of length 1; 4 multiply; 5 if calibrated, take
          sigmoid(scale * cosine + bias), both learned with the weights.
Left out: pictures of several resolutions (NaFlex).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8
from scipy.special import expit

from vlfeedback.encoders.clip_settings import CLIPSettings, load_chosen_clip
from vlfeedback.encoders.preprocess import Preprocess
from vlfeedback.encoders.segments import TextCache, hold_scores, picture_features
from vlfeedback.errors import InvalidValueError
from vlfeedback.types import SegmentBatch, SourceNeeds

__all__ = ["SigLIP2Config", "SigLIP2Reward"]

_HALF = (0.5, 0.5, 0.5)  # mean and deviation of every SigLIP's pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class SigLIP2Config(CLIPSettings):
    """Settings of the `siglip2` source, beside those of `CLIPSettings`; its tag is "webli".

    Attributes:
        architecture: any SigLIP 2 of open_clip.
        calibrated: False: the cosine, as `clip`. True: the probability of a match, which
            saturates near 0 for most pictures of robots, so that sums of it follow the few that
            are not.
    """

    architecture: str = (
        "ViT-B-16-SigLIP2"  # any SigLIP of open_clip; this one is the smallest at /16
    )
    calibrated: bool = False


class SigLIP2Reward:
    """Match of each picture and the instruction; see the module's header.

    Raises:
        NeedsError: not exactly one of `checkpoint`, `pretrained` and `random_weights_seed`.
        InvalidValueError: the architecture is no SigLIP.
        UnknownNameError: open_clip has no such architecture or tag.
        FileNotFoundError: the weights or the tokenizer are not here; the message says how to get
            them.
        CheckpointError: the file is damaged, or of another architecture.
        FileFormatError: the tokenizer's files are damaged, or of another model.
    """

    config_type = SigLIP2Config
    needs = SourceNeeds(frames=True, instruction=True)

    def __init__(self, config: SigLIP2Config | None = None, *, device: str = "cpu") -> None:
        self.config = config or SigLIP2Config()
        self.needs = replace(self.needs, frame_stride=self.config.frame_stride)
        self._encoder = load_chosen_clip(self.config, device=device, preprocess=_preprocess)
        self._texts = TextCache("siglip2", self._encoder.embed_text)
        model: Any = self._encoder.model
        if getattr(model, "logit_bias", None) is None:
            raise InvalidValueError(
                f"{self.config.architecture!r} is no SigLIP: it has no bias; use 'clip' for it, or "
                "an architecture such as 'ViT-B-16-SigLIP2'."
            )
        self._scale, self._bias = float(model.logit_scale.exp()), float(model.logit_bias)

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
        """Match of the instruction and the newest picture at each step; zero on padding.

        Raises:
            NeedsError: pictures or instructions are missing or empty, or the first picture comes
                after the first step.
            InvalidValueError: nothing is left of an instruction without punctuation.
        """
        texts = self._texts.of(batch)
        pictures = picture_features(batch, self.embed, source="siglip2")
        scores = np.einsum("nfd,nd->nf", pictures, texts)
        if self.config.calibrated:
            scores = expit(self._scale * scores + self._bias)
        return hold_scores(scores, batch)


def _preprocess(side: int) -> Preprocess:
    return Preprocess(side, _HALF, _HALF, resize_mode="squash")
