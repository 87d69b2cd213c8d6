"""What the notes of a training say of the weights that its policy was cloned with."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.offline import PreferenceBuffer, TrainedPolicy, TransitionBuffer, train_policy
from vlfeedback.offline.weight_notes import describe_weights, notes_of_weights
from vlfeedback.types import Trajectory


@pytest.fixture
def trajectories() -> list[Trajectory]:
    """30 steps of experts that earn 1, and 10 of random arms that earn 0."""
    rng = np.random.default_rng(0)
    return [
        Trajectory(
            rng.normal(size=(11, 3)).astype(np.float32),
            rng.uniform(-1, 1, (10, 2)).astype(np.float32),
            rewards=np.full(10, level == "expert", np.float32),
            truncated=True,
            level=level,
            id=str(k),
        )
        for k, level in enumerate(("expert", "expert", "random", "expert"))
    ]


def test_the_figures_are_those_of_their_formulas() -> None:
    told = describe_weights(
        np.array([1.0, 2.0, 3.0, 6.0]),
        np.array([0.0, 0.0, -1.0, 3.0]),
        np.array([1.0, 1.0, 2.0, 4.0]),
        max_weight=4.0,
        levels=np.array(["random", "expert", "expert", ""]),
    )
    assert told == {
        "mean_value": 3.0,
        "mean_advantage": 0.5,
        "effective_share": 64 / (4 * 22),
        "clipped": 0.25,
        "weight_by_level": {"": 0.5, "expert": 0.375, "random": 0.125},
        "steps_by_level": {"": 0.25, "expert": 0.5, "random": 0.25},
    }


def test_weights_that_all_vanish_are_no_error() -> None:
    zero = np.zeros(2)
    told = describe_weights(zero, zero, zero, max_weight=1.0, levels=np.array(["", ""]))
    assert np.isnan(told["effective_share"]) and told["clipped"] == 0


def test_iql_notes_its_weights_over_all_transitions(trajectories: list[Trajectory]) -> None:
    trained = train_policy(
        "iql", trajectories=trajectories, n_steps=5, seed=0, preset="smoke", weight_temp=0.0
    )
    told = trained.notes["weights"]
    assert (told["effective_share"], told["clipped"]) == (1, 0)  # exp(0) everywhere
    assert told["weight_by_level"] == told["steps_by_level"] == {"expert": 0.75, "random": 0.25}
    assert told["mean_reward"] == 0.75
    assert told["reward_deviation"] == pytest.approx((0.75 * 0.25) ** 0.5)


def test_values_and_advantages_are_those_of_the_networks(trajectories: list[Trajectory]) -> None:
    trained = train_policy(
        "iql",
        trajectories=trajectories,
        n_steps=5,
        seed=0,
        preset="smoke",
        observation_scaler="standard",
    )
    steps = TransitionBuffer(trajectories).steps()
    modules = trained.algo.impl._modules
    scaled = trained.algo.config.observation_scaler.transform_numpy(steps.observations)
    observations, actions = torch.from_numpy(scaled).float(), torch.from_numpy(steps.actions)
    with torch.no_grad():
        values = modules.value(observations)[0, :, 0]
        q = modules.target_q(torch.cat([observations, actions], dim=1)).amin(dim=0)[:, 0]
    told = trained.notes["weights"]
    assert told["mean_value"] == pytest.approx(float(values.mean()), rel=1e-4, abs=1e-6)
    assert told["mean_advantage"] == pytest.approx(float((q - values).mean()), rel=1e-3, abs=1e-5)


def test_ipl_notes_them_over_the_transitions_of_its_pairs(
    make_preferences: Callable[..., PreferenceDataset],
) -> None:
    preferences = make_preferences([0.0, 1.0, 1.0, np.nan], length=6)
    trained = train_policy("ipl", preferences=preferences, n_steps=3, seed=0, preset="smoke")
    told = trained.notes["weights"]
    assert 0 < told["effective_share"] <= 1 and told["steps_by_level"] == {"": 1}
    assert "mean_reward" not in told
    steps = PreferenceBuffer(preferences).steps()
    assert len(steps.observations) == len(steps.levels) == 3 * 2 * 5
    segment = preferences.pairs[0][1]
    np.testing.assert_allclose(
        steps.observations[5:10], segment.trajectory.observations[:5], rtol=1e-6
    )


def test_what_is_not_cloned_by_weights_has_no_such_notes(trajectories: list[Trajectory]) -> None:
    trained = train_policy("bc", trajectories=trajectories, n_steps=2, seed=0, preset="smoke")
    assert trained.notes == {}
    assert notes_of_weights(trained.algo, object()) == {}


def test_notes_are_kept_with_the_policy_and_hold_no_nan(
    trajectories: list[Trajectory], tmp_path: object
) -> None:
    endless = [replace(t, rewards=np.full(10, 3e38, np.float32)) for t in trajectories]
    trained = train_policy(
        "iql", trajectories=endless, n_steps=20, seed=0, preset="smoke", out=f"{tmp_path}/policy"
    )
    assert trained.notes["weights"]["mean_value"] is None
    json.dumps(trained.notes, allow_nan=False)
    assert TrainedPolicy.load(f"{tmp_path}/policy").notes == trained.notes
