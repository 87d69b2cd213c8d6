"""PEBBLE on sbx, which is stable-baselines3 with networks in JAX."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.online.test_training import train

from vlfeedback.adapters.sb3 import load_policy
from vlfeedback.errors import CheckpointError
from vlfeedback.online import OnlineResult
from vlfeedback.online.critic import reset_critic

sbx = pytest.importorskip("sbx")
jax = pytest.importorskip("jax")

# Each takes half a minute, most of which JAX compiles.
OTHERS = ["sbx-crossq", "sbx-ddpg", "sbx-td3", "sbx-tqc"]
ALGORITHMS = ["sbx-sac", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)]


@pytest.fixture(scope="module", params=ALGORITHMS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> OnlineResult:
    """A training that nothing stopped."""
    return train(tmp_path_factory.mktemp("whole"), algorithm=request.param)


def name_of(result: OnlineResult) -> str:
    return f"sbx-{type(result.model).__name__.lower()}"


def saved(result: OnlineResult) -> Any:
    assert result.out is not None
    return type(result.model).load(result.out / "policy.zip")


def critics(model: Any) -> list[Any]:
    names = ("qf_state", "qf1_state", "qf2_state")
    return [getattr(model.policy, name) for name in names if hasattr(model.policy, name)]


def all_that_learns(model: Any) -> list[np.ndarray]:
    temperature = getattr(model, "ent_coef_state", None)
    trees = (model.policy.actor_state, critics(model), temperature, model.key, model.policy.key)
    return [np.asarray(array) for array in jax.tree.leaves(trees)]


def assert_equal(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for array, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(array, other)


def test_all_that_is_in_the_buffer_is_paid_by_the_latest_reward_model(whole: OnlineResult) -> None:
    assert whole.feedback is not None
    buffer = whole.model.replay_buffer
    assert (buffer.n_rows, whole.n_asked, whole.curve.steps) == (150, 12, (60, 120, 150))
    actions = 2 * buffer.actions[:150, 0]  # a pendulum takes -2 to 2
    learner = whole.feedback.learner
    expected = learner.member_rewards(buffer.observations[:150, 0], actions).mean(axis=0)
    np.testing.assert_allclose(buffer.rewards[:150, 0], expected, atol=1e-5)
    assert expected.std() > 0


def test_the_critic_begins_anew_and_actor_and_temperature_stay(whole: OnlineResult) -> None:
    model = saved(whole)
    actor, temperature = model.policy.actor_state, getattr(model, "ent_coef_state", None)
    before = critics(model)
    reset_critic(model)
    assert model.policy.actor_state is actor
    assert getattr(model, "ent_coef_state", None) is temperature
    for old, new in zip(before, critics(model), strict=True):
        weights, others = jax.tree.leaves(new.params), jax.tree.leaves(old.params)
        assert max(float(abs(a - b).max()) for a, b in zip(weights, others, strict=True)) > 0.1
        assert_equal(jax.tree.leaves(new.opt_state), jax.tree.leaves(new.tx.init(new.params)))
        if hasattr(new, "target_params"):  # CrossQ has none
            assert_equal(jax.tree.leaves(new.target_params), weights)


def test_a_saved_policy_acts_as_the_one_that_was_trained(whole: OnlineResult) -> None:
    observation = np.array([[0.1, 0.9, -1.0]], np.float32)
    expected = whole.model.predict(observation, deterministic=True)[0]
    found = saved(whole).predict(observation, deterministic=True)[0]
    np.testing.assert_array_equal(found, expected)


def test_a_saved_policy_is_not_read_where_nothing_may_be_unpickled(whole: OnlineResult) -> None:
    assert whole.out is not None
    model = whole.model
    with pytest.raises(CheckpointError, match=r"a policy of sbx\.\w+\.policies, which is not read"):
        load_policy(whole.out / "policy.zip", model.observation_space, model.action_space)


def test_a_training_that_was_stopped_ends_with_the_weights_of_one_that_was_not(
    whole: OnlineResult, tmp_path: Path
) -> None:
    def stop(stage: str, step: int, steps: int, loss: float) -> None:
        if step >= 110:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, algorithm=name_of(whole), report=stop)
    result = train(tmp_path, algorithm=name_of(whole))
    assert_equal(all_that_learns(result.model), all_that_learns(whole.model))
    assert result.curve.steps == (60, 120, 150)


SCRIPT = textwrap.dedent("""
    import os, signal, sys
    from pathlib import Path
    from tests.online.test_training import train

    def report(stage, step, steps, loss):
        if step >= int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)

    train(Path(sys.argv[1]), report=report, algorithm="sbx-sac", n_envs=2, n_steps=210)
""")


@pytest.mark.slow
def test_a_training_killed_three_times_ends_with_the_weights_of_one_that_was_not(
    tmp_path: Path,
) -> None:
    def run(out: Path, kill_at: int) -> int:
        command = [sys.executable, "-c", SCRIPT, str(out), str(kill_at)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, env=environment, check=False).returncode

    assert run(tmp_path / "whole", 10_000) == 0
    for kill_at in (50, 100, 150):
        assert run(tmp_path / "killed", kill_at) == -signal.SIGKILL
    assert run(tmp_path / "killed", 10_000) == 0
    found, expected = (
        all_that_learns(sbx.SAC.load(tmp_path / name / "policy.zip"))
        for name in ("killed", "whole")
    )
    assert_equal(found, expected)
