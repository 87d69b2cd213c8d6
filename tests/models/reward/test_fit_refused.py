"""Labels, inputs and settings that no reward model can be fitted to."""

from dataclasses import replace

import numpy as np
import pytest
from tests.models.reward.test_fit import ALL, fit, relabelled

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.errors import NeedsError, ShapeError
from vlfeedback.models.reward.fit import RewardTraining, fit_reward_model
from vlfeedback.models.reward.networks import RewardModelConfig
from vlfeedback.testing import BrightnessEmbedder
from vlfeedback.types import PreferenceLabels


def test_labels_that_nothing_can_be_learnt_from_are_refused(planted: PreferenceDataset) -> None:
    nothing = replace(
        planted, labels=PreferenceLabels(np.zeros(100, np.float32), np.zeros(100, dtype=np.bool_))
    )
    with pytest.raises(ValueError, match="0 of 100 pairs are answered"):
        fit(nothing)
    with pytest.raises(ValueError, match="100 of 100 labels are ties"):
        fit(relabelled(planted, np.full(100, 0.5)))


def test_observations_that_are_no_numbers_are_refused(planted: PreferenceDataset) -> None:
    trajectory = planted.pairs[0][0].trajectory
    broken = replace(trajectory, observations=np.full((31, 3), np.nan, np.float32))
    pairs = [(broken.segment(0, 10), second) for _, second in planted.pairs]
    with pytest.raises(ValueError, match="observations hold nan in step 0"):
        fit(replace(planted, pairs=pairs))


def test_pictures_that_were_not_taken_are_refused(planted: PreferenceDataset) -> None:
    blind = replace(planted.pairs[0][0].trajectory, frames=None, id="blind")
    pairs = [(blind.segment(0, 10), second) for _, second in planted.pairs]
    with pytest.raises(NeedsError, match="trajectory 'blind' has none"):
        fit(replace(planted, pairs=pairs), RewardModelConfig("frames"))


def test_pictures_that_are_too_small_are_refused_before_training(
    planted: PreferenceDataset,
) -> None:
    with pytest.raises(ShapeError, match="16x16 pixels are too small"):
        fit(planted.take(slice(4)), RewardModelConfig("frames", picture_size=16))


def test_an_encoder_goes_with_embeddings_and_nothing_else(planted: PreferenceDataset) -> None:
    with pytest.raises(NeedsError, match="embeddings need an encoder"):
        fit(planted, RewardModelConfig("embeddings"))
    with pytest.raises(NeedsError, match="nothing else reads one"):
        fit_reward_model(planted, rng=np.random.default_rng(0), encoder=BrightnessEmbedder())


def test_a_training_that_diverges_is_refused(planted: PreferenceDataset) -> None:
    config = RewardModelConfig(output="linear", hidden=(8,), n_members=1)
    with pytest.raises(ValueError, match="diverged: the loss of pass 2 is nan"):
        fit(planted, config, replace(ALL, learning_rate=1e38))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"epochs": 0}, "epochs=0"),
        ({"steps": 0}, "epochs=200, steps=0; expected at least 1 of each"),
        ({"epochs": -1, "steps": 3}, "epochs=-1, steps=3"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"patience": 0}, "patience=0"),
        ({"label_margin": 0.5}, "label_margin=0.5"),
        ({"validation": 1.0}, "validation=1.0"),
    ],
)
def test_a_setting_out_of_range_is_refused(changes: dict[str, float], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        RewardTraining(**changes)  # type: ignore[arg-type]
