import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vlfeedback.data.preferences import LabelRecord, PreferenceDataset
from vlfeedback.models.reward.fit import FitReport, RewardTraining, fit_reward_model
from vlfeedback.models.reward.model import RewardModel
from vlfeedback.models.reward.networks import RewardModelConfig
from vlfeedback.testing import BrightnessEmbedder
from vlfeedback.types import PreferenceLabels, SegmentBatch

SMALL = RewardModelConfig(hidden=(32,), n_members=2)
ALL = RewardTraining(epochs=3, validation=0.0, target_accuracy=1.0)
Fitted = tuple[RewardModel, FitReport]


def fit(
    dataset: PreferenceDataset,
    config: RewardModelConfig = SMALL,
    training: RewardTraining = ALL,
    seed: int = 0,
) -> Fitted:
    return fit_reward_model(
        dataset, config=config, training=training, rng=np.random.default_rng(seed)
    )


def relabelled(
    dataset: PreferenceDataset, prefer_second: np.ndarray, **said: Any
) -> PreferenceDataset:
    answered = np.ones(len(dataset), dtype=np.bool_)
    labels = PreferenceLabels(prefer_second.astype(np.float32), answered)
    return replace(dataset, labels=labels, **said)


def assert_equal_weights(one: RewardModel, other: RewardModel) -> None:
    theirs = other.networks.state_dict()
    for name, tensor in one.networks.state_dict().items():
        assert torch.equal(tensor, theirs[name]), name


# What is learnt --------------------------------------------------------------------------------


def test_a_planted_reward_is_learnt(planted: PreferenceDataset) -> None:
    config = RewardModelConfig(n_members=2, hidden=(64, 64))
    model, report = fit(planted, config, RewardTraining(epochs=40, learning_rate=3e-3))
    trajectories = {s.trajectory.id: s.trajectory for pair in planted.pairs for s in pair}
    segments = [t.segment(0, len(t)) for t in trajectories.values()]
    rewards = model.member_rewards(SegmentBatch.from_segments(segments, needs=model.needs))
    truth = np.stack([t.env_rewards for t in trajectories.values() if t.env_rewards is not None])
    assert np.corrcoef(rewards.mean(axis=0).ravel(), truth.ravel())[0, 1] > 0.9
    assert report.stopped == "accuracy"
    assert report.train_accuracy > 0.97
    assert report.validation_accuracy >= 0.7
    assert report.train_losses[-1] < report.train_losses[0]


def test_the_loss_before_training_is_that_of_guessing(planted: PreferenceDataset) -> None:
    config = RewardModelConfig("frames", n_members=1)  # whose last layer begins near zero
    tied = relabelled(planted, np.r_[0.5 * np.ones(99), 1.0])
    _, report = fit(tied.take(slice(95, 100)), config, replace(ALL, epochs=1))
    assert report.train_losses[0] == pytest.approx(math.log(2), rel=0.05)


@pytest.mark.parametrize("members", [1, 4])
def test_another_number_of_members_leaves_each_members_training_unchanged(
    planted: PreferenceDataset, members: int
) -> None:
    two, _ = fit(planted, SMALL)
    other, _ = fit(planted, replace(SMALL, n_members=members))
    for one, same in zip(two.networks, other.networks, strict=False):
        for name, tensor in one.state_dict().items():
            assert torch.equal(tensor, same.state_dict()[name]), name


def test_one_step_is_that_of_adam_on_the_bradley_terry_loss(planted: PreferenceDataset) -> None:
    config = RewardModelConfig("state", "linear", n_members=1)
    three = planted.take(slice(3))
    training = replace(ALL, epochs=1, learning_rate=0.01)
    model, report = fit(three, config, training)
    # By hand: the score of a segment is weight . sum of states + T bias.
    first, second = (
        np.stack([pair[side].read("observations").sum(axis=0) for pair in three.pairs])
        for side in (0, 1)
    )
    root = int(np.random.default_rng(0).integers(2**63))
    begun = RewardModel(config, (3,), seed=root).networks.state_dict()
    before = begun["0.0.layers.0.weight"].numpy()[0].astype(np.float64)
    gap = (second - first) @ before
    p, y = 1 / (1 + np.exp(-gap)), three.labels.prefer_second
    assert report.train_losses[0] == pytest.approx(
        -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)), rel=1e-5
    )
    gradient = ((p - y)[:, None] * (second - first)).mean(axis=0)
    after = model.networks.state_dict()["0.0.layers.0.weight"].numpy()[0]
    # Adam's first step is the learning rate against the gradient's sign.
    np.testing.assert_allclose(after, before - 0.01 * np.sign(gradient), atol=1e-5)


