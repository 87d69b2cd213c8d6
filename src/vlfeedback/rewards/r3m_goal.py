"""R3M's features without its language: minus the distance to a picture of the goal.

Paper:    Nair et al. 2022, arXiv 2203.12601 (features); Ma et al. 2022, arXiv 2210.00030, compares
          them with VIP's as rewards of this form
Code read: facebookresearch/r3m at b2334e7 (`sim`), facebookresearch/vip at 81b0520
          (`plot_reward_curves.py`, `obs_wrappers.py`)
Weights:  R3M's released model.pt, with or without its language head; licence MIT
Needs:    frames (the picture after the action), pictures of the goal by the same camera
Returns:  one reward a step, 0 at the goal and less elsewhere, in R3M's own length; no scale is
          common to two scenes
Recipe:   1 encode the picture and the goal, of several goal pictures the mean; 2 subtract; 3 minus
          the Euclidean length.
Left out: several cameras at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from jaxtyping import Float32, UInt8

from vlfeedback.encoders.goals import Goal
from vlfeedback.encoders.resnet import check_size, load_resnet
from vlfeedback.encoders.segments import EncodingConfig, hold_scores, picture_features
from vlfeedback.types import SegmentBatch, SourceNeeds

__all__ = ["R3MGoalConfig", "R3MGoalReward"]


@dataclass(frozen=True, slots=True, kw_only=True)
class R3MGoalConfig(EncodingConfig):
    """Settings of the `r3m-goal` source. Give the goal, and exactly one of the two weights.

    Attributes:
        size: of the ResNet: 18, 34 or 50, which VIP's comparison uses.
        goal: path of a picture of the goal, or of several.
        checkpoint: path of model.pt, or hf://owner/name/file@revision.
        random_weights_seed: untrained weights, for tests and demos.
        preprocess: in whole batches, within 2 grey levels of "pil", one at a time.
    """

    variant_field: ClassVar[str] = "size"

    size: str | int = 50
    goal: str | Sequence[str] | None = None
    checkpoint: str | None = None
    random_weights_seed: int | None = None
    preprocess: str = "paper"


class R3MGoalReward:
    """Minus the distance of each picture to the goal; see the module's header.

    Raises:
        NeedsError: there is no goal, or not exactly one of `checkpoint` and `random_weights_seed`.
        InvalidValueError: another value of a setting than those above.
        UnknownNameError: there is no ResNet of this size.
        FileNotFoundError: the weights, or a picture of the goal, are not here.
        FileFormatError: a picture of the goal is none.
        CheckpointError: the weights file is damaged, or of another size or method.
    """

    config_type = R3MGoalConfig
    needs = SourceNeeds(frames=True)

    def __init__(self, config: R3MGoalConfig | None = None, *, device: str = "cpu") -> None:
        self.config = config or R3MGoalConfig()
        self.needs = replace(self.needs, frame_stride=self.config.frame_stride)
        self._pictures = load_resnet(
            "r3m",
            check_size("r3m-goal", self.config.size),
            source="r3m-goal",
            checkpoint=self.config.checkpoint,
            random_weights_seed=self.config.random_weights_seed,
            preprocess=self.config.preprocess,
            precision=self.config.precision,
            batch_size=self.config.batch_size,
            device=device,
        )
        self._goal = Goal("r3m-goal", self.config.goal, self._pictures.embed)

    @property
    def embedding_id(self) -> str:
        """Names all that `embed` depends on; that of `r3m` with the same file is equal."""
        return self._pictures.identity

    def embed(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[np.ndarray, "B D"]:
        """Features of each picture; D is 512 for the sizes 18 and 34, 2048 for 50.

        Raises:
            ShapeError: their aspect ratio is another than the goal's.
        """
        self._goal.check_same_view(frames)
        return self._pictures.embed(frames)

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """Minus the distance of the newest picture at each step; zero on padding.

        Raises:
            NeedsError: pictures are missing, or the first one comes after the first step.
            ShapeError: embeddings are not those of `embed`, or pictures not of the goal's view.
        """
        pictures = picture_features(batch, self.embed, source="r3m-goal")
        return hold_scores(-self._goal.distances(pictures), batch)
