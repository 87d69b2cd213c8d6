"""VIP: how near the picture is to a picture of the goal, and how much nearer it came.

THE WEIGHTS AND THEIR CODE ARE LICENSED CC BY-NC 4.0: NO COMMERCIAL USE.

Paper:    Ma et al. 2022, arXiv 2210.00030; the embedding-distance reward is its potential
Code read: facebookresearch/vip at 81b0520 (`model_vip.py`, `obs_wrappers.py`), and TorchRL's
          `VIPRewardTransform` for the potential
Weights:  the released model.pt (ResNet-50), from a file; licence CC BY-NC 4.0
Needs:    frames (the picture after the action), pictures of the goal by the same camera; no text
Returns:  `vip-distance`: one reward a step, 0 at the goal and less elsewhere. `vip-potential`: the
          gain from one picture to the next, negative where the goal got further away. Both in VIP's
          own length; no scale is common to two scenes
Recipe:   1 encode the picture and the goal, of several goal pictures the mean; 2 the value V is
          minus their Euclidean distance; 3 the reward is V(next), or V(next) - V(before).
Left out: several cameras at once (the repository takes their least reward); the discount, which
          belongs to the training and not to the reward; VIPs of other sizes, which nobody released.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Shaped, UInt8

from vlfeedback.encoders.goals import Goal
from vlfeedback.encoders.resnet import load_resnet
from vlfeedback.encoders.segments import EncodingConfig, hold_scores, picture_features
from vlfeedback.types import SegmentBatch, SourceNeeds

__all__ = ["VIPConfig", "VIPDistanceReward", "VIPPotentialReward"]

_SIZE, _OUTPUTS = 50, 1024  # of the released weights; the repository's `hidden_dim`


@dataclass(frozen=True, slots=True, kw_only=True)
class VIPConfig(EncodingConfig):
    """Settings of both VIP sources. Give the goal, and exactly one of the two weights.

    Attributes:
        goal: path of a picture of the goal, or of several.
        checkpoint: path of model.pt, or hf://owner/name/file@revision; NO COMMERCIAL USE of
            the released one.
        random_weights_seed: untrained weights, for tests and demos.
        preprocess: in whole batches, within 2 grey levels of "pil", one at a time.
    """

    goal: str | Sequence[str] | None = None
    checkpoint: str | None = None
    random_weights_seed: int | None = None
    preprocess: str = "paper"


class _VIP:
    """What both sources share: the encoder and the goal."""

    config_type = VIPConfig

    def __init__(self, source: str, config: VIPConfig | None, device: str) -> None:
        self.config = config or VIPConfig()
        self._source = source
        self._pictures = load_resnet(
            "vip",
            _SIZE,
            source=source,
            checkpoint=self.config.checkpoint,
            random_weights_seed=self.config.random_weights_seed,
            n_outputs=_OUTPUTS,
            preprocess=self.config.preprocess,
            precision=self.config.precision,
            batch_size=self.config.batch_size,
            device=device,
        )
        self._goal = Goal(source, self.config.goal, self._pictures.embed)

    @property
    def embedding_id(self) -> str:
        """Names all that `embed` depends on; it is the same for both VIP sources."""
        return self._pictures.identity

    def embed(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[np.ndarray, "B D"]:
        """Features of each picture, 1024 numbers of any length.

        Raises:
            ShapeError: their aspect ratio is another than the goal's.
        """
        self._goal.check_same_view(frames)
        return self._pictures.embed(frames)

    def _values(self, batch: SegmentBatch) -> Float32[np.ndarray, "N F"]:
        return -self._goal.distances(picture_features(batch, self.embed, source=self._source))


class VIPDistanceReward(_VIP):
    """Minus the distance of each picture to the goal; see the module's header.

    Raises:
        NeedsError: there is no goal, or not exactly one of `checkpoint` and `random_weights_seed`.
        InvalidValueError: another value of a setting than those above.
        FileNotFoundError: the weights, or a picture of the goal, are not here.
        FileFormatError: a picture of the goal is none.
        CheckpointError: the weights file is damaged, or of another method.
    """

    needs = SourceNeeds(frames=True)

    def __init__(self, config: VIPConfig | None = None, *, device: str = "cpu") -> None:
        super().__init__("vip-distance", config, device)
        self.needs = replace(self.needs, frame_stride=self.config.frame_stride)

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """Minus the distance of the newest picture at each step; zero on padding.

        Raises:
            NeedsError: pictures are missing, or the first one comes after the first step.
            ShapeError: embeddings are not those of `embed`, or pictures not of the goal's view.
        """
        return hold_scores(self._values(batch), batch)


class VIPPotentialReward(_VIP):
    """How much nearer to the goal each step came; see the module's header.

    In an environment the first step is compared with the picture of the reset, so that the rewards
    of an episode add up to V(last) - V(reset). A segment's score is V(last) - V(first) of its own
    pictures. With a `frame_stride` of s a reward is the gain over s steps, and held for s steps, so
    that they add up to s times as much.

    Raises:
        NeedsError: there is no goal, or not exactly one of `checkpoint` and `random_weights_seed`.
        InvalidValueError: another value of a setting than those above.
        FileNotFoundError: the weights, or a picture of the goal, are not here.
        FileFormatError: a picture of the goal is none.
        CheckpointError: the weights file is damaged, or of another method.
    """

    needs = SourceNeeds(frames=True, granularity="window", context=2)

    def __init__(self, config: VIPConfig | None = None, *, device: str = "cpu") -> None:
        super().__init__("vip-potential", config, device)
        stride = self.config.frame_stride
        self.needs = replace(self.needs, context=1 + stride, frame_stride=stride)

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """Gain from a segment's first picture to its last, at its last step; zeros before.

        Only these two pictures are encoded.

        Raises:
            NeedsError: pictures are missing, or a segment has none up to its last step.
            ShapeError: embeddings are not those of `embed`, or pictures not of the goal's view.
        """
        ends = batch.spread_pictures(2)
        values = self._values(
            SegmentBatch(frames=_pick(batch.frames, ends), embeddings=_pick(batch.embeddings, ends))
        )
        rewards = np.zeros((len(batch), batch.n_steps), dtype=np.float32)
        rewards[np.arange(len(batch)), batch.last_steps] = values[:, 1] - values[:, 0]
        return rewards


def _pick(
    pictures: Shaped[np.ndarray, "N F ..."] | None, ends: Shaped[np.ndarray, "N 2"]
) -> Shaped[np.ndarray, "N 2 ..."] | None:
    return None if pictures is None else pictures[np.arange(len(ends))[:, None], ends]
