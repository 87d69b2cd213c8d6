"""FoldClothHalf: where cloth lies, what is observed and rewarded, and what is to be seen."""

import warnings
from collections.abc import Iterator

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from vlfeedback.tasks import TASKS
from vlfeedback_envs.deformables.fold_half import FoldClothHalf
from vlfeedback_envs.deformables.scripts import fold_in_half

SIDE = 0.244  # m


@pytest.fixture(scope="module")
def cloth() -> Iterator[FoldClothHalf]:
    env = FoldClothHalf(render_mode="rgb_array")
    yield env
    env.close()


def fold(env: FoldClothHalf, seed: int, n_steps: int = 13) -> dict[str, float]:
    env.reset(seed=seed)
    for _ in range(n_steps):
        *_, info = env.step(fold_in_half(env.state()))
        assert not info["sim_error"]
    return info


def test_gymnasiums_own_checker_finds_nothing() -> None:
    env = gym.make(TASKS["fold-cloth-half"].env_id, render_mode="rgb_array", size=32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)
    env.close()


def test_the_state_is_the_corners_and_the_pickers_above_the_left_side(
    cloth: FoldClothHalf,
) -> None:
    state, info = cloth.reset(seed=0)
    far_left, near_left, far_right, near_right, *pickers = state.reshape(6, 3)
    for one, other, side in (
        (far_left, near_left, SIDE),
        (far_right, near_right, SIDE),
        (far_left, far_right, SIDE),
        (near_left, far_right, SIDE * np.sqrt(2)),
    ):
        assert np.linalg.norm(one - other) == pytest.approx(side, abs=1e-3)
    assert far_left[0] < 0 < far_right[0] and far_left[2] < 0 < near_left[2]
    middle = (far_left + near_left) / 2
    expected = [[middle[0], 0.1, middle[2] + 0.04], [middle[0], 0.1, middle[2] - 0.04]]
    np.testing.assert_allclose(pickers, expected, atol=1e-3)
    assert info["normalized_performance"] == 0 and cloth.pickers.held == [None, None]
    cloud = cloth.point_cloud()
    np.testing.assert_array_equal(cloud[:, 3:], [[1, 0]] * 169 + [[0, 1]] * 2)
    np.testing.assert_array_equal(cloud[[0, 156, 12, 168], :3], state[:12].reshape(4, 3))


def test_cloth_lies_up_to_fifteen_millimetres_and_eight_degrees_off(cloth: FoldClothHalf) -> None:
    shifts, turns = [], []
    for seed in range(20):
        corners = cloth.reset(seed=seed)[0][:12].reshape(4, 3)
        shifts.append(corners.mean(axis=0)[[0, 2]])
        along = corners[2] - corners[0]
        turns.append(np.rad2deg(np.arctan2(along[2], along[0])))
    assert 0.010 < np.abs(shifts).max() <= 0.0151
    assert 5 < np.max(turns) <= 8.1 and 5 < -np.min(turns) <= 8.1


def test_the_reward_is_what_keeps_the_halves_from_lying_on_one_another(
    cloth: FoldClothHalf,
) -> None:
    def grid() -> np.ndarray:
        return cloth.point_cloud()[:169, :3].reshape(13, 13, 3)

    cloth.reset(seed=2)
    start = grid()
    unfolded = np.linalg.norm(start[:, :6] - start[:, :6:-1], axis=-1).mean()
    for _ in range(6):
        _, reward, _, _, info = cloth.step(fold_in_half(cloth.state()))
    now = grid()
    group = np.linalg.norm(now[:, :6] - now[:, :6:-1], axis=-1).mean()
    fixation = np.linalg.norm(now[:, :6:-1] - start[:, :6:-1], axis=-1).mean()
    assert info["group_distance"] == pytest.approx(group, abs=1e-6)
    assert info["fixation_distance"] == pytest.approx(fixation, abs=1e-6)
    assert reward == pytest.approx(-(group + 1.2 * fixation), abs=1e-6)
    normalized = 1 + reward / unfolded
    assert info["normalized_performance"] == pytest.approx(normalized, abs=1e-5)
    assert 0.1 < normalized < 0.8 and not info["success"]


def test_the_script_folds_it_in_half_and_lets_go(cloth: FoldClothHalf) -> None:
    for seed in range(2):
        info = fold(cloth, seed)
        assert info["normalized_performance"] > 0.87 and info["success"]
        assert cloth.pickers.held == [None, None]
        corners = cloth.state()[:12].reshape(4, 3)
        np.testing.assert_allclose(corners[:2, [0, 2]], corners[2:, [0, 2]], atol=0.025)


