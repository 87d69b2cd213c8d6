"""CartPoleBalance: the equations by hand, the original's returns, and what is to be seen."""

import math
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env

from vlfeedback.errors import RenderError
from vlfeedback.tasks import TASKS
from vlfeedback_envs.cartpole import CartPoleBalance, draw_pole

ENV_ID = TASKS["cart-pole-balance"].env_id
WHITE, BLACK, BROWN, BLUE = (255, 255, 255), (0, 0, 0), (202, 152, 101), (129, 132, 203)


def start(env: CartPoleBalance, x: float, x_dot: float, degrees: float, angle_dot: float) -> None:
    env.reset(seed=0)
    env._state = (x, x_dot, math.radians(degrees), angle_dot)


def push(env: gym.Env[Any, Any], action: float) -> tuple[np.ndarray, float, bool, bool, Any]:
    observation, reward, terminated, truncated, info = env.step(
        np.array([action], dtype=np.float32)
    )
    return observation, float(reward), terminated, truncated, info


# Physics ----------------------------------------------------------------------------------------


def test_a_push_of_an_upright_pole_gives_the_accelerations_of_the_equations() -> None:
    """10 N on 1.1 kg: at angle 0, angular -(10/1.1)/(0.5 (4/3 - 0.1/1.1)), cart follows."""
    env = CartPoleBalance()
    start(env, 0.0, 0.0, 0.0, 0.0)
    observation, *_ = push(env, 1.0)
    angular = -(10 / 1.1) / (0.5 * (4 / 3 - 0.1 / 1.1))
    linear = 10 / 1.1 - 0.05 * angular / 1.1
    np.testing.assert_allclose(observation, [0, 0.02 * linear, 0, 0.02 * angular], rtol=1e-6)


def test_a_leaning_turning_pole_moves_by_the_equations() -> None:
    env = CartPoleBalance()
    start(env, 0.3, -0.4, 20.0, 1.5)
    observation, reward, *_ = push(env, -0.25)
    angle = math.radians(20)
    inner = (-2.5 + 0.1 * 0.5 * 1.5**2 * math.sin(angle)) / 1.1
    angular = (9.8 * math.sin(angle) - math.cos(angle) * inner) / (
        0.5 * (4 / 3 - 0.1 * math.cos(angle) ** 2 / 1.1)
    )
    linear = inner - 0.1 * 0.5 * angular * math.cos(angle) / 1.1
    expected = [0.3 - 0.02 * 0.4, -0.4 + 0.02 * linear, angle + 0.02 * 1.5, 1.5 + 0.02 * angular]
    np.testing.assert_allclose(observation, expected, rtol=1e-6)
    assert reward == pytest.approx(-math.degrees(angle + 0.03))


def test_a_limit_holds_position_and_angle_but_no_velocity() -> None:
    env = CartPoleBalance()
    start(env, 1.91, 3.0, 29.9, 4.0)
    observation, reward, *_ = push(env, 0.0)
    assert observation[0] == np.float32(1.92) and observation[2] == np.float32(math.radians(30))
    assert observation[1] == pytest.approx(3.0, abs=0.1) and observation[3] > 4.0
    assert reward == pytest.approx(-30)
    start(env, -1.91, -3.0, -29.9, -4.0)
    observation, *_ = push(env, 0.0)
    assert observation[0] == np.float32(-1.92) and observation[2] == -np.float32(math.radians(30))


def test_success_is_an_angle_below_five_degrees_after_the_step() -> None:
    env = CartPoleBalance()
    for degrees, expected in ((4.9, True), (5.1, False), (-4.9, True), (-5.1, False)):
        start(env, 0.0, 0.0, degrees, 0.0)
        _, reward, *_, info = push(env, 0.0)
        assert reward == pytest.approx(-abs(degrees))
        assert info == {"success": expected}


def test_larger_actions_are_clipped() -> None:
    env = CartPoleBalance()
    for large, largest in ((7.0, 1.0), (-7.0, -1.0)):
        after = []
        for action in (large, largest):
            start(env, 0.0, 0.0, 3.0, 0.0)
            after.append(push(env, action)[0])
        np.testing.assert_array_equal(after[0], after[1])


Choose = Callable[[np.ndarray, np.random.Generator], float]


@pytest.mark.parametrize(
    ("choose", "mean", "spread"),
    [
        (lambda o, rng: 0.0, -1835, 120),
        (lambda o, rng: rng.uniform(-1, 1), -2211, 170),
        (lambda o, rng: 1.0, -2740, 15),
        (lambda o, rng: 10 * o[2] + o[3] + 0.1 * o[1], -16, 6),
    ],
    ids=["nothing", "anything", "constant push", "controller"],
)
def test_returns_are_those_of_the_original(choose: Choose, mean: float, spread: float) -> None:
    """Over 50 episodes; the deviation of one is about 350, 350, 20 and 6."""
    env = CartPoleBalance()
    returns = []
    for seed in range(50):
        rng = np.random.default_rng(seed)
        observation, _ = env.reset(seed=seed)
        total = 0.0
        for _ in range(100):
            observation, reward, *_ = push(env, choose(observation, rng))
            total += reward
        returns.append(total)
    assert np.mean(returns) == pytest.approx(mean, abs=spread)


# The environment ---------------------------------------------------------------------------------


def test_a_start_is_close_to_upright_and_belongs_to_its_seed() -> None:
    env = CartPoleBalance()
    starts = np.stack([env.reset(seed=seed)[0] for seed in range(200)])
    assert starts.dtype == np.float32 and starts.shape == (200, 4)
    assert np.all(np.abs(starts) <= 0.05) and np.all(starts.max(0) > 0.045)
    assert np.all(starts.min(0) < -0.045)
    np.testing.assert_array_equal(env.reset(seed=7)[0], starts[7])
    assert np.any(env.reset()[0] != starts[7])