def test_pictures_between_strides_stand_for_the_steps_they_are_held(
    planted: PreferenceDataset,
) -> None:
    config = RewardModelConfig("frames", n_members=1, frame_stride=4)  # pictures 0, 4 and 8 of 10
    pair = planted.take(slice(2))
    model, report = fit(pair, config, replace(ALL, epochs=1))
    begun = RewardModel(config, model.shape, seed=int(np.random.default_rng(0).integers(2**63)))
    scores = [
        begun.member_rewards(
            SegmentBatch.from_segments([p[side] for p in pair.pairs], needs=begun.needs)
        )[0].sum(axis=1)
        for side in (0, 1)
    ]
    p, y = 1 / (1 + np.exp(scores[0] - scores[1])), pair.labels.prefer_second
    loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    assert report.train_losses[0] == pytest.approx(loss, rel=1e-5)


# Labels ------------------------------------------------------------------------------------------


def test_ties_are_trained_to_a_half_and_not_counted_as_accuracy(
    planted: PreferenceDataset,
) -> None:
    tied = relabelled(planted, np.r_[0.5 * np.ones(60), planted.labels.prefer_second[60:]])
    config = RewardModelConfig(hidden=(64,), n_members=1)
    training = replace(ALL, epochs=60, learning_rate=3e-3)
    model, report = fit(tied, config, training)
    assert report.train_accuracy > 0.95  # of the 40 alone; as "first" ties would be half right
    pairs = [
        SegmentBatch.from_segments([pair[side] for pair in tied.pairs[:60]], needs=model.needs)
        for side in (0, 1)
    ]
    first, second = (model.member_rewards(side)[0].sum(axis=1) for side in pairs)
    assert np.abs(second - first).mean() < 0.6


def test_unanswered_pairs_change_nothing(planted: PreferenceDataset) -> None:
    answered = np.arange(100) < 70
    some = replace(
        planted,
        labels=PreferenceLabels(
            np.where(answered, planted.labels.prefer_second, np.float32(1)), answered
        ),
    )
    model, report = fit(some)
    alone, _ = fit(planted.take(slice(70)))
    assert_equal_weights(model, alone)
    assert (report.n_pairs, report.n_unanswered) == (70, 30)


def test_a_label_margin_is_the_same_as_softer_labels(planted: PreferenceDataset) -> None:
    softer = relabelled(planted, planted.labels.prefer_second * np.float32(0.8) + np.float32(0.1))
    margin, _ = fit(planted, training=replace(ALL, label_margin=0.1))
    soft, _ = fit(softer)
    assert_equal_weights(margin, soft)
    hard, _ = fit(planted)
    with pytest.raises(AssertionError):
        assert_equal_weights(hard, soft)


# Determinism -------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [SMALL, RewardModelConfig("frames", n_members=2)])
def test_the_same_seed_gives_the_same_weights_and_another_other_ones(
    planted: PreferenceDataset, config: RewardModelConfig
) -> None:
    some = planted.take(slice(12)) if config.inputs == "frames" else planted
    (one, report), (two, again) = (fit(some, config, replace(ALL, epochs=2)) for _ in range(2))
    assert one.digest() == two.digest()
    assert report.train_losses == again.train_losses
    other, _ = fit(some, config, replace(ALL, epochs=2), seed=1)
    assert other.digest() != one.digest()


def test_sources_that_agree_give_files_that_are_equal(
    planted: PreferenceDataset, tmp_path: Path
) -> None:
    said = relabelled(
        planted,
        planted.labels.prefer_second,
        labelled_by=(LabelRecord("somebody:Else"),),
        cost=np.ones(100),
    )
    files: list[bytes] = []
    for dataset in (planted, said):
        model, _ = fit(dataset, training=RewardTraining(epochs=3))
        model.save(tmp_path / f"{len(files)}.safetensors")
        files.append((tmp_path / f"{len(files)}.safetensors").read_bytes())
    assert files[0] == files[1]


