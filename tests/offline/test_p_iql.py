"""P-IQL: on how many labels its reward model is trained, and on which rewards the policy."""

from typing import Any

import numpy as np
import pytest

from vlfeedback import PreferenceDataset, PreferenceLabels, Trajectory, sample_segment_pairs
from vlfeedback.errors import InvalidValueError
from vlfeedback.offline import get_learner, train_policy
from vlfeedback.offline.learners import LearnerInputs
from vlfeedback.offline.presets import PRESETS

SHORT: dict[str, Any] = {"n_steps": 1, "seed": 0, "hidden": [8]}


@pytest.fixture(scope="module")
def trajectories() -> list[Trajectory]:
    rng = np.random.default_rng(0)
    return [
        Trajectory(
            rng.normal(size=(16, 3)).astype(np.float32),
            rng.uniform(-1, 1, (15, 2)).astype(np.float32),
            truncated=True,
            id=str(k),
        )
        for k in range(30)
    ]


@pytest.fixture(scope="module")
def preferences(trajectories: list[Trajectory]) -> PreferenceDataset:
    """100 pairs of 30 trajectories; better is what has larger actions."""
    pairs = sample_segment_pairs(trajectories, 100, 10, rng=np.random.default_rng(1))
    better = [b.read("actions").sum() > a.read("actions").sum() for a, b in pairs]
    return PreferenceDataset(
        pairs, PreferenceLabels(np.array(better, np.float32), np.ones(100, np.bool_))
    )


@pytest.mark.parametrize("preset", ["vlp", "cpl", "plare", "ipl", "offline-rl-vlm-f"])
def test_presets_of_papers_train_on_every_label(
    trajectories: list[Trajectory], preferences: PreferenceDataset, preset: str
) -> None:
    trained = train_policy(
        "p-iql",
        trajectories=trajectories,
        preferences=preferences,
        preset=preset,
        reward_training={"epochs": 1},
        **SHORT,
    )
    outcome = trained.notes["reward_model"]
    assert (outcome["n_pairs"], outcome["n_validation"], outcome["n_straddling"]) == (100, 0, 0)
    assert outcome["pairs"] == "All 100 answered pairs are trained on."


def test_what_holding_out_costs_is_said(
    trajectories: list[Trajectory], preferences: PreferenceDataset
) -> None:
    trained = train_policy(
        "p-iql",
        trajectories=trajectories,
        preferences=preferences,
        reward_training={"epochs": 1, "validation": 0.1},
        **SHORT,
    )
    outcome = trained.notes["reward_model"]
    n, held_out, lost = (outcome[name] for name in ("n_pairs", "n_validation", "n_straddling"))
    assert n + held_out + lost == 100 and lost > 0
    assert outcome["pairs"].startswith(
        f"{n} of 100 answered pairs are trained on, {held_out} are held out for validation, and "
        f"{lost} are lost, since they compare a trajectory that is trained on with one that is"
    )


def rewards_that_are_learnt_from(
    trajectories: list[Trajectory], preferences: PreferenceDataset, **settings: Any
) -> np.ndarray:
    values = PRESETS["smoke"].settings("p-iql", 100, {"reward_training": {"epochs": 3}, **settings})
    training = get_learner("p-iql").prepare(LearnerInputs(trajectories, preferences, values, 0))
    rewards: np.ndarray = training.buffer.rewards  # type: ignore[attr-defined]
    return rewards


def test_rewards_are_the_models_own_or_standardised(
    trajectories: list[Trajectory], preferences: PreferenceDataset
) -> None:
    default, standardised, raw = (
        rewards_that_are_learnt_from(trajectories, preferences, **settings)
        for settings in ({}, {"reward_scale": "standardised"}, {"reward_scale": "raw"})
    )
    np.testing.assert_array_equal(default, standardised)
    assert standardised.std() == pytest.approx(1, abs=0.05)
    slope, offset = np.polyfit(raw, standardised, 1)
    np.testing.assert_allclose(slope * raw + offset, standardised, atol=1e-4)
    assert abs(slope - 1) > 0.5  # one network's rewards have another scale


def test_a_scale_of_another_name_is_refused_before_anything_is_trained(
    trajectories: list[Trajectory], preferences: PreferenceDataset
) -> None:
    with pytest.raises(InvalidValueError, match=r"reward_scale='std'; expected 'standardised' "):
        rewards_that_are_learnt_from(trajectories, preferences, reward_scale="std")


def test_it_may_learn_from_the_segments_of_the_pairs_alone(
    trajectories: list[Trajectory], preferences: PreferenceDataset
) -> None:
    """100 pairs of 10 steps: 2,000 transitions, each as often as its segment was compared."""
    rewards = rewards_that_are_learnt_from(trajectories, preferences, learns_from="segments")
    assert rewards.shape == (2000,)
    of_trajectories = rewards_that_are_learnt_from(trajectories, preferences)
    assert of_trajectories.shape == (450,)
    first, start = preferences.pairs[0][0].trajectory, preferences.pairs[0][0].start
    k = next(k for k, trajectory in enumerate(trajectories) if trajectory is first)
    np.testing.assert_allclose(
        rewards[:10], of_trajectories[15 * k + start : 15 * k + start + 10], rtol=1e-4, atol=1e-5
    )


def test_another_word_for_what_it_learns_from_is_refused(
    trajectories: list[Trajectory], preferences: PreferenceDataset
) -> None:
    with pytest.raises(InvalidValueError, match="learns_from='pairs'; expected 'trajectories' "):
        rewards_that_are_learnt_from(trajectories, preferences, learns_from="pairs")
