"""StraightenRope: where ropes start, how pickers move, what is rewarded, and what is to be seen."""

from collections.abc import Callable, Iterator
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from vlfeedback.errors import RenderError, UnknownNameError
from vlfeedback.tasks import TASKS
from vlfeedback_envs.deformables.rope import StraightenRope
from vlfeedback_envs.deformables.rope_model import CONTOUR, N_LINKS, RADIUS
from vlfeedback_envs.deformables.rope_starts import END_DISTANCE_DECILES, draw_rope
from vlfeedback_envs.deformables.scripts import pull_straight

Choose = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@pytest.fixture(scope="module")
def rope() -> Iterator[StraightenRope]:
    env = StraightenRope(render_mode="rgb_array")
    yield env
    env.close()


def episode(env: StraightenRope, seed: int, choose: Choose, n_steps: int = 40) -> list[float]:
    """Rewards; fails where the simulation does."""
    env.reset(seed=seed)
    rng = np.random.default_rng([seed, 1])
    rewards = []
    for _ in range(n_steps):
        observation, reward, terminated, truncated, info = env.step(choose(env.state(), rng))
        assert not (terminated or truncated or info["sim_error"])
        assert np.isfinite(observation).all()
        rewards.append(reward)
    return rewards


def scripted(state: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return pull_straight(state)


def anything(_: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(-1, 1, 8).astype(np.float32)


def nothing(_: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.zeros(8, np.float32)


# Starts ------------------------------------------------------------------------------------------


def test_ends_lie_as_far_apart_as_in_the_cached_states_decile_by_decile() -> None:
    rng = np.random.default_rng(0)
    distances = [np.linalg.norm(nodes[0] - nodes[-1]) for nodes, _ in map(draw_rope, [rng] * 200)]
    deciles = np.percentile(distances, np.arange(10, 100, 10))
    np.testing.assert_allclose(deciles, END_DISTANCE_DECILES[1:-1], atol=0.035)


def test_a_start_is_as_long_as_the_rope_within_reach_and_touches_itself_nowhere() -> None:
    rng = np.random.default_rng(1)
    for nodes, headings in (draw_rope(rng) for _ in range(20)):
        links = np.diff(nodes, axis=0)
        np.testing.assert_allclose(np.linalg.norm(links, axis=1), CONTOUR / N_LINKS)
        np.testing.assert_allclose(np.arctan2(links[:, 1], links[:, 0]), _wrapped(headings))
        assert np.abs(nodes).max() <= 0.27
        apart = np.linalg.norm(nodes[:, None] - nodes[None], axis=-1)
        far = np.abs(np.subtract.outer(np.arange(21), np.arange(21))) > 3
        assert apart[far].min() >= 2 * RADIUS


def _wrapped(angles: np.ndarray) -> np.ndarray:
    return np.asarray((angles + np.pi) % (2 * np.pi) - np.pi)


# What is observed --------------------------------------------------------------------------------


def test_the_state_is_ten_nodes_and_two_pickers_in_softgyms_axes(rope: StraightenRope) -> None:
    rope.reset(seed=0)
    state, cloud = rope.state().reshape(12, 3), rope.point_cloud()
    assert cloud.shape == (23, 5)
    np.testing.assert_array_equal(state[:10], cloud[[0, 2, 4, 6, 8, 10, 12, 14, 16, 20], :3])
    np.testing.assert_array_equal(state[10:], cloud[21:, :3])
    np.testing.assert_array_equal(cloud[:, 3:], [[1, 0]] * 21 + [[0, 1]] * 2)
    np.testing.assert_allclose(state[:10, 1], 0.013, atol=0.003)  # it lies on the table
    np.testing.assert_allclose(state[[10, 11]][:, [0, 2]], state[[0, 9]][:, [0, 2]], atol=0.005)


def test_pictures_show_x_to_the_right_and_z_downwards(rope: StraightenRope) -> None:
    """The rope's blue pixels lie where its nodes do, seen from 0.85 m through 45 degrees."""
    rope.reset(seed=3)
    picture = rope.render()
    assert picture is not None and picture.shape == (240, 240, 3) and picture.dtype == np.uint8
    rows, columns = np.nonzero((picture[..., 2] > 150) & (picture[..., 0] < 90))
    scale = 120 / (0.85 * np.tan(np.pi / 8))
    nodes = rope.point_cloud()[:21]
    assert columns.mean() == pytest.approx(120 + scale * nodes[:, 0].mean(), abs=3)
    assert rows.mean() == pytest.approx(120 + scale * nodes[:, 2].mean(), abs=3)
    assert columns.max() == pytest.approx(120 + scale * (nodes[:, 0].max() + RADIUS), abs=4)
    assert rows.min() == pytest.approx(120 + scale * (nodes[:, 2].min() - RADIUS), abs=4)
    assert len(rows) == pytest.approx(2 * RADIUS * CONTOUR * scale**2, rel=0.25)


def test_pickers_are_hidden_unless_they_are_asked_for(rope: StraightenRope) -> None:
    rope.reset(seed=3)
    plain = rope.render()
    shown = StraightenRope(render_mode="rgb_array", hide_picker=False)
    shown.reset(seed=3)
    picture = shown.render()
    shown.close()
    assert plain is not None and picture is not None
    differs = np.abs(plain.astype(int) - picture.astype(int)).max(axis=-1) > 20
    assert 60 < differs.sum() < 1200  # two discs of some 7 pixels' radius


def test_every_kind_of_observation_is_one_of_its_space() -> None:
    for kind in ("state", "image", "point_cloud", "flat_point_cloud"):
        env = StraightenRope(obs_mode=kind, size=48)
        for observation in (env.reset(seed=0)[0], env.step(np.ones(8, np.float32))[0]):
            assert env.observation_space.contains(observation)
        if kind == "image":
            assert observation.std() > 5
        env.close()


# What happens ------------------------------------------------------------------------------------


def test_a_picker_goes_six_centimetres_at_most_and_its_end_follows(rope: StraightenRope) -> None:
    rope.reset(seed=0)
    before = rope.state().reshape(12, 3)
    action = np.zeros((2, 4), np.float32)
    action[0, 1] = 1.0  # the first picker goes up
    rope.step(action.ravel())
    after = rope.state().reshape(12, 3)
    np.testing.assert_allclose(after[10] - before[10], [0, 0.06, 0], atol=1e-6)
    np.testing.assert_array_equal(after[11], before[11])
    assert after[0, 1] - before[0, 1] == pytest.approx(0.06, abs=0.03)
    rope.step(np.zeros(8, np.float32))
    assert rope.state()[1] - before[0, 1] == pytest.approx(0.06, abs=0.01)


def test_the_flags_change_nothing_since_ends_are_held_all_the_time(rope: StraightenRope) -> None:
    after = []
    for flag in (-1.0, 1.0):
        rope.reset(seed=1)
        action = np.full((2, 4), 0.4, np.float32)
        action[:, 3] = flag
        after.append(rope.step(action.ravel())[0])
    np.testing.assert_array_equal(after[0], after[1])


@pytest.mark.parametrize("axis", [0, 2])
@pytest.mark.parametrize("way", [-1.0, 1.0])
def test_neither_pickers_nor_ends_leave_the_view(
    rope: StraightenRope, axis: int, way: float
) -> None:
    rope.reset(seed=2)
    action = np.zeros((2, 4), np.float32)
    action[:, axis] = way
    for _ in range(12):
        rope.step(action.ravel())
    places = rope.state().reshape(12, 3)[[0, 9, 10, 11]]
    assert np.abs(places[:, [0, 2]]).max() <= 0.33
    assert np.abs(places[:, axis]).max() > 0.29


def test_pickers_stay_as_near_together_as_the_rope_is_long(rope: StraightenRope) -> None:
    rope.reset(seed=0)
    for _ in range(12):
        rope.step(pull_straight(rope.state()))
    apart = np.array([[1.0, 0, 0, 0], [-1.0, 0, 0, 0]], np.float32)
    if rope.state()[0] < rope.state()[27]:
        apart = -apart
    for _ in range(5):
        _, _, _, _, info = rope.step(apart.ravel())
    pickers = rope.state()[30:].reshape(2, 3)
    assert np.linalg.norm(pickers[0] - pickers[1]) <= CONTOUR + 1e-3
    assert not info["sim_error"]


def test_the_reward_is_the_distance_of_the_ends_and_capped(rope: StraightenRope) -> None:
    rope.reset(seed=0)
    _, reward, _, _, info = rope.step(np.zeros(8, np.float32))
    nodes = rope.point_cloud()[:21, :3]
    distance = float(np.linalg.norm(nodes[0] - nodes[-1]))
    assert reward == pytest.approx(distance, abs=1e-6) and info["performance"] == reward
    assert info["normalized_performance"] == pytest.approx(1 - abs(distance - 0.5) / 0.5, abs=1e-5)
    assert not info["success"]
    for _ in range(15):
        _, reward, _, _, info = rope.step(pull_straight(rope.state()))
    assert 0.475 < reward <= 0.55 and info["success"]
    assert info["distance"] >= reward


def test_a_rope_that_is_pulled_does_not_spin_about_itself(rope: StraightenRope) -> None:
    """Of this seed it span at 240 rad/s, when its first link was a free joint, and broke."""
    fastest = 0.0

    def watched(state: np.ndarray, _: np.random.Generator) -> np.ndarray:
        nonlocal fastest
        fastest = max(fastest, abs(float(rope.data.qvel[3])))
        return pull_straight(state)

    assert sum(episode(rope, 1_000_000, watched)) > 20.5
    assert 0 < fastest < 60


def test_the_script_straightens_every_rope(rope: StraightenRope) -> None:
    returns = [sum(episode(rope, seed, scripted)) for seed in range(10)]
    assert np.mean(returns) >= 20.5 and min(returns) > 19


@pytest.mark.slow
def test_returns_of_random_actions_and_of_none_are_those_of_softgym_and_nothing_fails(
    rope: StraightenRope,
) -> None:
    """Doing nothing gives 9.4 there: 40 times the mean distance at the start."""
    assert 7 < np.mean([sum(episode(rope, seed, anything)) for seed in range(20)]) < 16
    idle = np.mean([sum(episode(rope, seed, nothing)) for seed in range(60)])
    assert idle == pytest.approx(9.6, abs=2)


@pytest.mark.slow
def test_a_hundred_scripted_episodes_with_noise_break_no_simulation(rope: StraightenRope) -> None:
    for seed in range(100):
        noise = (0.0, 0.5, 1.0)[seed % 3]
        episode(rope, seed, lambda s, rng, n=noise: pull_straight(s) + rng.normal(0, n, 8))  # type: ignore[misc]


def test_a_seed_decides_all_of_an_episode(rope: StraightenRope) -> None:
    """Bit for bit, whatever this or another environment did before."""
    episode(rope, 9, anything, 3)
    again = StraightenRope()
    for env in (rope, again):
        env.reset(seed=4)
    rng = np.random.default_rng(0)
    for _ in range(8):
        action = anything(np.zeros(36), rng)
        one, other = rope.step(action), again.step(action)
        np.testing.assert_array_equal(one[0], other[0])
        assert one[1] == other[1]
    assert np.any(rope.reset(seed=5)[0] != again.reset(seed=4)[0])


def test_a_failed_simulation_cuts_the_episode_off_and_leaves_no_log(
    rope: StraightenRope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before, _ = rope.reset(seed=0)
    rope.data.qvel[:] = 1e12
    observation, reward, terminated, truncated, info = rope.step(np.zeros(8, np.float32))
    assert info["sim_error"] and truncated and not terminated and reward == 0
    np.testing.assert_array_equal(observation, before)
    assert list(tmp_path.iterdir()) == []
    _, info = rope.reset(seed=0)
    assert not info["sim_error"]


def test_the_registered_id_is_cut_after_forty_steps() -> None:
    env = gym.make(TASKS["straighten-rope"].env_id)
    env.reset(seed=0)
    ends = [env.step(np.zeros(8, np.float32))[2:4] for _ in range(40)]
    env.close()
    assert ends == [(False, False)] * 39 + [(False, True)]


def test_other_render_modes_and_kinds_of_observations_are_refused() -> None:
    with pytest.raises(RenderError, match="render_mode='human'; this view renders 'rgb_array'"):
        StraightenRope(render_mode="human")
    with pytest.raises(UnknownNameError, match="obs_mode='cloud'; expected one of state, image"):
        StraightenRope(obs_mode="cloud")