def test_no_global_generator_is_touched(planted: PreferenceDataset) -> None:
    torch_state, numpy_state = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    fit(planted, training=RewardTraining(epochs=1))
    assert torch.equal(torch.random.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # type: ignore[index]


# Networks of pictures, embeddings and points -----------------------------------------------------


def test_batch_norm_is_fitted_and_then_left_alone(planted: PreferenceDataset) -> None:
    config = RewardModelConfig("frames", "resnet18", n_members=1, picture_size=16, frame_stride=9)
    model, _ = fit(planted.take(slice(4)), config, replace(ALL, epochs=1, batch_size=2))
    state = {name: tensor.clone() for name, tensor in model.networks.state_dict().items()}
    assert state["0.0.layers.bn1.num_batches_tracked"] == 2
    assert state["0.0.layers.bn1.running_mean"].any()
    assert not any(module.training for module in model.networks.modules())
    frames = np.zeros((1, 1, 16, 16, 3), np.uint8)
    model.member_rewards(SegmentBatch(frames=frames))
    for name, tensor in model.networks.state_dict().items():
        assert torch.equal(tensor, state[name]), name


def test_embeddings_are_learnt_from_and_their_encoder_is_remembered(
    planted: PreferenceDataset,
) -> None:
    model, report = fit_reward_model(
        planted.take(slice(10)),
        config=RewardModelConfig("embeddings", "linear", n_members=1),
        training=ALL,
        rng=np.random.default_rng(0),
        encoder=BrightnessEmbedder(),
    )
    assert model.config.encoder == {
        "source": "vlfeedback.testing.brightness:BrightnessEmbedder",
        "config": {"granularity": "step", "context": 1, "frame_stride": 1},
    }
    assert model.shape == (1,)
    assert report.epochs == 3


def test_clouds_of_points_are_learnt_from(planted: PreferenceDataset) -> None:
    def as_cloud(dataset: PreferenceDataset) -> PreferenceDataset:
        """Four points at x, -x, 2x and 0 of each state."""
        factors = np.array([1, -1, 2, 0], np.float32)[:, None]
        clouds = {
            t.id: replace(t, observations=t.observations[:, None] * factors)
            for t in {s.trajectory.id: s.trajectory for p in dataset.pairs for s in p}.values()
        }
        first, second = (
            [clouds[s.trajectory.id].segment(s.start, s.length) for s in side]
            for side in zip(*dataset.pairs, strict=True)
        )
        return replace(dataset, pairs=list(zip(first, second, strict=True)))

    config = RewardModelConfig(
        "points", n_members=1, n_centroids=(4, 2), radii=(1.0, 2.0), point_width=8
    )
    training = replace(ALL, epochs=20, learning_rate=3e-3)
    model, report = fit(as_cloud(planted.take(slice(30))), config, training)
    assert model.shape == (3,)
    assert report.train_losses[-1] < 0.75 * report.train_losses[0]


def test_one_step_is_a_segment_too(planted: PreferenceDataset) -> None:
    pairs = [(a.trajectory.segment(3, 1), b.trajectory.segment(5, 1)) for a, b in planted.pairs]
    _, report = fit(replace(planted, pairs=pairs))
    assert report.epochs == 3


def test_bf16_trains_nearly_the_same(planted: PreferenceDataset) -> None:
    (model, exact), (half, rough) = (
        fit(planted, training=replace(ALL, bf16=bf16)) for bf16 in (False, True)
    )
    assert model.digest() != half.digest()
    assert rough.train_losses == pytest.approx(exact.train_losses, rel=0.02)
    assert next(half.networks.parameters()).dtype == torch.float32


# Validation and the report -----------------------------------------------------------------------


def test_figures_are_those_of_the_pairs_held_out_by_trajectory(planted: PreferenceDataset) -> None:
    training = RewardTraining(epochs=5, validation=0.2, target_accuracy=1.0)
    model, report = fit(planted, training=training)
    root = int(np.random.default_rng(0).integers(2**63))
    fitted, held_out = planted.split(0.2, rng=np.random.default_rng([root, 0]))
    assert (report.n_pairs, report.n_validation) == (len(fitted), len(held_out))
    assert report.n_straddling == 100 - len(fitted) - len(held_out)
    first, second = (
        model.member_rewards(
            SegmentBatch.from_segments([p[side] for p in held_out.pairs], needs=model.needs)
        ).sum(axis=2)
        for side in (0, 1)
    )
    gap, y = second - first, held_out.labels.prefer_second
    p = 1 / (1 + np.exp(-gap.mean(axis=0)))
    assert report.validation_accuracy == pytest.approx(np.mean((p > 0.5) == (y > 0.5)))
    assert report.brier_score == pytest.approx(np.mean((p - y) ** 2), rel=1e-4)
    assert 0 <= report.calibration_error <= 0.5
    losses = np.log1p(np.exp(np.where(y > 0.5, -gap, gap)))
    assert report.validation_losses[-1] == pytest.approx(losses.mean(), rel=1e-4)
    assert len(report.validation_losses) == len(report.train_losses) == report.epochs == 5


def test_labels_that_say_nothing_are_doubted(planted: PreferenceDataset) -> None:
    coins = np.random.default_rng(2).integers(0, 2, 100)
    training = RewardTraining(epochs=2, validation=0.2, target_accuracy=1.0)
    _, report = fit(relabelled(planted, coins), training=training)
    text = " ".join(report.warnings)
    assert "validation pairs are told right, which guessing may reach too" in text
    assert "more of them may help" in text


def test_a_loss_of_many_straddling_pairs_is_told(planted: PreferenceDataset) -> None:
    _, report = fit(planted, training=RewardTraining(epochs=1, validation=0.3))
    assert report.n_straddling > 20
    assert "pairs were left out, because they compare a trajectory" in report.warnings[0]


def test_pairs_that_cannot_be_split_are_all_trained_on_and_that_is_told(
    planted: PreferenceDataset,
) -> None:
    _, report = fit(planted.take(slice(1)), training=RewardTraining(epochs=1))
    assert (report.n_pairs, report.n_validation) == (1, 0)
    assert math.isnan(report.validation_accuracy)
    assert math.isnan(report.brier_score)
    assert "Trained without validation: 1 pairs of 2 trajectories cannot" in report.warnings[0]


def test_without_gain_the_training_stops_and_the_best_weights_are_kept(
    planted: PreferenceDataset,
) -> None:
    training = RewardTraining(
        epochs=300, validation=0.2, target_accuracy=1.0, patience=3, learning_rate=0.02
    )
    model, report = fit(planted, training=training)
    assert report.stopped == "validation"
    best = int(np.argmin(report.validation_losses))
    assert report.epochs == best + 4
    short, _ = fit(planted, training=replace(training, epochs=best + 1))
    assert_equal_weights(model, short)


def test_rewards_of_the_training_steps_are_measured(planted: PreferenceDataset) -> None:
    model, _ = fit(planted)
    distinct = {(s.trajectory.id, s.start): s for pair in planted.pairs for s in pair}
    batch = SegmentBatch.from_segments([*distinct.values()], needs=model.needs)
    rewards = model.member_rewards(batch).mean(axis=0)
    assert model.reward_mean == pytest.approx(rewards.mean(), rel=1e-4)
    assert model.reward_std == pytest.approx(rewards.std(), rel=1e-4)


def test_constant_rewards_are_told_and_not_standardised(planted: PreferenceDataset) -> None:
    still = replace(planted.pairs[0][0].trajectory, observations=np.zeros((31, 3), np.float32))
    pairs = [(still.segment(0, 10), still.segment(10, 10))] * 4
    dataset = PreferenceDataset(pairs, planted.labels.take(slice(4)))
    config = RewardModelConfig("state", hidden=(4,))
    model, report = fit(dataset, config)
    assert (model.reward_mean, model.reward_std) == (0.0, 1.0)
    assert "Every step gets the same reward" in " ".join(report.warnings)


def test_progress_is_reported_by_stage(planted: PreferenceDataset) -> None:
    told: list[tuple[str, int, int]] = []
    fit_reward_model(
        planted.take(slice(5)),
        config=SMALL,
        training=ALL,
        rng=np.random.default_rng(0),
        report=lambda stage, done, total, loss: told.append((stage, done, total)),
    )
    assert [row for row in told if row[0] == "comparing segments"] == [
        ("comparing segments", done, 3) for done in (1, 2, 3)
    ]
    assert told[9] == ("reading segments", 10, 10)


def test_the_model_says_how_it_was_trained(planted: PreferenceDataset) -> None:
    model, _ = fit(planted)
    assert model.training == {**asdict(ALL), "pairs": planted.digest(), "length": 10}


def test_steps_are_counted_in_batches_and_go_on_over_passes(planted: PreferenceDataset) -> None:
    """20 pairs are 3 batches of at most 8: 6 steps are 2 passes, and 7 begin a third."""
    pairs = planted.take(slice(20))
    by_steps, whole, part, by_passes = (
        fit(pairs, training=replace(ALL, batch_size=8, **how))
        for how in ({"steps": 6}, {"steps": 9}, {"steps": 7}, {"epochs": 2})
    )
    assert by_steps[0].digest() == by_passes[0].digest()
    assert [report.epochs for _, report in (by_steps, whole, part)] == [2, 3, 3]
    assert part[0].digest() not in (by_steps[0].digest(), whole[0].digest())
    assert part[1].train_losses[:2] == whole[1].train_losses[:2]
    assert part[1].stopped == "epochs"
