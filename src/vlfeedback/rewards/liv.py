"""LIV: closeness of the picture to an instruction, or to a picture of the goal.

Paper:    Ma et al. 2023, "LIV: Language-Image Representations and Rewards for Robotic Control"
Code read: penn-pal-lab/LIV at a12991f, models/model_liv.py and __init__.py
Weights:  jasonyma/LIV's model.pt, or what LIV's own training writes; licence of the code MIT, of
          the weights not stated
Needs:    frames (the picture after the action), and either an instruction or `goal`, the path of
          a picture; with `goal` given no instruction is read
Returns:  one reward a step, unitless: a cosine in [-1, 1], or with metric="l2" a distance below 0
Recipe:   1 encode picture and goal into one space; 2 compare them.
Left out: the reward's first picture, which LIV's `get_reward` is given and does not read; training;
          float16 on a GPU (`precision` chooses bfloat16 instead).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32, UInt8

from vlfeedback.encoders.goals import Goal
from vlfeedback.encoders.liv import load_liv
from vlfeedback.encoders.segments import EncodingConfig, TextCache, hold_scores, picture_features
from vlfeedback.errors import InvalidValueError
from vlfeedback.types import SegmentBatch, SourceNeeds

__all__ = ["LIVConfig", "LIVReward"]

_METRICS = ("cos", "l2")


@dataclass(frozen=True, slots=True, kw_only=True)
class LIVConfig(EncodingConfig):
    """Settings of the `liv` source. Give exactly one of the two weights.

    Attributes:
        checkpoint: path of LIV's model.pt or snapshot.pt, or an hf:// address.
        random_weights_seed: untrained weights, for tests and demos.
        goal: path(s) of goal pictures; None: the instruction.
        metric: as in the released config; "l2" is its code's other choice.
        preprocess: as its code does to tensors; "clip": as it does to PIL pictures.
        architecture: the CLIP it was trained from; the released file's.
    """

    checkpoint: str | None = None
    random_weights_seed: int | None = None
    goal: str | Sequence[str] | None = None
    metric: str = "cos"
    preprocess: str = "paper"
    architecture: str = "RN50-quickgelu"


class LIVReward:
    """Cosine, or distance, of each picture and the goal; see the module's header.

    Raises:
        NeedsError: not exactly one of `checkpoint` and `random_weights_seed`.
        InvalidValueError: there is no such metric or preprocessing.
        FileNotFoundError: the weights or the goal picture are not here.
        FileFormatError: the goal is no picture.
        CheckpointError: the file is damaged, no LIV, or of another architecture.
    """

    config_type = LIVConfig
    needs = SourceNeeds(frames=True, instruction=True)

    def __init__(self, config: LIVConfig | None = None, *, device: str = "cpu") -> None:
        self.config = config = config or LIVConfig()
        if config.metric not in _METRICS:
            raise InvalidValueError(f"metric={config.metric!r}; expected 'cos' or 'l2'.")
        self.needs = replace(
            self.needs, frame_stride=config.frame_stride, instruction=config.goal is None
        )
        self._encoder = load_liv(
            architecture=config.architecture,
            checkpoint=config.checkpoint,
            random_weights_seed=config.random_weights_seed,
            preprocess=config.preprocess,
            precision=config.precision,
            batch_size=config.batch_size,
            device=device,
        )
        self._texts = TextCache("liv", self._encoder.embed_text)
        self._goal = (
            None if config.goal is None else Goal("liv", config.goal, self._encoder.pictures.embed)
        )

    @property
    def embedding_id(self) -> str:
        """Names all that `embed` depends on; see `EmbeddingSource`."""
        return self._encoder.pictures.identity

    def embed(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[np.ndarray, "B D"]:
        """Features of each picture, as the network gives them.

        Raises:
            ShapeError: their aspect ratio is another than the goal picture's.
        """
        if self._goal is not None:
            self._goal.check_same_view(frames)
        return self._encoder.pictures.embed(frames)

    def embed_text(self, text: str) -> Float32[np.ndarray, " D"]:
        """Features of a text, as the network gives them; each text is encoded once.

        Raises:
            NeedsError: the text is empty.
            InvalidValueError: nothing is left of it once it is cleaned.
        """
        return self._texts(text)

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """Closeness of the goal and the newest picture at each step; zero on padding.

        Raises:
            NeedsError: pictures are missing, the first one comes after the first step, or, where
                no goal picture is given, instructions are missing or empty.
            ShapeError: the pictures' aspect ratio is another than the goal picture's.
        """
        if self._goal is None:
            goals = self._texts.of(batch)
        else:
            goals = np.broadcast_to(self._goal.features, (len(batch), *self._goal.features.shape))
        pictures = picture_features(batch, self.embed, source="liv")
        if self.config.metric == "l2":
            scores = -np.linalg.norm(pictures - goals[:, None], axis=-1)
        else:
            scores = np.einsum("nfd,nd->nf", _unit(pictures), _unit(goals))
        return hold_scores(scores, batch)


def _unit(features: Float[np.ndarray, "... D"]) -> Float[np.ndarray, "... D"]:
    return np.asarray(features / np.linalg.norm(features, axis=-1, keepdims=True))
