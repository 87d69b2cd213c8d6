"""Every id that this package registers: Gymnasium's checker, and a seed that decides an episode."""

import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

pytest.importorskip("metaworld")

import vlfeedback_envs  # noqa: F401  (registers the ids)
from vlfeedback.tasks import MANISKILL_TASKS, METAWORLD_TASKS, RLVLMF_TASKS, TASKS

# SoftGym's and ManiSkill's simulators are not installed everywhere: their own tests check them.
IDS = sorted(
    env_id
    for env_id, spec in gym.registry.items()
    if spec.namespace == "vlfeedback" and spec.name != "SoftGym" and not spec.name.startswith("ms-")
)
# Those of one class are alike: some of them stand for all where time is short.
_FEW = ("vlfeedback/mw-assembly-v0", "vlfeedback/mw-drawer-close-v0")
_STOCK = {f"vlfeedback/mw-{name}-v0" for name in METAWORLD_TASKS} - set(_FEW)
_MARKED = [
    pytest.param(env_id, marks=[pytest.mark.slow] if env_id in _STOCK else []) for env_id in IDS
]
ALWAYS_ALIKE = {
    *(f"vlfeedback/{name}-v0" for name in RLVLMF_TASKS),
    "vlfeedback/FoldClothDiagonal-v0",
}


def test_every_task_of_ours_is_made_by_one_of_them() -> None:
    of_maniskill = {TASKS[name].env_id for name in MANISKILL_TASKS}
    ours = {TASKS[name].env_id for name in TASKS.own} - of_maniskill
    assert ours == {f"vlfeedback_envs:{env_id}" for env_id in IDS}


@pytest.mark.parametrize("env_id", _MARKED)
def test_gymnasiums_checker_finds_nothing_and_a_seed_decides_an_episode(env_id: str) -> None:
    """Bit for bit, whatever came in between."""
    env = gym.make(env_id)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped, skip_render_check=True)
    (one, one_rewards), (other, _), (again, again_rewards) = (episode(env, s) for s in (3, 4, 3))
    env.close()
    np.testing.assert_array_equal(one, again)
    assert one_rewards == again_rewards
    assert np.array_equal(one, other) == (env_id in ALWAYS_ALIKE)


def episode(env: gym.Env[Any, Any], seed: int) -> tuple[np.ndarray, list[float]]:
    """Observations and rewards of three steps at most."""
    assert env.spec is not None and env.spec.max_episode_steps is not None
    env.action_space.seed(5)
    observations, rewards = [env.reset(seed=seed)[0]], []
    for _ in range(min(3, env.spec.max_episode_steps)):
        observation, reward, _, _, info = env.step(env.action_space.sample())
        assert env.observation_space.contains(observation)
        assert isinstance(info["success"], bool)
        observations.append(observation)
        rewards.append(float(reward))
    return np.stack(observations), rewards
