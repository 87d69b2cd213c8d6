"""StraightenRopeFree: where pickers start, what is rewarded, and what is to be seen."""

import warnings
from collections.abc import Callable, Iterator

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from vlfeedback.tasks import TASKS
from vlfeedback_envs.deformables.free_rope import StraightenRopeFree
from vlfeedback_envs.deformables.rope import StraightenRope
from vlfeedback_envs.deformables.scripts import grasp_and_pull
from vlfeedback_envs.rendering import mujoco

Choose = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@pytest.fixture(scope="module")
def rope() -> Iterator[StraightenRopeFree]:
    env = StraightenRopeFree(render_mode="rgb_array")
    yield env
    env.close()


def episode(env: StraightenRopeFree, seed: int, choose: Choose, n_steps: int) -> list[float]:
    """Normalized performances; fails where the simulation does."""
    env.reset(seed=seed)
    rng = np.random.default_rng([seed, 1])
    normalized = []
    for _ in range(n_steps):
        observation, _, terminated, truncated, info = env.step(choose(env.state(), rng))
        assert not (terminated or truncated or info["sim_error"])
        assert np.isfinite(observation).all()
        normalized.append(info["normalized_performance"])
    return normalized


def scripted(state: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return grasp_and_pull(state)


def anything(_: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(-1, 1, 8).astype(np.float32)


def test_gymnasiums_own_checker_finds_nothing() -> None:
    env = gym.make(TASKS["straighten-rope-free"].env_id, render_mode="rgb_array", size=32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)
    env.close()


def test_the_rope_lies_as_in_the_task_whose_ends_are_held(rope: StraightenRopeFree) -> None:
    held = StraightenRope()
    for seed in range(3):
        own, other = rope.reset(seed=seed)[0], held.reset(seed=seed)[0]
        np.testing.assert_allclose(own[:30], other[:30], atol=0.004)
    assert rope.observation_space == held.observation_space
    assert rope.point_cloud().shape == (23, 5)


def test_pickers_begin_above_the_middle_of_the_rope_and_hold_nothing(
    rope: StraightenRopeFree,
) -> None:
    rope.reset(seed=1)
    nodes = rope.point_cloud()[:21, :3]
    middle = (nodes.min(axis=0) + nodes.max(axis=0)) / 2
    expected = [[middle[0], 0.1, middle[2] + 0.04], [middle[0], 0.1, middle[2] - 0.04]]
    np.testing.assert_allclose(rope.state()[30:].reshape(2, 3), expected, atol=0.003)
    assert rope.pickers.held == [None, None]


def test_the_reward_is_how_far_the_distance_of_the_ends_is_from_half_a_metre(
    rope: StraightenRopeFree,
) -> None:
    rope.reset(seed=0)
    for _ in range(16):
        _, reward, _, _, info = rope.step(grasp_and_pull(rope.state()))
        ends = rope.point_cloud()[[0, 20], :3]
        distance = float(np.linalg.norm(ends[0] - ends[1]))
        assert reward == pytest.approx(-abs(distance - 0.5), abs=1e-6)
        assert info["performance"] == reward
        assert info["distance"] == pytest.approx(distance, abs=1e-6)
        assert info["normalized_performance"] == pytest.approx(1 - abs(distance - 0.5) / 0.5)
        assert info["success"] == (info["normalized_performance"] > 0.95)
    assert info["success"]


def test_the_script_takes_the_ends_and_pulls(rope: StraightenRopeFree) -> None:
    for seed in range(4):
        assert episode(rope, seed, scripted, 24)[-1] > 0.98
        assert rope.pickers.held in ([0, 20], [20, 0], [1, 20], [20, 1], [0, 19], [19, 0])


def test_a_seed_decides_all_of_an_episode(rope: StraightenRopeFree) -> None:
    """Bit for bit, whatever was held in episodes before."""
    episode(rope, 9, scripted, 8)
    again = StraightenRopeFree()
    for env in (rope, again):
        env.reset(seed=4)
    for _ in range(12):
        action = grasp_and_pull(again.state())
        one, other = rope.step(action), again.step(action)
        np.testing.assert_array_equal(one[0], other[0])
        assert one[1] == other[1]
    assert None not in rope.pickers.held


def test_pictures_show_the_rope_and_pickers_if_they_are_asked_for(
    rope: StraightenRopeFree,
) -> None:
    shown = StraightenRopeFree(render_mode="rgb_array", hide_picker=False)
    pictures = []
    for env in (rope, shown):
        env.reset(seed=3)
        pictures.append(env.render())
    shown.close()
    plain, with_pickers = (picture.astype(int) for picture in pictures if picture is not None)
    blue = (plain[..., 2] > 150) & (plain[..., 0] < 90)
    assert blue.sum() > 800
    assert (np.abs(plain - with_pickers).max(axis=-1) > 20).sum() > 100


def test_every_kind_of_observation_is_one_of_its_space() -> None:
    for kind in ("state", "image", "point_cloud", "flat_point_cloud"):
        env = StraightenRopeFree(obs_mode=kind, size=48)
        for observation in (env.reset(seed=0)[0], env.step(np.ones(8, np.float32))[0]):
            assert env.observation_space.contains(observation)
        env.close()


@pytest.mark.parametrize("seed", range(4))
def test_a_rope_that_is_flung_up_gains_no_energy_in_flight(seed: int) -> None:
    """Links turn at 10 rad/s, 1 m above the table, for 0.2 s; "implicitfast" tears them apart."""
    env = StraightenRopeFree()
    env.model.opt.enableflags |= mujoco.mjtEnableBit.mjENBL_ENERGY
    env.reset(seed=seed)
    env.data.qpos[2] = 1.0
    env.data.qvel[3:] = np.random.default_rng(seed).normal(0, 10, env.model.nv - 3)
    mujoco.mj_forward(env.model, env.data)
    energies = [float(env.data.energy.sum())]
    for _ in range(40):
        mujoco.mj_step(env.model, env.data)
        energies.append(float(env.data.energy.sum()))
    assert energies[0] > 4  # J; it weighs 0.4 kg
    assert max(energies) <= energies[0]


def test_a_failed_simulation_costs_as_much_as_ends_that_touch(rope: StraightenRopeFree) -> None:
    rope.reset(seed=0)
    rope.data.qvel[:] = 1e12
    _, reward, terminated, truncated, info = rope.step(np.zeros(8, np.float32))
    assert info["sim_error"] and truncated and not terminated and reward == -0.5


def test_the_registered_id_is_cut_after_seventy_five_steps() -> None:
    env = gym.make(TASKS["straighten-rope-free"].env_id)
    env.reset(seed=0)
    ends = [env.step(np.zeros(8, np.float32))[2:4] for _ in range(75)]
    env.close()
    assert ends == [(False, False)] * 74 + [(False, True)]


@pytest.mark.slow
def test_random_and_noisy_episodes_break_no_simulation(rope: StraightenRopeFree) -> None:
    finals = [episode(rope, seed, anything, 75)[-1] for seed in range(20)]
    assert np.mean(finals) < 0.7
    for seed in range(40):
        noise = (0.1, 0.3, 0.6, 1.0)[seed % 4]
        episode(rope, seed, lambda s, rng, n=noise: grasp_and_pull(s) + rng.normal(0, n, 8), 75)  # type: ignore[misc]


@pytest.mark.slow
def test_pickers_that_drag_the_rope_about_break_no_simulation(rope: StraightenRopeFree) -> None:
    """At full speed, in another direction every few steps, with the ends held."""

    def dragged(state: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if None in rope.pickers.held:
            return grasp_and_pull(state)
        ways = np.random.default_rng(int(rope.data.time / 0.4)).choice([-1.0, 1.0], (2, 3))
        return np.concatenate([ways, np.ones((2, 1))], axis=1).ravel()

    for seed in range(20):
        episode(rope, seed, dragged, 75)
