"""Distance of the picture to a picture of the goal, in DINO's features.

Paper:    Oquab et al. 2023 (DINOv2), Simeoni et al. 2025 (DINOv3) for the features; the reward is
          VIP's distance (Ma et al. 2023) in them; DINO-WM (Zhou et al. 2024) plans with patches
Code read: timm 1.0.31; gaoyuezhou/dino_wm, which reads the patches of DINOv2's ViT-S/14
Weights:  a file of timm (model.safetensors) or Meta; licence Apache-2.0 for DINOv2, one of its own
          for DINOv3
Needs:    frames (the picture after the action), and `goal`, the path of a picture
Returns:  one reward a step, at most 0, in units of the features; only differences mean something
Recipe:   1 resize the shortest edge, cut out the centre; 2 encode picture and goal; 3 reward =
          -|difference|, of class tokens, or of each patch and then the mean.
Left out: Meta's cut of 224 px out of 256, which hides the border where a gripper may be: timm's
          whole square is read; see `vlfeedback.encoders.dino` for position embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from jaxtyping import Float32, UInt8

from vlfeedback.encoders.dino import load_dino
from vlfeedback.encoders.goals import Goal
from vlfeedback.encoders.segments import EncodingConfig, hold_scores, picture_features
from vlfeedback.types import SegmentBatch, SourceNeeds

__all__ = ["DINOGoalConfig", "DINOGoalReward"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DINOGoalConfig(EncodingConfig):
    """Settings of the `dino-goal` source. Give `goal`, and exactly one of the two weights.

    Attributes:
        goal: path(s) of pictures of the goal, same camera.
        architecture: any DINOv2 or DINOv3 of timm.
        checkpoint: path of a weights file, or hf://owner/name/file@revision.
        random_weights_seed: untrained weights, for tests and demos.
        features: "patches": mean distance of patches, which sees where things are.
        image_size: side of the picture the network reads, px, a multiple of the patch's. DINOv2
            was trained last at 518; at 224 (DINO-WM's, our choice) it costs a sixth.
    """

    variant_field: ClassVar[str] = "architecture"

    goal: str | Sequence[str] | None = None
    architecture: str = "vit_base_patch14_dinov2.lvd142m"
    checkpoint: str | None = None
    random_weights_seed: int | None = None
    features: str = "class"
    image_size: int = 224


class DINOGoalReward:
    """Negative distance of each picture to the goal; see the module's header.

    Raises:
        NeedsError: there is no goal, or not exactly one of `checkpoint` and `random_weights_seed`.
        InvalidValueError: a setting is out of range.
        UnknownNameError: timm has no such architecture.
        FileNotFoundError: the weights or the goal picture are not here.
        FileFormatError: the goal is no picture.
        CheckpointError: the file is damaged, or of another architecture.
    """

    config_type = DINOGoalConfig
    needs = SourceNeeds(frames=True)

    def __init__(self, config: DINOGoalConfig | None = None, *, device: str = "cpu") -> None:
        self.config = config = config or DINOGoalConfig()
        self.needs = replace(self.needs, frame_stride=config.frame_stride)
        # Goals are read before the network: they are what is forgotten most, and cost nothing.
        self._goal = Goal("dino-goal", config.goal, self._encode)
        self._pictures = load_dino(
            config.architecture,
            checkpoint=config.checkpoint,
            random_weights_seed=config.random_weights_seed,
            image_size=config.image_size,
            features=config.features,
            precision=config.precision,
            batch_size=config.batch_size,
            device=device,
        )

    @property
    def embedding_id(self) -> str:
        """Names all that `embed` depends on; see `EmbeddingSource`."""
        return self._pictures.identity

    def embed(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[np.ndarray, "B ..."]:
        """Features of each picture: (B, D), or of each of P patches: (B, P, D).

        Raises:
            ShapeError: their aspect ratio is another than the goal picture's.
        """
        self._goal.check_same_view(frames)
        return self._encode(frames)

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """Negative distance of the goal and the newest picture at each step; zero on padding.

        Raises:
            NeedsError: pictures are missing, or the first one comes after the first step.
            ShapeError: the pictures' aspect ratio is another than the goal picture's.
        """
        pictures = picture_features(batch, self.embed, source="dino-goal")
        distances = np.linalg.norm(pictures - self._goal.features, axis=-1)
        if self.config.features == "patches":
            distances = distances.mean(axis=-1)
        return hold_scores(-distances, batch)

    def _encode(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[np.ndarray, "B ..."]:
        return self._pictures.embed(frames)