def test_the_registered_id_is_cut_after_a_hundred_steps_and_never_ends_by_itself() -> None:
    env = gym.make(ENV_ID)
    env.reset(seed=0)
    steps = [push(env, 1.0) for _ in range(100)]
    assert [step[2:4] for step in steps] == [(False, False)] * 99 + [(False, True)]
    assert steps[-1][1] == pytest.approx(-30)
    assert all(step[0] in env.observation_space for step in steps)


def test_gymnasiums_own_checker_finds_nothing() -> None:
    env = gym.make(ENV_ID, render_mode="rgb_array")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)


def test_an_environment_is_rebuilt_from_its_json() -> None:
    env = gym.make(ENV_ID, render_mode="rgb_array", size=32)
    assert env.spec is not None
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    env.reset(seed=3), again.reset(seed=3)
    np.testing.assert_array_equal(push(env, 0.5)[0], push(again, 0.5)[0])
    picture: Any = env.render()
    assert picture.shape == (32, 32, 3)
    np.testing.assert_array_equal(picture, again.render())


def test_the_ids_of_every_source_exist_for_it() -> None:
    import vlfeedback

    assert {f"{s}Reward-CartPoleBalance-v0" for s in ("Env", "CLIP", "VLP")} <= set(gym.registry)
    env = gym.make("EnvReward-CartPoleBalance-v0", render_mode=None)
    env.reset(seed=0)
    _, reward, *_, info = push(env, 0.0)
    assert reward == pytest.approx(info["env_reward"]) and -3 < reward < 0
    assert "cart-pole-balance" in vlfeedback.list_tasks()


def test_neither_making_nor_drawing_imports_another_simulator() -> None:
    code = (
        f"import sys, gymnasium; env = gymnasium.make({ENV_ID!r}, render_mode='rgb_array'); "
        "env.reset(seed=0); env.render(); "
        "print({'mujoco', 'metaworld', 'torch', 'pygame', 'PIL'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# Pictures ----------------------------------------------------------------------------------------


def pixel(picture: np.ndarray, right: float, up: float) -> tuple[int, ...]:
    """The colour at so many pixels from the lower left corner, as the original counts."""
    return tuple(picture[199 - int(up), int(right)].tolist())


def test_an_upright_pole_stands_where_the_original_draws_it() -> None:
    picture = draw_pole(0.0)
    assert picture.shape == (200, 200, 3) and picture.dtype == np.uint8
    assert {pixel(picture, 100, up) for up in (60, 100, 166)} == {BROWN}  # 47.5 + 120 is its top
    assert pixel(picture, 100, 169) == WHITE
    assert pixel(picture, 96, 100) == pixel(picture, 103, 100) == BROWN  # ten pixels wide
    assert pixel(picture, 93, 100) == pixel(picture, 106, 100) == WHITE
    corners = [(75, 25), (124, 25), (75, 54), (124, 54)]
    assert {pixel(picture, *corner) for corner in corners} == {BLACK}
    assert pixel(picture, 74, 30) == pixel(picture, 125, 30) == pixel(picture, 80, 56) == WHITE
    assert pixel(picture, 100, 47) == BLUE
    assert pixel(picture, 5, 40) == BLACK and pixel(picture, 5, 42) == WHITE  # the track


@pytest.mark.parametrize("degrees", [-30.0, -12.0, 12.0, 30.0])
def test_a_positive_angle_leans_to_the_right_by_as_much(degrees: float) -> None:
    picture = draw_pole(math.radians(degrees))
    sin, cos = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    for along, colour in ((20, BROWN), (60, BROWN), (117, BROWN), (124, WHITE)):
        assert pixel(picture, 100 + along * sin, 47.5 + along * cos) == colour
    np.testing.assert_allclose(
        picture.astype(int), draw_pole(-math.radians(degrees))[:, ::-1].astype(int), atol=1
    )


def test_nothing_of_the_pole_is_cut_off_at_its_bounding_box() -> None:
    """What differs from the scene without a pole adds up to the pole's area above the cart."""
    for angle in np.linspace(-math.pi / 6, math.pi / 6, 13):
        above = draw_pole(float(angle))[:145]  # rows above the cart, whose top is at 55
        covered = (255.0 - above[..., 2]).sum() / (255 - BROWN[2])
        visible = 10 * (120 - 7.5 / math.cos(angle))  # ten wide, 7.5 from the axle to the top
        assert covered == pytest.approx(visible, rel=0.02)


def test_another_size_shows_the_same_scene() -> None:
    large, small = draw_pole(0.3), draw_pole(0.3, 100)
    mean = large.reshape(100, 2, 100, 2, 3).mean(axis=(1, 3))
    assert np.abs(mean - small).mean() < 0.5


def test_the_view_follows_the_cart() -> None:
    env = CartPoleBalance(render_mode="rgb_array")
    start(env, -1.0, 0.0, 4.0, 0.0)
    one = env.render()
    start(env, 1.5, 2.0, 4.0, -1.0)
    assert one is not None
    np.testing.assert_array_equal(env.render(), one)


def test_without_a_render_mode_there_is_no_picture() -> None:
    env = CartPoleBalance()
    env.reset(seed=0)
    assert env.render() is None


def test_other_render_modes_are_refused() -> None:
    with pytest.raises(RenderError, match="render_mode='human'; this view renders 'rgb_array'"):
        CartPoleBalance(render_mode="human")
