"""A reward model learnt from preferences, as a reward source.

Paper:    Christiano et al. 2017; Lee et al. 2021, "B-Pref"; Wang et al. 2024, "RL-VLM-F"
Code read: rll-research/BPref, reward_model.py
Weights:  none come with the library: `fit_reward_model`, or `vlfeedback fit reward`
Needs:    what the model was trained on: states and actions, or pictures; no instruction
Returns:  one reward a step, the mean of the members, standardised on the training steps
Recipe:   1 every member scores the step; 2 take the mean; 3 standardise, cut at 5 deviations
Left out: relabelling what was scored before, see `vlfeedback.relabel`
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, UInt8

from vlfeedback.errors import CheckpointError, InvalidValueError, NeedsError, UnknownNameError
from vlfeedback.models.reward.inputs import embed_frames, read_steps
from vlfeedback.models.reward.model import RewardModel
from vlfeedback.rewards import REWARD_SOURCES, make_reward_source
from vlfeedback.rewards.make import name_of_target
from vlfeedback.types import EmbeddingSource, SegmentBatch, SourceNeeds, embedding_id

__all__ = ["LearnedConfig", "LearnedReward"]

_CUT = 5.0  # standard deviations; our choice


@dataclass(frozen=True, slots=True)
class LearnedConfig:
    """Settings of the `learned` source.

    Attributes:
        path: of a file that `vlfeedback fit reward` or `RewardModel.save` wrote.
        normalise: mean 0 and deviation 1 over the training steps, cut at 5. Preferences leave
            the scale open, and learners are tuned to one; B-Pref and RL-VLM-F do without.
        digest: SHA-256 of the weights; filled in, so that records of rewards name their model.
            Where it is given, a file with other weights is refused.
    """

    path: str | None = None
    normalise: bool = True
    digest: str = ""


class LearnedReward:
    """Scores each step with a reward model; see the module's header.

    Where every training step got the same reward, rewards are not standardised. Between pictures
    that are further apart than a step the last reward is held.

    Args:
        model: a reward model, or settings with the path of one.
        normalise: see `LearnedConfig`; read with a live model alone.
        encoder: what embeds pictures, for a model of embeddings; made again as it was in training
            where it is not given.
        device: where it computes; where a live model is if not given.

    Raises:
        NeedsError: the settings name no file.
        FileNotFoundError: there is no such file.
        CheckpointError: it is truncated, foreign, or of another architecture or version; or its
            weights are not those of the settings' digest.
        UnknownNameError: the encoder is no reward source known here.

    Example:
        >>> from vlfeedback import RewardModelConfig
        >>> model = RewardModel(RewardModelConfig(inputs="state"), shape=(3,))
        >>> source = LearnedReward(model)
        >>> source.rewards(SegmentBatch(observations=np.zeros((4, 5, 3), np.float32))).shape
        (4, 5)
    """

    config_type = LearnedConfig

    def __init__(
        self,
        model: RewardModel | LearnedConfig,
        *,
        normalise: bool = True,
        encoder: EmbeddingSource | None = None,
        device: str | None = None,
    ) -> None:
        if isinstance(model, RewardModel):
            config = LearnedConfig(normalise=normalise)
            self.model = model if device is None else model.to(device)
        else:
            config = model
            self.model = _load(model, device or "cpu")
        self.config = replace(config, digest=self.model.digest())
        self.needs: SourceNeeds = self.model.needs
        self._encoder = encoder
        if encoder is None and self.model.config.inputs == "embeddings":
            self._encoder = _make_encoder(self.model, device or str(self.model.device))

    @property
    def embedding_id(self) -> str:
        """Names all that `embed` depends on: the encoder, where there is one, or this model."""
        if self._encoder is not None:
            return embedding_id(self._encoder)
        return f"learned {self.config.digest}"

    def embed(self, frames: UInt8[np.ndarray, "B H W 3"]) -> Float32[np.ndarray, "B ..."]:
        """Embedding of each picture; without an encoder, (B, K) the members' rewards for it.

        Raises:
            InvalidValueError: the model reads no pictures.
            ShapeError: it was trained on pictures of another size.
        """
        if self._encoder is not None:
            return self._encoder.embed(frames)
        if not self.needs.frames:
            raise InvalidValueError(
                f"This reward model reads {self.model.config.inputs}, no pictures."
            )
        steps = read_steps(SegmentBatch(frames=frames[:, None]), self.model.config)
        return np.ascontiguousarray(self.model.score(steps[:, 0]).T)

    def rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "N T"]:
        """Reward of each step, zero on padding.

        Raises:
            NeedsError: the batch lacks what is read, or its first picture comes late.
            ShapeError: the model was trained on steps of another shape.
            ValueError: a number is NaN or infinite.
        """
        mean = self._members(batch).mean(axis=0)
        if self.config.normalise:
            mean = np.clip((mean - self.model.reward_mean) / self.model.reward_std, -_CUT, _CUT)
        rewards = np.asarray(mean, dtype=np.float32)
        return rewards if batch.mask is None else np.where(batch.mask, rewards, np.float32(0))

    def _members(self, batch: SegmentBatch) -> Float32[np.ndarray, "K N T"]:
        if self._encoder is not None:
            return self.model.member_rewards(embed_frames(batch, self._encoder))
        if self.needs.frames and batch.embeddings is not None:
            return np.moveaxis(batch.embeddings, 2, 0)[:, :, batch.newest_pictures()]
        return self.model.member_rewards(batch)


def _load(config: LearnedConfig, device: str) -> RewardModel:
    if config.path is None:
        raise NeedsError(
            "'learned' comes without weights. Train some with `vlfeedback fit reward` and pass "
            "path='their file', or save a model of yours with model.save(path)."
        )
    model = RewardModel.load(config.path, device=device)
    if config.digest not in ("", model.digest()):
        raise CheckpointError(
            f"{config.path} holds other weights (digest {model.digest()[:12]}) than those asked "
            f"for ({config.digest[:12]}); restore that file, or leave digest out to take this one."
        )
    return model


def _make_encoder(model: RewardModel, device: str) -> EmbeddingSource:
    """The source that embedded the model's training pictures."""
    target = model.config.encoder.get("source", "")
    # Looked up among the registered: a weights file must not choose what code is run.
    name = name_of_target(REWARD_SOURCES, target)
    if name is None:
        raise UnknownNameError(
            f"This reward model reads embeddings of {target!r}, which is no reward source known "
            "here. Install what brings it, or pass it: LearnedReward(model, encoder=...)."
        )
    source = make_reward_source(name, device=device, **model.config.encoder["config"])
    if not isinstance(source, EmbeddingSource):
        raise UnknownNameError(
            f"This reward model reads embeddings of {name!r}, which has none in this release. "
            "Pass what it was trained with: LearnedReward(model, encoder=...)."
        )
    return source
