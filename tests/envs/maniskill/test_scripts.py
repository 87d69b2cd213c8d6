"""The arithmetic of scripts, on states made by hand; none of this needs ManiSkill."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vlfeedback_envs.maniskill.scripts import SCRIPTS

DOWN = (0.0, 1.0, 0.0, 0.0)  # w x y z of a gripper that points down, its fingers along y
PLAIN = (1.0, 0.0, 0.0, 0.0)
OPEN, ON_A_CUBE = (0.04, 0.04), (0.02, 0.02)


def pose(*place: float, turned: tuple[float, ...] = PLAIN) -> NDArray[np.float32]:
    return np.array([*place, *turned], dtype=np.float32)


def state(gripper: tuple[float, ...], fingers: tuple[float, ...], **things: Any) -> Any:
    named = {
        "qpos": np.array([*np.zeros(7), *fingers], dtype=np.float32),
        "tcp_pose": pose(*gripper, turned=DOWN),
    }
    return named | {name: np.asarray(value, dtype=np.float32) for name, value in things.items()}


def picking(gripper: tuple[float, ...], grasped: float = 0.0, fingers: Any = OPEN) -> Any:
    cube, goal = pose(0.0, 0.0, 0.02), (0.05, 0.0, 0.2)
    return state(gripper, fingers, obj_pose=cube, goal_pos=goal, is_grasped=grasped)


def test_an_action_asks_for_the_whole_way_and_for_no_more_than_ten_centimetres() -> None:
    near = SCRIPTS["pick-cube"](picking((0.0, 0.0, 0.06)))
    np.testing.assert_allclose(near[:3], [0.0, 0.0, -0.4], atol=1e-6)  # 4 cm, of 10
    far = SCRIPTS["pick-cube"](picking((0.0, 0.0, 0.5)))
    np.testing.assert_allclose(far[:3], [0.0, 0.0, -1.0], atol=1e-6)


def test_beside_a_thing_the_gripper_stays_above_it() -> None:
    action = SCRIPTS["pick-cube"](picking((-0.05, 0.0, 0.02)))
    assert action[0] > 0 and action[2] > 0 and action[6] == 1.0


def test_fingers_close_at_the_cube_and_carry_it_to_the_goal() -> None:
    assert SCRIPTS["pick-cube"](picking((0.0, 0.0, 0.021)))[6] == -1.0
    carried = SCRIPTS["pick-cube"](picking((0.0, 0.0, 0.02), grasped=1.0, fingers=ON_A_CUBE))
    way = np.array([0.05, 0.0, 0.18])
    np.testing.assert_allclose(carried[:3], way / np.linalg.norm(way), atol=1e-6)
    assert carried[6] == -1.0
    placed = picking((0.05, 0.0, 0.2), grasped=1.0, fingers=ON_A_CUBE)
    placed["obj_pose"][:3] = placed["goal_pos"]
    np.testing.assert_allclose(SCRIPTS["pick-cube"](placed)[:6], 0.0, atol=1e-6)


@pytest.mark.parametrize("degrees", [20.0, -20.0, 70.0])
def test_fingers_turn_by_the_shorter_way_to_the_sides_of_a_cube(degrees: float) -> None:
    half = np.deg2rad(degrees) / 2
    turned = picking((0.0, 0.0, 0.2))
    turned["obj_pose"][3:] = np.cos(half), 0.0, 0.0, np.sin(half)
    # 70 degrees are 20 the other way round; a positive entry turns to the right.
    assert np.sign(SCRIPTS["pick-cube"](turned)[5]) == (-1 if degrees == 20.0 else 1)


@pytest.mark.parametrize(("task", "sign"), [("push-cube", 1.0), ("pull-cube", -1.0)])
def test_a_cube_is_shoved_from_its_far_side_towards_the_target(task: str, sign: float) -> None:
    things = {"obj_pose": pose(0.0, 0.0, 0.02), "goal_pos": (0.2 * sign, 0.0, 0.001)}
    behind = SCRIPTS[task](state((-0.06 * sign, 0.0, 0.02), (0.0, 0.0), **things))
    assert np.sign(behind[0]) == sign and behind[6] == -1.0
    on_the_wrong_side = SCRIPTS[task](state((0.06 * sign, 0.0, 0.02), (0.0, 0.0), **things))
    assert np.sign(on_the_wrong_side[0]) == -sign and on_the_wrong_side[2] > 0  # over it


def test_the_red_cube_is_let_go_on_the_green_one_and_not_before() -> None:
    def stacking(height: float, fingers: tuple[float, ...] = ON_A_CUBE) -> Any:
        red, green = pose(0.0, 0.0, height), pose(0.0, 0.0, 0.02)
        return state((0.0, 0.0, height), fingers, cubeA_pose=red, cubeB_pose=green)

    above = SCRIPTS["stack-cube"](stacking(0.1))
    assert above[6] == -1.0 and above[2] < 0
    assert SCRIPTS["stack-cube"](stacking(0.06))[6] == 1.0
    assert SCRIPTS["stack-cube"](stacking(0.06, OPEN))[2] == 1.0  # up and away


def test_a_ball_is_lowered_into_the_bin_and_let_go_there() -> None:
    def placing(x: float, height: float) -> Any:
        ball, bin_pos = pose(x, 0.0, height), (0.05, 0.0, 0.0025)
        hold = {"obj_pose": ball, "bin_pos": bin_pos, "is_grasped": 1.0}
        return state((x, 0.0, height), ON_A_CUBE, **hold)

    first_up = SCRIPTS["place-sphere"](placing(-0.08, 0.02))
    assert first_up[2] > first_up[0] > 0 and first_up[6] == -1.0
    assert SCRIPTS["place-sphere"](placing(0.05, 0.1))[2] < 0
    assert SCRIPTS["place-sphere"](placing(0.05, 0.025))[6] == 1.0


def test_a_peg_in_hand_goes_in_line_with_the_cube_before_it_pushes() -> None:
    def poking(y: float) -> Any:
        peg, cube = pose(0.0, y, 0.03), pose(0.19, 0.05, 0.02)
        hold = {"peg_pose": peg, "cube_pose": cube, "cube_to_goal_pos": (0.1, 0.0, 0.0)}
        return state((-0.08, y, 0.03), (0.025, 0.025), **hold)

    aside, in_line = SCRIPTS["poke-cube"](poking(0.0)), SCRIPTS["poke-cube"](poking(0.05))
    assert aside[1] > aside[0] > 0 and in_line[0] > 0.5 and abs(in_line[1]) < 1e-6


def test_a_peg_is_held_lightly_while_it_is_stood_up_and_let_go_once_it_stands() -> None:
    lying = state((0.07, 0.0, 0.025), (0.025, 0.025), obj_pose=pose(0.0, 0.0, 0.025))
    lift = SCRIPTS["lift-peg-upright"](lying)
    assert lift[2] > 0 and lift[0] < 0 and 0.0 < lift[6] < 0.5
    half = np.sqrt(0.5)
    upright = pose(0.0, 0.0, 0.12, turned=(half, 0.0, -half, 0.0))
    standing = SCRIPTS["lift-peg-upright"](
        state((0.0, 0.0, 0.19), (0.025, 0.025), obj_pose=upright)
    )
    np.testing.assert_allclose(standing, [0, 0, 0, 0, 0, 0, 1.0], atol=1e-6)


def test_a_ball_is_thrown_along_the_axes_of_a_base_that_faces_the_other_way() -> None:
    def rolling(y: float, fingers: tuple[float, ...]) -> Any:
        ball = pose(0.0, y, 0.035)
        hold = {"ball_pose": ball, "goal_pos": (0.0, -0.8, 0.001), "ball_vel": np.zeros(3)}
        return state((0.0, y, 0.035), fingers, **hold)

    swing = SCRIPTS["roll-ball"](rolling(0.6, (0.035, 0.035)))
    np.testing.assert_allclose(swing[:3], [1.0, 0.0, 0.0], atol=1e-6)  # ahead of it is -y
    assert swing[6] == -1.0
    assert SCRIPTS["roll-ball"](rolling(0.4, (0.035, 0.035)))[6] == 1.0


@pytest.mark.parametrize("task", SCRIPTS)
def test_actions_of_scripts_are_those_of_the_action_space(task: str) -> None:
    rng = np.random.default_rng(0)
    names = ("obj_pose", "cubeA_pose", "cubeB_pose", "cube_pose", "peg_pose", "ball_pose")
    for _ in range(50):
        things: dict[str, Any] = {name: pose(*rng.uniform(-0.2, 0.2, 3)) for name in names}
        for name in ("goal_pos", "bin_pos", "cube_to_goal_pos", "ball_vel"):
            things[name] = rng.uniform(-0.5, 0.5, 3)
        things["is_grasped"] = rng.integers(2)
        action = SCRIPTS[task](state(tuple(rng.uniform(-0.3, 0.3, 3)), OPEN, **things))
        assert action.shape == (7,) and action.dtype == np.float32
        assert np.abs(action).max() <= 1.0 + 1e-6