def test_pulling_all_of_the_cloth_away_is_worth_less_than_nothing(cloth: FoldClothHalf) -> None:
    cloth.reset(seed=0)
    for _ in range(2):
        cloth.step(fold_in_half(cloth.state()))
    assert None not in cloth.pickers.held
    left = np.tile([-0.5, 0.0, 0.0, 1.0], 2)
    for _ in range(4):
        *_, info = cloth.step(left)
    assert info["normalized_performance"] < 0 and not info["success"]


def test_a_picker_holds_no_vertex_that_is_farther_than_three_centimetres(
    cloth: FoldClothHalf,
) -> None:
    cloth.reset(seed=0)
    corner = cloth.vertices()[0]
    for height, held in ((0.029, 0), (0.034, None)):
        cloth.reset(seed=0)
        cloth.pickers.begin(corner + np.array([[0.0, 0.0, height], [0.0, 0.0, 0.15]]))
        cloth.step(np.tile([0.0, 0.0, 0.0, 1.0], 2))
        assert cloth.pickers.held == [held, None]


def test_a_seed_decides_all_of_an_episode(cloth: FoldClothHalf) -> None:
    """Bit for bit, whatever was held in episodes before."""
    fold(cloth, 9, 5)
    again = FoldClothHalf()
    np.testing.assert_array_equal(cloth.reset(seed=4)[0], again.reset(seed=4)[0])
    for _ in range(6):
        action = fold_in_half(again.state())
        one, other = cloth.step(action), again.step(action)
        np.testing.assert_array_equal(one[0], other[0])
        assert one[1] == other[1]
    assert np.any(cloth.reset(seed=5)[0] != again.reset(seed=4)[0])


def test_pictures_show_less_red_once_it_is_folded(cloth: FoldClothHalf) -> None:
    cloth.reset(seed=0)
    flat = cloth.render()
    fold(cloth, 0)
    halved = cloth.render()
    assert flat is not None and halved is not None
    red = [(p[..., 0].astype(int) > p[..., 1].astype(int) + 40) for p in (flat, halved)]
    assert 0.2 < red[0].mean() < 0.5
    assert red[1].sum() == pytest.approx(red[0].sum() / 2, rel=0.2)
    assert np.nonzero(red[1])[1].mean() > 125  # on the right


def test_pickers_are_hidden_unless_they_are_asked_for(cloth: FoldClothHalf) -> None:
    cloth.reset(seed=0)
    shown = FoldClothHalf(render_mode="rgb_array", hide_picker=False)
    shown.reset(seed=0)
    pictures = [cloth.render(), shown.render()]
    shown.close()
    hidden, dark = ((p.max(axis=-1) < 80).sum() for p in pictures if p is not None)
    assert hidden == 0 and dark > 100


def test_every_kind_of_observation_is_one_of_its_space() -> None:
    for kind, shape in (
        ("state", (18,)),
        ("image", (48, 48, 3)),
        ("point_cloud", (171, 5)),
        ("flat_point_cloud", (855,)),
    ):
        env = FoldClothHalf(obs_mode=kind, size=48)
        observation, _ = env.reset(seed=0)
        assert observation.shape == shape and env.observation_space.contains(observation)
        env.close()


def test_a_failed_simulation_is_worth_what_a_flat_cloth_is(cloth: FoldClothHalf) -> None:
    _, info = cloth.reset(seed=0)
    cloth.data.qvel[:] = 1e12
    _, reward, _, truncated, after = cloth.step(np.zeros(8, np.float32))
    assert after["sim_error"] and truncated and reward == info["performance"]


def test_the_registered_id_is_cut_after_a_hundred_steps() -> None:
    env = gym.make(TASKS["fold-cloth-half"].env_id)
    assert env.spec is not None and env.spec.max_episode_steps == 100


@pytest.mark.slow
def test_random_episodes_and_cloth_dragged_about_break_no_simulation(
    cloth: FoldClothHalf,
) -> None:
    for seed in range(6):
        cloth.reset(seed=seed)
        rng = np.random.default_rng(seed)
        for k in range(60):
            dragged = np.append(rng.choice([-1.0, 1.0], 3), 1.0)
            action = rng.uniform(-1, 1, 8) if seed % 2 else np.tile(dragged, 2)
            if k < 3 and not seed % 2:
                action = fold_in_half(cloth.state())
            *_, info = cloth.step(action)
            assert not info["sim_error"]
        assert not info["success"]
