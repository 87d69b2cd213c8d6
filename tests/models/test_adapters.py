"""Adapters on a frozen encoder: what they compute, what they learn, and their files."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from vlfeedback.errors import CheckpointError, InvalidValueError, NeedsError
from vlfeedback.models.adapters.network import Adapter, EncoderAdapters
from vlfeedback.models.adapters.pictures import (
    PicturedPairs,
    PicturedSteps,
    actions_between_pictures,
)
from vlfeedback.models.adapters.training import AdapterTrainer, AdapterTraining
from vlfeedback.rewards.adapted import AdaptedReward
from vlfeedback.testing import BrightnessEmbedder, ShadeEncoder
from vlfeedback.types import ArrayFrames, SegmentBatch, Trajectory

FAST = AdapterTraining(learning_rate=1e-2, steps=60)


def pairs_of(first: np.ndarray, second: np.ndarray, labels: list[float]) -> PicturedPairs:
    """One picture a segment; the text of all is dark: (1, 0)."""
    n = len(labels)
    text = np.tile(np.array([1, 0], np.float32), (n, 1))
    share = np.ones(1, np.float32)
    return PicturedPairs(first[:, None], second[:, None], text, np.array(labels, np.float32), share)


def shades(values: np.ndarray) -> np.ndarray:
    angles = values * np.pi / 2
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1).astype(np.float32)


def test_an_adapter_begins_as_nothing_and_then_adds_what_its_two_layers_say() -> None:
    adapter = Adapter(2, 1)
    x = torch.tensor([[3.0, -1.0], [-3.0, 1.0]])
    torch.testing.assert_close(adapter(x), x)
    with torch.no_grad():
        adapter.down.weight.copy_(torch.tensor([[2.0, 1.0]]))
        adapter.up.weight.copy_(torch.tensor([[0.5], [-1.0]]))
    # W1 x is 5 and -5; ReLU leaves 5 and 0.
    torch.testing.assert_close(adapter(x), torch.tensor([[5.5, -6.0], [-3.0, 1.0]]))


def test_rewards_with_new_adapters_are_those_of_the_frozen_encoder() -> None:
    encoder, rng = ShadeEncoder(), np.random.default_rng(0)
    frames = rng.integers(256, size=(3, 4, 8, 8, 3), dtype=np.uint8)
    batch = SegmentBatch(frames=frames, instructions=["bright", "dark", "neither"])
    adapted = AdaptedReward(encoder, EncoderAdapters(2))
    np.testing.assert_allclose(adapted.rewards(batch), encoder.rewards(batch), atol=1e-6)


def test_features_of_any_length_are_compared_by_their_angle() -> None:
    cosines = EncoderAdapters(2)(torch.tensor([[100.0, 0.0], [0.0, 0.01]]), torch.ones(2))
    torch.testing.assert_close(cosines.detach(), torch.full((2,), math.sqrt(0.5)))


def test_a_source_that_embeds_no_texts_is_refused() -> None:
    with pytest.raises(NeedsError, match=r"BrightnessEmbedder has no features .*adapters=False"):
        AdaptedReward(BrightnessEmbedder(), EncoderAdapters(1))


def test_the_loss_of_a_persons_labels_is_the_formula() -> None:
    trainer = AdapterTrainer(EncoderAdapters(2), FAST, n_action=1, seed=0)
    # Under "dark" black scores 1 and white 0: gap -1 of mean cosines, over a temperature of 0.1.
    black, white = shades(np.zeros(2)), shades(np.ones(2))
    pairs = pairs_of(black, white, [0.0, 1.0])
    expected = (math.log(1 + math.exp(-10)) + math.log(1 + math.exp(10))) / 2
    loss = trainer.preference_loss(pairs, np.arange(2))
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)


def test_each_picture_counts_for_the_steps_until_the_next() -> None:
    shares = PicturedPairs.none(length=10, stride=4, width=2).shares
    np.testing.assert_allclose(shares, [0.4, 0.4, 0.2])


def test_adapters_learn_a_preference_that_the_frozen_encoder_has_the_wrong_way_round() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.uniform(size=(2, 80))
    labels = (second > first).astype(float).tolist()  # brighter is better, and the text says dark
    pairs = pairs_of(shades(first), shades(second), labels)
    adapters = EncoderAdapters(2, seed=0)

    def share_right() -> float:
        text = torch.tensor([1.0, 0.0])
        with torch.no_grad():
            gap = adapters(torch.from_numpy(shades(second)), text) - adapters(
                torch.from_numpy(shades(first)), text
            )
        return float(np.mean((gap.numpy() > 0) == np.array(labels)))

    assert share_right() == 0
    report = AdapterTrainer(adapters, FAST, n_action=1, seed=0).fit(pairs, None)
    assert share_right() > 0.9
    assert math.isnan(report.dynamics_loss)
    assert report.steps == 60


def planted_steps(rng: np.random.Generator) -> PicturedSteps:
    """Shades that an action changes by a tenth of it."""
    actions = rng.uniform(-1, 1, size=(200, 1)).astype(np.float32)
    start = rng.uniform(0.2, 0.8, size=200)
    features = np.stack([shades(start), shades(start + actions[:, 0] / 10)], axis=1)
    return PicturedSteps(features.reshape(-1, 2), 2 * np.arange(200), actions)


def test_the_loss_of_inverse_dynamics_falls_where_pictures_show_what_was_done() -> None:
    rng = np.random.default_rng(0)
    steps = planted_steps(rng)
    trainer = AdapterTrainer(EncoderAdapters(2), FAST, n_action=1, seed=0)
    rows = np.arange(len(steps))
    before = float(trainer.dynamics_loss(steps, rows).detach())
    pairs = pairs_of(shades(np.zeros(1)), shades(np.ones(1)), [0.0])
    for _ in range(4):
        report = trainer.fit(pairs, steps)
    after = float(trainer.dynamics_loss(steps, rows).detach())
    assert before > 0.25  # 1/3 is the mean square of the actions
    assert after < 0.05
    assert report.dynamics_loss == pytest.approx(after, abs=0.05)


def test_the_loss_of_inverse_dynamics_is_the_squared_error_summed_over_an_action() -> None:
    trainer = AdapterTrainer(EncoderAdapters(2), FAST, n_action=2, seed=0)
    with torch.no_grad():
        trainer.dynamics[2].weight.zero_()  # type: ignore[operator]
        trainer.dynamics[2].bias.copy_(torch.tensor([0.5, -0.5]))  # type: ignore[operator]
    actions = np.array([[1, 0], [0.5, 0.5]], np.float32)
    steps = PicturedSteps(shades(np.zeros(3)), np.arange(2), actions)
    # (0.5^2 + 0.5^2) and (0 + 1^2), of which the mean
    loss = trainer.dynamics_loss(steps, np.arange(2))
    assert float(loss.detach()) == pytest.approx((0.5 + 1.0) / 2)


def test_without_anything_that_a_person_said_adapters_stay_as_they_are() -> None:
    adapters = EncoderAdapters(2)
    before = adapters.digest()
    trainer = AdapterTrainer(adapters, FAST, n_action=1, seed=0)
    nobody = PicturedPairs.none(length=1, stride=1, width=2)
    assert trainer.fit(nobody, planted_steps(np.random.default_rng(0))).steps == 0
    assert adapters.digest() == before


def test_actions_between_pictures_further_apart_are_means_and_are_scaled() -> None:
    frames = ArrayFrames(np.array([0, 1, 4]), np.zeros((3, 8, 8, 3), np.uint8))
    actions = np.array([[8], [1], [2], [3]], np.float32)
    episode = Trajectory(np.zeros((5, 1)), actions, frames=frames)
    np.testing.assert_allclose(actions_between_pictures(episode), [[8], [2]])
    features = np.zeros((3, 2), np.float32)
    steps = PicturedSteps.of([(episode, features)] * 2, scale=lambda actions: actions / 8)
    np.testing.assert_array_equal(steps.before, [0, 1, 3, 4])  # none from one episode to the next
    np.testing.assert_allclose(steps.actions.ravel(), [1, 0.25, 1, 0.25])


def test_a_trainer_that_comes_back_goes_on_as_if_it_had_not_been_away() -> None:
    steps, rng = planted_steps(np.random.default_rng(0)), np.random.default_rng(1)
    values = rng.uniform(size=(2, 8))
    pairs = pairs_of(shades(values[0]), shades(values[1]), [1.0, 0.0] * 4)
    whole, other = (
        AdapterTrainer(EncoderAdapters(2, seed=seed), FAST, n_action=1, seed=seed)
        for seed in (0, 1)
    )
    whole.fit(pairs, steps)
    arrays, notes = whole.state()
    other.restore(arrays, notes)
    assert whole.fit(pairs, steps) == other.fit(pairs, steps)
    assert whole.adapters.digest() == other.adapters.digest()


def test_saved_adapters_come_back_and_no_other_encoder_takes_them(tmp_path: Path) -> None:
    adapters = EncoderAdapters(3, 4, encoder="mine:Encoder", seed=5)
    with torch.no_grad():
        adapters.pictures.up.weight.fill_(0.25)
    path = tmp_path / "adapters.safetensors"
    adapters.save(path)
    loaded = EncoderAdapters.load(path, width=3, encoder="mine:Encoder")
    assert loaded.digest() == adapters.digest()
    assert EncoderAdapters.load(path).encoder == "mine:Encoder"
    with pytest.raises(CheckpointError, match="adapters for 3 features of 'mine:Encoder'"):
        EncoderAdapters.load(path, width=2)
    with pytest.raises(CheckpointError, match="the encoder here is 'another:Encoder'"):
        EncoderAdapters.load(path, width=3, encoder="another:Encoder")


def test_a_temperature_of_zero_and_no_bottleneck_are_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"temperature=0\.0"):
        AdapterTraining(temperature=0.0)
    with pytest.raises(InvalidValueError, match=r"dynamics_weight=-1\.0"):
        AdapterTraining(dynamics_weight=-1.0)
    with pytest.raises(InvalidValueError, match=r"bottleneck=0"):
        Adapter(2, 0)
