"""Scripts that do tasks of ManiSkill, from states by name: pure arithmetic, without memory.

Actions are those of ``control_mode="pd_ee_delta_pose"``. There the gripper is told where to go from
where it is, and covers about 40 % of that in a step: so the whole way to a place is asked for
at every step, cut to what an action may be, and the gripper comes to rest there.

ManiSkill's own experts plan with mplib 0.1.1, which crashes with NumPy 2; none of them is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float, Float32, Float64
from numpy.typing import NDArray

__all__ = ["SCRIPTS", "Script", "State"]

State = Mapping[str, NDArray[np.float32]]
"""`ManiSkillView.named`."""

Script = Callable[[State], Float32[np.ndarray, "7"]]

_REACH = 0.1  # m that an action of 1 asks for
_TURN = 0.1  # rad that an action of -1 asks for
_OPEN, _CLOSED = 1.0, -1.0
_SLOPE = 3.0  # height above a place, for each metre that is left beside it
_CUBE = 0.02  # m, half a cube
_HIGH = 0.1  # m above things, at most
_PEG = 0.12  # m, half a peg
_GRIP = 0.075  # m from a peg's middle to where it is held to be stood up
_UPRIGHT = 1.48  # rad, from where on a peg that is let go falls onto its foot
_RELEASE = 0.46  # m, y of the place where the ball is let go; the robot's base is at 1
_NEAR = -0.14  # m, x of a foot that is too near to the arm's base to be stood upon
_FIRM = -0.5  # fingers 5 mm apart
_LIGHT = 0.3  # fingers 4.5 cm apart, which press a peg of 5 cm but little: it turns between them
_DOWN = np.array([0.0, 0.0, -1.0])


def _toward(
    state: State,
    place: Float[np.ndarray, "3"],
    grip: float,
    turn: Float[np.ndarray, "3"] | None = None,
) -> Float32[np.ndarray, "7"]:
    """An action that brings the gripper to a place, m, and turns it by a rotation vector, rad."""
    step = (np.asarray(place, dtype=np.float64) - state["tcp_pose"][:3]) / _REACH
    rotation = -(np.zeros(3) if turn is None else turn) / _TURN
    return np.array([*_shortened(step), *_shortened(rotation), grip], dtype=np.float32)


def _shortened(vector: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "3"]:
    return vector / max(1.0, float(np.linalg.norm(vector)))


def _axes(quaternion: Float[np.ndarray, "4"]) -> Float64[np.ndarray, "3 3"]:
    """The rotation matrix of a unit quaternion w x y z: its columns are the axes of a thing."""
    w, x, y, z = np.asarray(quaternion, dtype=np.float64)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _upright_turn(
    state: State, heading: float | None = None, period: float = np.pi / 2
) -> Float64[np.ndarray, "3"]:
    """The rotation vector that has the gripper point down, its fingers closing along `heading`.

    Args:
        state: whose ``tcp_pose`` is read.
        heading: angle of a horizontal axis, rad; None: as the fingers are.
        period: headings that are so far apart will do alike, rad.
    """
    axes = _axes(state["tcp_pose"][3:])
    turn = np.cross(axes[:, 2], _DOWN)
    if heading is not None:
        own = float(np.arctan2(axes[1, 1], axes[0, 1]))
        turn[2] += (heading - own + period / 2) % period - period / 2
    return turn


def _heading(pose: Float[np.ndarray, "7"]) -> float:
    """The angle of a thing's own x axis about the vertical, rad."""
    return float(np.arctan2(*_axes(pose[3:])[[1, 0], 0]))


def _funnel(
    state: State, place: Float[np.ndarray, "3"], high: float = _HIGH
) -> NDArray[np.float64]:
    """The place, but higher by how far the gripper is beside it: it comes down from above."""
    beside = float(np.linalg.norm(state["tcp_pose"][:2] - place[:2]))
    rise = np.clip(_SLOPE * (beside - 0.01), 0.0, high)
    x, y, z = place
    return np.array([x, y, z + rise], dtype=np.float64)


def _grasp(
    state: State,
    place: Float[np.ndarray, "3"],
    heading: float | None,
    period: float = np.pi,
    near: float = 0.015,
) -> Float32[np.ndarray, "7"]:
    """Come down upon a place, the fingers to close along `heading`, and close them there."""
    turn = _upright_turn(state, heading, period)
    at_it = float(np.linalg.norm(state["tcp_pose"][:3] - place)) < near
    aligned = float(np.linalg.norm(turn)) < 0.15
    if at_it and aligned:
        return _toward(state, place, _CLOSED, turn)
    target = _funnel(state, place)
    if not aligned:
        target[2] = max(target[2], place[2] + 0.07)
    return _toward(state, target, _OPEN, turn)


