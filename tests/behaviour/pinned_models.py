"""Losses, and reward models that are fitted to labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tests.behaviour.pinned_data import noise_batch, noise_episodes, register_tiny_clips
from tests.behaviour.pinned_record import case, tensors

from vlfeedback import (
    LearnedReward,
    PreferenceDataset,
    RewardModel,
    RewardModelConfig,
    RewardTraining,
    SegmentBatch,
    SegmentPairs,
    SourceNeeds,
    Trajectory,
    fit_reward_model,
    label_pairs,
    make_preference_source,
    make_reward_source,
    relabel,
    sample_segment_pairs,
)
from vlfeedback.testing import BrightnessEmbedder

__all__: list[str] = []

_REPORTED = (
    *("train_accuracy", "validation_accuracy", "calibration_error", "brier_score"),
    *("train_losses", "validation_losses", "n_pairs", "n_validation", "n_unanswered"),
    *("n_straddling", "epochs", "stopped"),
)


def _preferences(episodes: Sequence[Trajectory], n: int = 24, length: int = 6) -> PreferenceDataset:
    pairs = sample_segment_pairs(episodes, n, length, rng=np.random.default_rng(1))
    return label_pairs(pairs, make_preference_source("teacher.skip", margin=2.0))


def _fitted(
    folder: Path,
    episodes: Sequence[Trajectory],
    config: RewardModelConfig,
    training: RewardTraining,
    encoder: Any = None,
) -> dict[str, Any]:
    """Weights, what the report says, and rewards of the model as a source."""
    preferences = _preferences(episodes)
    model, report = fit_reward_model(
        preferences, config=config, training=training, rng=np.random.default_rng(3), encoder=encoder
    )
    path = folder / "model.safetensors"
    model.save(path)
    again = LearnedReward(RewardModel.load(path), encoder=encoder)
    raw = LearnedReward(model, normalise=False, encoder=encoder)
    needs = again.needs
    segments = [pair[0] for pair in preferences.pairs[:4]]
    batch = SegmentBatch.from_segments(segments, needs=needs)
    return {
        "weights": tensors(path),
        "report": {name: getattr(report, name) for name in _REPORTED},
        "scale": [model.reward_mean, model.reward_std],
        "rewards": again.rewards(batch),
        "raw": raw.rewards(batch),
        "relabelled": [t.rewards for t in relabel(episodes[:2], again)],
    }


_SHORT = RewardTraining(epochs=3, batch_size=8, validation=0.2)


@case()
def reward_model_of_states_and_actions(folder: Path) -> Any:
    config = RewardModelConfig(hidden=(32, 32))
    said = {"mlp": _fitted(folder, noise_episodes(), config, _SHORT)}
    config = RewardModelConfig(inputs="state", network="linear", n_members=2)
    patient = RewardTraining(epochs=4, validation=0.25, patience=1, label_margin=0.1)
    return said | {"linear": _fitted(folder, noise_episodes(), config, patient)}


@case()
def reward_model_of_pictures(folder: Path) -> Any:
    config = RewardModelConfig(inputs="frames", n_members=1, frame_stride=2)
    training = RewardTraining(epochs=2, batch_size=8, validation=0.2)
    episodes = noise_episodes(8, picture_size=48, length=12)
    return _fitted(folder, episodes, config, training)


@case(slow=True)
def reward_model_of_embeddings(folder: Path) -> Any:
    register_tiny_clips()
    config = RewardModelConfig(inputs="embeddings", n_members=2, hidden=(16,))
    episodes = noise_episodes(8, picture_size=16, length=12)
    clip = make_reward_source("clip.tiny", random_weights_seed=2)
    said = _fitted(folder, episodes, config, _SHORT, clip)
    return [said, _fitted(folder, episodes, config, _SHORT, BrightnessEmbedder())]


@case(slow=True)
def reward_model_of_pictures_by_a_resnet(folder: Path) -> Any:
    config = RewardModelConfig(inputs="frames", network="resnet18", n_members=1, frame_stride=3)
    training = RewardTraining(epochs=1, batch_size=8, validation=0.2)
    episodes = noise_episodes(8, picture_size=32, length=12)
    return _fitted(folder, episodes, config, training)


@case()
def reward_model_without_training(folder: Path) -> Any:
    model = RewardModel(RewardModelConfig(hidden=(16,)), (43,), seed=5)
    batch = noise_batch(SourceNeeds(observations=True, actions=True), n=4)
    pairs = SegmentPairs(batch, batch.take([2, 0, 3, 1]))
    path = folder / "model.safetensors"
    model.save(path)
    return {
        "weights": tensors(path),
        "rewards": model.member_rewards(batch),
        "preferences": model.member_preferences(pairs),
        "disagreement": model.disagreement(pairs),
    }


@case()
def reward_model_of_points(folder: Path) -> Any:
    config = RewardModelConfig(
        inputs="points",
        n_members=1,
        n_centroids=(8, 4),
        n_neighbours=(4, 4),
        point_width=8,
        radii=(0.5, 1.0),
    )
    model = RewardModel(config, (6,), seed=5)
    rng = np.random.default_rng(0)
    batch = SegmentBatch(observations=rng.normal(size=(2, 3, 30, 6)).astype(np.float32))
    return model.member_rewards(batch)


@case()
def losses(folder: Path) -> Any:
    import torch

    from vlfeedback import losses

    rng = np.random.default_rng(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.from_numpy(rng.normal(size=shape)).requires_grad_()

    first, second, foreign = draw(9), draw(9), draw(2, 9)
    others = draw(3, 9), draw(3, 9)
    labels = torch.from_numpy(rng.choice([0, 0.5, 1.0], 9))
    weight = torch.from_numpy(rng.choice([0, 1.0], 9))
    implied = draw(2, 9, 4), draw(2, 9, 4)
    replay = draw(2, 7)
    given = {
        "bradley_terry": losses.bradley_terry(first, second, labels),
        "language": losses.language_preferences(first, second, foreign, *others, labels),
        "contrastive": losses.contrastive(first, second, labels, 0.25),
        "weighted": losses.contrastive(first, second, labels, weight=weight),
        "mean": losses.contrastive(first, second, labels, weight=weight, mean_over_all=True),
        "ranking": losses.contrastive_ranking(first, second.detach()),
        "expectile": losses.expectile(first, 0.8),
        "ipl": losses.ipl(*implied, labels),
        "replay": losses.ipl(*implied, labels, replay=replay, replay_weight=0.3),
    }
    said: dict[str, Any] = {name: float(loss.detach()) for name, loss in given.items()}
    sum(given.values()).backward()  # type: ignore[union-attr]
    read = (first, second, foreign, *others, *implied, replay)
    gradients = [x.grad.numpy() for x in read if x.grad is not None]
    return said | {"gradients": gradients}
