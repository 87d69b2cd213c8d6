"""A reward model learnt from preferences: an ensemble of networks, and what they read."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor, nn

from vlfeedback.arguments import on_device
from vlfeedback.data.calibration import preference_probability
from vlfeedback.errors import ShapeError
from vlfeedback.models.checkpoint import (
    CheckpointFormat,
    check_outline,
    fill_network,
    finite_number,
    read_checkpoint,
    save_checkpoint,
    settings_of,
    understanding,
)
from vlfeedback.models.reward.inputs import needs_of, read_steps
from vlfeedback.models.reward.networks import RewardModelConfig, build_network, config_values
from vlfeedback.types import SegmentBatch, SegmentPairs, SourceNeeds

__all__ = ["RewardModel"]

_FORMAT = CheckpointFormat(
    "vlfeedback-reward-model",
    version=1,
    model="reward model",
    made_by="vlfeedback fit reward",
)
_AT_ONCE = {"cnn": 64, "resnet18": 64, "pointnet": 16}  # steps; 1024 rows of an MLP stay in cache


class RewardModel:
    """K networks that each give every step a reward; made by `fit_reward_model`.

    A segment's score is the sum of its steps' rewards, and P(second preferred) is the sigmoid of
    the difference of two scores: rewards mean something up to a constant only.

    Args:
        config: what is read, and by which networks.
        shape: of what is read of one step; of one point, for clouds.
        seed: what the networks are initialised with; member k's weights depend on `seed` and k.

    Example:
        >>> model = RewardModel(RewardModelConfig(inputs="state", n_members=2), shape=(3,), seed=0)
        >>> batch = SegmentBatch(observations=np.zeros((4, 5, 3), np.float32))
        >>> model.member_rewards(batch).shape  # members, segments, steps
        (2, 4, 5)
    """

    def __init__(self, config: RewardModelConfig, shape: tuple[int, ...], *, seed: int = 0) -> None:
        self.config = config
        self.shape = shape
        self.reward_mean = 0.0  # of the ensemble's rewards over the steps it was trained on
        self.reward_std = 1.0
        self.training: dict[str, Any] = {}  # how it was trained, JSON values
        members = []
        with torch.random.fork_rng(devices=[]):
            for k in range(config.n_members):
                rng = np.random.default_rng([seed, k])
                torch.default_generator.manual_seed(int(rng.integers(2**63)))
                members.append(build_network(config, shape))
        self.networks = nn.ModuleList(members).eval()

    @property
    def needs(self) -> SourceNeeds:
        """What it reads of segments."""
        return needs_of(self.config)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.networks.parameters()).device

    def to(self, device: str | torch.device) -> RewardModel:
        """Move the networks; returns the same model."""
        with on_device(device):
            self.networks.to(device)
        return self

    def member_rewards(self, batch: SegmentBatch) -> Float32[np.ndarray, "K N T"]:
        """Rewards of each member at each step, zero on padding; raw, without standardisation.

        A model of pictures scores those it is given; between them the last reward is held. A
        model of embeddings reads ``batch.embeddings``.

        Raises:
            NeedsError: the batch lacks what is read, or its first picture comes late.
            ShapeError: it was trained on steps of another shape.
            ValueError: a number is NaN or infinite.
        """
        steps = read_steps(batch, self.config)
        rewards = self.score(steps.flatten(0, 1)).reshape(len(self.networks), *steps.shape[:2])
        if self.needs.frames:
            rewards = rewards[:, :, batch.newest_pictures()]
        return rewards if batch.mask is None else np.where(batch.mask, rewards, np.float32(0))

    @torch.inference_mode()
    def score(self, steps: Tensor) -> Float32[np.ndarray, "K B"]:
        """Rewards of each member for single steps, (B, *shape) as `read_steps` gives them.

        Raises:
            ShapeError: the model was trained on steps of another shape.
        """
        self._check_shape(tuple(steps.shape[1:]))
        chunks = steps.split(_AT_ONCE.get(self.config.network, 1024))
        rows = [
            torch.stack([network(x) for network in self.networks])
            for x in (chunk.to(self.device) for chunk in chunks)
        ]
        return np.asarray(torch.cat(rows, dim=1).float().cpu().numpy())

    def member_preferences(self, pairs: SegmentPairs) -> Float64[np.ndarray, "K N"]:
        """P(second preferred) of each member, as `vlfeedback.data.queries` reads it."""
        return preference_probability(self.member_logits(pairs), 1.0)

    def member_logits(self, pairs: SegmentPairs) -> Float64[np.ndarray, "K N"]:
        """Logit of P(second preferred) of each member: the gap of the two scores.

        `vlfeedback.data.queries.select_entropy` orders by them what all members are sure of.
        """
        first, second = (
            self.member_rewards(side).sum(axis=2, dtype=np.float64)
            for side in (pairs.first, pairs.second)
        )
        return np.asarray(second - first)

    def disagreement(self, pairs: SegmentPairs) -> Float64[np.ndarray, " N"]:
        """Standard deviation over members of P(second preferred); high where they disagree.

        Source: B-Pref, reward_model.py, disagreement_sampling.
        """
        return np.asarray(self.member_preferences(pairs).std(axis=0))

    def digest(self) -> str:
        """SHA-256 over all weights and the settings that rewards depend on, hexadecimal."""
        digest = sha256(json.dumps([*self._description().values()]).encode())
        for name, tensor in self.networks.state_dict().items():
            digest.update(name.encode() + tensor.cpu().numpy().tobytes())
        return digest.hexdigest()

    def save(self, path: str | Path) -> None:
        """Write one safetensors file with its description; a file that is there is replaced."""
        description = {**self._description(), "training": self.training}
        tensors = self.networks.state_dict()
        save_checkpoint(Path(path), tensors, description, file_format=_FORMAT)

    @classmethod
    def load(cls, path: str | Path, *, device: str = "cpu") -> RewardModel:
        """Read a file of `save`; nothing in it is executed.

        Raises:
            FileNotFoundError: there is no such file.
            CheckpointError: it is damaged, foreign, or of another architecture or version.
        """
        path = Path(path).expanduser()
        header, tensors = read_checkpoint(path, file_format=_FORMAT)
        with understanding(path, file_format=_FORMAT):
            config, shape = settings_of(RewardModelConfig, header["config"]), tuple(header["shape"])
            mean = finite_number(header, "reward_mean")
            std = finite_number(header, "reward_std", positive=True)
            training = dict(header["training"])
        check_outline(lambda: cls(config, shape).networks, tensors, path, file_format=_FORMAT)
        model = cls(config, shape)
        model.reward_mean, model.reward_std, model.training = mean, std, training
        fill_network(model.networks, tensors, path, file_format=_FORMAT)
        return model.to(device)

    def _description(self) -> dict[str, Any]:
        return {
            "config": config_values(self.config),
            "shape": list(self.shape),
            "reward_mean": self.reward_mean,
            "reward_std": self.reward_std,
        }

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        # Clouds may have any number of points.
        if (shape[-1:] if self.config.inputs == "points" else shape) != self.shape:
            raise ShapeError(
                f"Each step shows {shape} and this reward model was trained on {self.shape} "
                f"({self.config.inputs}): use it on the environment and at the picture size it "
                "was trained on."
            )