def _width(state: State) -> float:
    """Between the fingers, m."""
    return float(state["qpos"][-2:].sum())


def pick_cube(state: State) -> Float32[np.ndarray, "7"]:
    """Grasp the cube and bring it to the goal."""
    cube, goal, tcp = state["obj_pose"][:3], state["goal_pos"], state["tcp_pose"][:3]
    if state["is_grasped"] > 0.5:
        return _toward(state, tcp + goal - cube, _CLOSED)
    return _grasp(state, cube, _heading(state["obj_pose"]), np.pi / 2)


def push_cube(state: State) -> Float32[np.ndarray, "7"]:
    """Come down before the cube and push it away from the robot, to the middle of the target."""
    return _shove(state, 1.0)


def pull_cube(state: State) -> Float32[np.ndarray, "7"]:
    """Come down behind the cube and drag it towards the robot, to the middle of the target."""
    return _shove(state, -1.0)


def _shove(state: State, sign: float) -> Float32[np.ndarray, "7"]:
    cube, goal, tcp = state["obj_pose"][:3], state["goal_pos"], state["tcp_pose"][:3]
    turn = _upright_turn(state, np.pi / 2)
    start = np.array([cube[0] - sign * 0.07, cube[1], _CUBE])
    before = sign * (cube[0] - tcp[0])  # m that the gripper has before it
    in_line = abs(float(tcp[1] - cube[1])) < 0.012 and before > 0.0
    if in_line and tcp[2] < 0.04:
        left = sign * float(goal[0] - cube[0])
        place = np.array([tcp[0] + sign * left, cube[1], _CUBE])
        return _toward(state, place, _CLOSED, turn)
    return _toward(state, _funnel(state, start), _CLOSED, turn)


def stack_cube(state: State) -> Float32[np.ndarray, "7"]:
    """Grasp the red cube, bring it over the green one, and let it go there."""
    red, green, tcp = state["cubeA_pose"][:3], state["cubeB_pose"][:3], state["tcp_pose"][:3]
    place = green + np.array([0.0, 0.0, 2 * _CUBE])
    beside = float(np.linalg.norm((red - place)[:2]))
    above = float(red[2] - place[2])
    is_open = _width(state) > 0.05
    if abs(above) < 0.004 and beside < (0.02 if is_open else 0.008):
        return _toward(state, tcp + np.array([0.0, 0.0, 0.1 if is_open else 0.0]), _OPEN)
    if float(np.linalg.norm(red - tcp)) < 0.025 and not is_open:
        return _carry(state, red, place)
    return _grasp(state, red, _heading(state["cubeA_pose"]), np.pi / 2)


def _carry(
    state: State, thing: Float[np.ndarray, "3"], place: Float[np.ndarray, "3"], high: float = 0.06
) -> Float32[np.ndarray, "7"]:
    """Bring what is held to a place, from above."""
    tcp = state["tcp_pose"][:3]
    beside = float(np.linalg.norm((thing - place)[:2]))
    target = np.array(place, dtype=np.float64)
    target[2] += np.clip(_SLOPE * (beside - 0.005), 0.0, high)
    move = target - thing
    if move[2] > 0.02:  # up first
        move[:2] *= 0.2
    return _toward(state, tcp + move, _CLOSED, _upright_turn(state))


def place_sphere(state: State) -> Float32[np.ndarray, "7"]:
    """Grasp the ball, lower it into the bin, let it go and stay out of its way."""
    ball, tcp = state["obj_pose"][:3], state["tcp_pose"][:3]
    # Half the bin's bottom, and the ball's radius.
    place = state["bin_pos"] + np.array([0.0, 0.0, 0.0225])
    beside = float(np.linalg.norm((ball - place)[:2]))
    is_open = _width(state) > 0.05
    if beside < 0.006 and abs(float(ball[2] - place[2])) < 0.006:
        return _toward(state, tcp + np.array([0.0, 0.0, 0.1 if is_open else 0.0]), _OPEN)
    if state["is_grasped"] > 0.5:
        return _carry(state, ball, place)
    return _grasp(state, ball, None)


