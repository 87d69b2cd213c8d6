import math
from pathlib import Path

import d3rlpy
import numpy as np
import pytest
import torch

from vlfeedback.errors import NeedsError, ShapeError
from vlfeedback.offline import BC, BCConfig, TransitionBuffer
from vlfeedback.types import Trajectory


@pytest.fixture
def buffer() -> TransitionBuffer:
    rng = np.random.default_rng(0)
    observations = rng.normal(size=(201, 3)).astype(np.float32)
    actions = np.tanh(observations[:-1, :2])  # a rule that can be learnt
    return TransitionBuffer([Trajectory(observations, actions, truncated=True)], rewards="none")


def test_the_loss_is_the_squared_error_summed_over_action_entries(
    buffer: TransitionBuffer,
) -> None:
    algo = BCConfig(hidden=[8]).create()
    algo.create_impl((3,), 2)
    batch = buffer.sample_transition_batch(5)
    expected = ((algo.predict(batch.observations) - batch.actions) ** 2).sum(axis=1).mean()
    assert algo.update(batch) == {"bc_loss": pytest.approx(expected, rel=1e-5)}
    assert algo.update(batch) == {}


def test_the_gaussian_loss_is_the_negative_log_likelihood(buffer: TransitionBuffer) -> None:
    algo = BCConfig(hidden=[8], gaussian=True).create()
    algo.create_impl((3,), 2)
    batch = buffer.sample_transition_batch(5)
    squares = (algo.predict(batch.observations) - batch.actions) ** 2
    # The deviation is 1 at first.
    expected = (0.5 * squares + 0.5 * math.log(2 * math.pi)).sum(axis=1).mean()
    assert algo.update(batch)["bc_loss"] == pytest.approx(expected, rel=1e-5)


def test_a_rule_is_imitated_and_survives_saving(buffer: TransitionBuffer, tmp_path: Path) -> None:
    algo = BCConfig(hidden=[32], learning_rate=1e-2, batch_size=64).create()
    algo.fit(buffer, n_steps=150, n_steps_per_epoch=150, show_progress=False)
    states = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)
    error = np.abs(algo.predict(states) - np.tanh(states[:, :2])).mean()
    assert error < 0.1
    algo.save(str(tmp_path / "bc.d3"))
    loaded = d3rlpy.load_learnable(str(tmp_path / "bc.d3"))
    assert isinstance(loaded, BC)
    np.testing.assert_array_equal(loaded.predict(states), algo.predict(states))


def test_equal_seeds_give_equal_policies() -> None:
    states = np.ones((1, 3), dtype=np.float32)
    actions = []
    for seed in (0, 0, 1):
        torch.rand(3)  # the global generator has no say
        algo = BCConfig(hidden=[8], seed=seed).create()
        algo.create_impl((3,), 2)
        actions.append(algo.predict(states))
    assert np.array_equal(actions[0], actions[1])
    assert not np.array_equal(actions[0], actions[2])


def test_what_bc_cannot_do_is_said() -> None:
    with pytest.raises(ShapeError, match=r"shape \(3, 8, 8\); expected vectors"):
        BCConfig().create().create_impl((3, 8, 8), 2)
    with pytest.raises(ValueError, match=r"dropout=1\.0; expected a share"):
        BCConfig(dropout=1.0)
    with pytest.raises(ValueError, match="batch_size=0"):
        BCConfig(batch_size=0)
    algo = BCConfig().create()
    algo.create_impl((3,), 2)
    with pytest.raises(NeedsError, match="no values"):
        algo.predict_value(np.ones((1, 3), np.float32), np.ones((1, 2), np.float32))
