"""R3M's language reward: does what happened since the reset look like the sentence?

Paper:    Nair et al. 2022, arXiv 2203.12601, section 3
Code read: facebookresearch/r3m at b2334e7 (`models_r3m.py`, `models_language.py`)
Weights:  the released model.pt with its language head, from a file; licence MIT (DistilBERT inside
          it: Apache-2.0)
Needs:    frames (the picture after the action), the picture of the reset, instruction
Returns:  one score a step, unitless, unbounded (an InfoNCE logit); only differences under one
          reset picture and one sentence mean something
Recipe:   1 encode both pictures and the sentence; 2 put the three side by side; 3 apply the
          released network of five linear layers to them.
Left out: the training; the released loader, which throws the language head away. The paper's
          sentences are narrations ("opens the drawer"), so that commands are slightly foreign.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

import numpy as np
from jaxtyping import Float32, UInt8

from vlfeedback.encoders.r3m import load_r3m_language
from vlfeedback.encoders.resnet import check_size, load_resnet
from vlfeedback.encoders.segments import (
    EncodingConfig,
    TextCache,
    first_features,
    hold_scores,
    picture_features,
)
from vlfeedback.errors import InvalidValueError
from vlfeedback.types import SegmentBatch, SourceNeeds

__all__ = ["FirstFrame", "R3MConfig", "R3MReward"]

FirstFrame = Literal["episode", "segment"]
"""Which picture the score compares with: the reset's, or the segment's own first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class R3MConfig(EncodingConfig):
    """Settings of the `r3m` source. Give exactly one of the two weights.

    Attributes:
        size: of the ResNet: 18, 34 or 50; VLP does not say, the repository shows 50.
        checkpoint: path of model.pt, or hf://owner/name/file@revision.
        random_weights_seed: untrained weights, for tests and demos.
        tokenizer: vocab.txt of distilbert-base-uncased, or its folder; None: beside the
            checkpoint, else in the hub cache. Random weights need none.
        first_frame: "episode": the paper's and VLP's. "segment": for labelling segments without
            their reset; a wrapper scores single pictures, which would then be compared with
            themselves.
        preprocess: in whole batches, within 2 grey levels of "pil", one at a time.
    """

    variant_field: ClassVar[str] = "size"

    size: str | int = 50
    checkpoint: str | None = None
    random_weights_seed: int | None = None
    tokenizer: str | None = None
    first_frame: str = "episode"
    preprocess: str = "paper"


class R3MReward:
    """R3M's score of each picture under the instruction; see the module's header.

    Raises:
        NeedsError: not exactly one of `checkpoint` and `random_weights_seed`.
        InvalidValueError: another value of a setting than those above.
        FileFormatError: the vocabulary is none, or belongs to another text encoder.
        UnknownNameError: there is no ResNet of this size.
        FileNotFoundError: the weights or a vocabulary are not here; the message says how to get it.
        CheckpointError: the file is damaged, of another size or method, or without language head.
    """

    config_type = R3MConfig
    needs = SourceNeeds(frames=True, first_frame=True, instruction=True)

    def __init__(self, config: R3MConfig | None = None, *, device: str = "cpu") -> None:
        self.config = config or R3MConfig()
        if self.config.first_frame not in get_args(FirstFrame):
            raise InvalidValueError(
                f"'r3m' got first_frame={self.config.first_frame!r}; expected 'episode' or "
                "'segment'."
            )
        self.needs = replace(
            self.needs,
            first_frame=self.config.first_frame == "episode",
            frame_stride=self.config.frame_stride,
        )
        size = check_size("r3m", self.config.size)
        self._pictures = load_resnet(
            "r3m",
            size,
            source="r3m",
            checkpoint=self.config.checkpoint,
            random_weights_seed=self.config.random_weights_seed,
            preprocess=self.config.preprocess,
            precision=self.config.precision,
            batch_size=self.config.batch_size,
            device=device,
        )
        self._language = load_r3m_language(
            size,
            checkpoint=self.config.checkpoint,
            random_weights_seed=self.config.random_weights_seed,
            tokenizer=self.config.tokenizer,
            device=device,
        )
        self._texts = TextCache("r3m", self._language.embed_text)

    @property
    def embedding_id(self) -> str:
        """Names all that `embed` depends on; that of `r3m-goal` with the same file is equal."""
        return self._pictures.identity

    def embed(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[np.ndarray, "B D"]:
        """Features of each picture; D is 512 for the sizes 18 and 34, 2048 for 50."""
        return self._pictures.embed(frames)

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """Score of the newest picture at each step; zero on padding.

        Raises:
            NeedsError: pictures, those of the reset or instructions are missing, or the first
                picture comes after the first step.
            InvalidValueError: no word of an instruction is known, or it is longer than 510 tokens.
            ShapeError: embeddings are not those of `embed`.
        """
        texts = self._texts.of(batch)
        pictures = picture_features(batch, self.embed, source="r3m")
        if self.needs.first_frame:
            first = first_features(batch, self.embed, source="r3m")
        else:
            first = pictures[:, 0]
        return hold_scores(self._language.score(first, pictures, texts), batch)