def poke_cube(state: State) -> Float32[np.ndarray, "7"]:
    """Grasp the peg's near end, bring its head before the cube, and push the cube to the target."""
    cube, peg, tcp = state["cube_pose"][:3], state["peg_pose"], state["tcp_pose"][:3]
    # A grasp in its middle is out of the arm's reach where the cube is to go.
    near_end = peg[:3] - 0.08 * _axes(peg[3:])[:, 0]
    held = float(np.linalg.norm(near_end - tcp)) < 0.04 and _width(state) < 0.056
    if not held:
        return _grasp(state, near_end, _heading(peg) + np.pi / 2)
    turn = _upright_turn(state, np.pi / 2)
    turn[2] = -_heading(peg)
    aside = float(cube[1] - peg[1])
    head = float(cube[0] - peg[0]) - _PEG - _CUBE  # m from the peg's head to the cube
    ahead = (
        head - 0.02
        if abs(aside) > 0.01 and head > 0.005
        else head + float(state["cube_to_goal_pos"][0])
    )
    return _toward(state, tcp + np.array([min(ahead, 0.06), aside, 0.03 - peg[2]]), _CLOSED, turn)


def lift_peg_upright(state: State) -> Float32[np.ndarray, "7"]:
    """Hold the peg's far end lightly and bring it up over the near end, about which it turns.

    One that lies too near to the robot is pushed away first.
    """
    peg, tcp = state["obj_pose"], state["tcp_pose"][:3]
    along = _axes(peg[3:])[:, 0]
    if along[2] < -0.1 or (along[2] < 0.1 and along[0] < 0.0):
        along = -along  # ahead while it lies, up once it stands
    grip, foot = peg[:3] + _GRIP * along, peg[:3] - _PEG * along
    angle = float(np.arcsin(np.clip(along[2], 0.0, 1.0)))
    if angle > _UPRIGHT:
        return _toward(state, tcp, _OPEN)
    held = float(np.linalg.norm(grip - tcp)) < 0.05 and _width(state) < 0.056
    if not held:
        return _grasp(state, grip, np.pi / 2)
    if angle < 0.15 and foot[0] < _NEAR:
        turn = _upright_turn(state, np.pi / 2, np.pi)
        return _toward(state, tcp + np.array([0.1, 0.0, 0.0]), _FIRM, turn)
    left = np.pi / 2 - angle
    angle = min(angle + 0.4, np.pi / 2)
    length = _PEG + _GRIP
    height = 0.025 * np.cos(angle) + length * np.sin(angle)
    place = np.array([foot[0] + length * np.cos(angle), foot[1], height])
    return _toward(state, place, _LIGHT, np.array([0.0, -left, 0.0]))


def roll_ball(state: State) -> Float32[np.ndarray, "7"]:
    """Grasp the ball, swing it towards the target, and let it go while it moves."""
    ball, goal, tcp = state["ball_pose"][:3], state["goal_pos"], state["tcp_pose"][:3]
    way = (goal - ball)[:2]
    way = way / max(float(np.linalg.norm(way)), 1e-9)
    turn = _upright_turn(state, float(np.arctan2(way[1], way[0])) + np.pi / 2)
    held = float(np.linalg.norm(ball - tcp)) < 0.03 and _width(state) < 0.0705
    if ball[1] < _RELEASE:  # on ahead while the fingers open, then up
        rise = 0.0 if held else 0.05
        return _of_turned_base(_toward(state, tcp + np.array([*(0.1 * way), rise]), _OPEN))
    if held:
        side = np.array([-way[1], way[0]])
        drift = 0.1 * float(state["ball_vel"][:2] @ side)
        move = 0.1 * way - drift * side
        return _of_turned_base(_toward(state, tcp + np.array([*move, 0.0]), _CLOSED, turn))
    heading = float(np.arctan2(way[1], way[0])) + np.pi / 2
    return _of_turned_base(_grasp(state, ball, heading, near=0.006))


def _of_turned_base(action: Float32[np.ndarray, "7"]) -> Float32[np.ndarray, "7"]:
    """The same along the axes of a base that is turned by a quarter to the right."""
    turned = action.copy()
    for x in (0, 3):
        turned[x : x + 2] = -action[x + 1], action[x]
    return turned


SCRIPTS: Mapping[str, Script] = {
    "pick-cube": pick_cube,
    "push-cube": push_cube,
    "pull-cube": pull_cube,
    "stack-cube": stack_cube,
    "lift-peg-upright": lift_peg_upright,
    "place-sphere": place_sphere,
    "poke-cube": poke_cube,
    "roll-ball": roll_ball,
}
"""By task."""
