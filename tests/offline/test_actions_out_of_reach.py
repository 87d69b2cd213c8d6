"""Actions outside [-1, 1]: refused by one rule for all learners, or scaled by bounds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlfeedback import PreferenceDataset, PreferenceLabels, Trajectory
from vlfeedback.data.learning_checks import check_action_range
from vlfeedback.errors import InvalidTypeError, InvalidValueError, UnknownNameError
from vlfeedback.offline import PreferenceBuffer, TrainedPolicy, list_learners, train_policy

STATE = np.zeros((1, 3), np.float32)
FAST: dict[str, Any] = {"preset": "smoke", "seed": 0}
REACH_ANY = {"diffusion", "nothing", "random"}


def data(*levels: float) -> tuple[list[Trajectory], PreferenceDataset]:
    """Episodes whose actions (2,) are all of one of these levels, and labelled pairs of them."""
    rng = np.random.default_rng(0)
    trajectories = [
        Trajectory(
            rng.normal(size=(9, 3)).astype(np.float32),
            np.full((8, 2), levels[k % len(levels)], np.float32),
            env_rewards=np.ones(8, np.float32),
            rewards=np.ones(8, np.float32),
            truncated=True,
            id=str(k),
        )
        for k in range(8)
    ]
    segments = [trajectory.segment(0, 8) for trajectory in trajectories]
    labels = PreferenceLabels(np.array([1, 0, 1, 0], np.float32), np.ones(4, np.bool_))
    return trajectories, PreferenceDataset(
        list(zip(segments[::2], segments[1::2], strict=True)), labels
    )


def train(learner: str, *levels: float, **options: Any) -> TrainedPolicy:
    trajectories, preferences = data(*levels)
    return train_policy(
        learner, trajectories=trajectories, preferences=preferences, **(FAST | options)
    )


@pytest.mark.parametrize("learner", sorted(set(list_learners()) - REACH_ANY))
def test_a_policy_that_cannot_reach_the_actions_is_never_begun(
    learner: str, tmp_path: Path
) -> None:
    match = r"Actions lie in \[-1, 2\]; expected \[-1, 1\], .*Set action_scaler to 'min-max'"
    with pytest.raises(InvalidValueError, match=match):
        train(learner, -1.0, 2.0, n_steps=1)
    with pytest.raises(InvalidValueError, match="Actions lie in"):
        train(learner, -1.0, 2.0, n_steps=1, out=tmp_path / "policy")
    assert not (tmp_path / "policy").exists()


def test_a_diffusion_policy_scales_for_itself() -> None:
    settings: dict[str, Any] = {"network": "mlp", "hidden": (8,), "batch_size": 4}
    policy = train("diffusion", -1.0, 2.0, n_steps=1, **settings).algo
    policy.reset(1)
    assert np.isfinite(policy.predict(STATE)).all()


@pytest.mark.parametrize("learner", ["bc", "iql", "iql-d3rlpy", "cpl", "sft"])
def test_actions_are_scaled_by_their_own_range_and_answered_in_it(learner: str) -> None:
    options = {"bc_steps": 200} if learner in ("cpl", "sft") else {}
    trained = train(learner, 4.0, 6.0, n_steps=200, action_scaler="min-max", **options)
    action = trained.algo.predict(STATE)
    np.testing.assert_allclose(action, 5, atol=0.6)  # half of the episodes have 4, half 6
    assert trained.config["settings"]["action_scaler"] == "min-max"


@pytest.mark.parametrize("learner", ["ipl", "p-iql", "iql-average", "cpl-kl", "cpl-bc"])
def test_the_other_learners_take_bounds_too(learner: str) -> None:
    bounds = {"minimum": [0, 0], "maximum": [10, 10]}
    action = train(learner, 4.0, 6.0, n_steps=2, action_scaler=bounds).algo.predict(STATE)
    assert (action > 0).all() and (action < 10).all()


def test_an_entry_that_never_changes_is_predicted_and_no_nan() -> None:
    action = train("bc", 2.0, n_steps=300, action_scaler="min-max").algo.predict(STATE)
    np.testing.assert_allclose(action, 2, atol=0.05)


def test_scaled_actions_are_clipped_to_what_a_tanh_reaches() -> None:
    _, preferences = data(-3.0, 3.0)
    batch = PreferenceBuffer(preferences, scaled=True).sample_transition_batch(4)
    assert set(batch.actions.ravel()) == {-3.0, 3.0}
    policy = train("cpl", -3.0, 3.0, n_steps=1, action_scaler="min-max").algo
    rows = policy.tensors(batch).actions
    assert rows.abs().max().item() == pytest.approx(1 - 1e-5, abs=1e-7)


@pytest.mark.parametrize(
    ("rows", "is_fine"),
    [
        (np.array([[1.0000001], [-1]], np.float32), True),
        (np.array([[0], [-1.01]], np.float32), False),
        (np.array([[3], [0]]), True),  # a discrete action
        (np.array([3, 0]), True),
        (np.array([[3, 0]]), False),
    ],
)
def test_the_rule(rows: np.ndarray, is_fine: bool) -> None:
    check: Callable[[], None] = lambda: check_action_range([np.zeros((2, 1)), rows])  # noqa: E731
    if is_fine:
        check()
    else:
        with pytest.raises(InvalidValueError, match="Actions lie in"):
            check()


def test_a_scaler_of_another_kind_is_refused_with_what_there_is() -> None:
    match = r"No action_scaler 'standard'\. .*'min-max', \{\"minimum\": \[\.\.\.\], "
    with pytest.raises(UnknownNameError, match=match):
        train("iql", 2.0, n_steps=1, action_scaler="standard")
    with pytest.raises(UnknownNameError, match=r"No action_scaler \{'low': 0\}"):
        train("iql", 2.0, n_steps=1, action_scaler={"low": 0})
    with pytest.raises(InvalidTypeError, match="A setting is no JSON value"):
        train("iql", 2.0, n_steps=1, action_scaler=object())
