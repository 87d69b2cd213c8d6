"""Scattered scenes: the arm and the objects of a task put anywhere, pictured, and measured.

They teach an encoder to read positions off a picture. Episodes alone show the arm and the objects
of a task on the few paths that lead to its goal; a door that starts shut is never seen ajar.
Nothing is acted out here: scenes follow each other at random and have no reward.
"""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from jaxtyping import Float

from vlfeedback.errors import InvalidValueError
from vlfeedback.types import SCATTERED, ArrayFrames, Trajectory
from vlfeedback_envs.metaworld import MetaWorldView
from vlfeedback_envs.scripted import shrink_pictures

__all__ = ["scatter_scenes"]

_HAND_LOW, _HAND_HIGH = np.array([-0.45, 0.38, 0.05]), np.array([0.45, 0.98, 0.45])  # m
_NEAR = 0.07  # m, deviation of a hand that is put near an object
_SLIDE = 0.12  # m, deviation of an object that is moved over the table
_SHIFT = 0.04  # m, deviation of fixed furniture
_SETTLE = 80  # simulator steps in which the arm follows its target
_ROBOT = ("right_", "r_close", "l_close", "head_pan")  # joints that belong to the arm


def scatter_scenes(
    view: MetaWorldView, *, seed: int, n_scenes: int = 23, frame_size: int = 112
) -> Trajectory:
    """`n_scenes` unrelated scenes of a task, as a trajectory with a picture of every state.

    The arm goes to a random place, half of the time close to the object. Joints of objects are
    set anywhere in their range, loose objects are moved, lifted or put into the hand, furniture
    is shifted by a few centimetres. In a third of the scenes the objects are as a reset left them.
    The view is left for its next reset.

    Args:
        view: of the task.
        seed: same seed, same scenes.
        n_scenes: 2 or more.
        frame_size: side of the pictures, in pixels.

    Raises:
        InvalidValueError: the view's picture size is no multiple of `frame_size`, or fewer than 2
            scenes are asked for.
    """
    if n_scenes < 2:
        raise InvalidValueError(f"n_scenes={n_scenes}; a trajectory has 2 states or more.")
    rng = np.random.default_rng(seed)
    simulation = view.simulation
    observations, states = [], []
    for _ in range(n_scenes):
        view.reset(seed=int(rng.integers(2**31)))
        body_pos = simulation.model.body_pos.copy()
        _scatter(simulation, rng)
        observations.append(simulation._get_curr_obs_combined_no_goal())
        states.append(view.capture_state())
        simulation.model.body_pos[:] = body_pos
    frames = shrink_pictures(view.render_states(states), frame_size)
    halves = np.zeros((n_scenes, view.observation_space.shape[0]), dtype=np.float32)  # type: ignore[index]
    halves[:, : observations[0].shape[0]] = np.stack(observations)
    return Trajectory(
        observations=halves,
        actions=np.zeros((n_scenes - 1, 4), dtype=np.float32),
        env_rewards=None,
        truncated=True,
        frames=ArrayFrames(np.arange(n_scenes), frames),
        task=view.task.name,
        id=f"{view.task.name}/{SCATTERED}/{seed}",
        level=SCATTERED,
        seed=seed,
    )


def _scatter(simulation: Any, rng: np.random.Generator) -> None:
    model, data = simulation.model, simulation.data
    untouched = rng.random() < 1 / 3
    if not untouched:
        _shift_furniture(model, rng)
        mujoco.mj_forward(model, data)
    object_position = simulation._get_curr_obs_combined_no_goal()[4:7]
    near = object_position + rng.normal(0.0, _NEAR, 3)
    target = near if rng.random() < 0.5 else rng.uniform(_HAND_LOW, _HAND_HIGH)
    data.mocap_pos[0] = np.clip(target, _HAND_LOW, _HAND_HIGH)
    grip = rng.uniform(-1.0, 1.0)
    data.ctrl[:] = [grip, -grip]
    positions = data.qpos.copy()
    mujoco.mj_step(model, data, nstep=_SETTLE)
    for joint in range(model.njnt):
        if not model.joint(joint).name.startswith(_ROBOT):
            _place(model, data, joint, positions, rng, untouched)
    mujoco.mj_forward(model, data)


def _place(
    model: Any,
    data: Any,
    joint: int,
    positions: Float[np.ndarray, " q"],
    rng: np.random.Generator,
    untouched: bool,
) -> None:
    """Put one joint of an object where it was, or anywhere."""
    start = model.jnt_qposadr[joint]
    if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE:
        data.qpos[start : start + 7] = positions[start : start + 7]
        if untouched:
            return
        lot = rng.random()
        if lot < 0.25:
            data.qpos[start : start + 3] = data.mocap_pos[0] + rng.normal(0.0, 0.015, 3)
        else:
            data.qpos[start : start + 2] += rng.normal(0.0, _SLIDE, 2)
            data.qpos[start + 2] += max(0.0, rng.uniform(-0.2, 0.2))
    elif untouched:
        data.qpos[start] = positions[start]
    else:
        low, high = model.jnt_range[joint]
        data.qpos[start] = rng.uniform(low, high)


def _shift_furniture(model: Any, rng: np.random.Generator) -> None:
    for body in range(1, model.nbody):
        fixed = model.body_parentid[body] == 0 and model.body_jntnum[body] == 0
        if fixed and model.body(body).name not in ("tablelink", "RetainingWall", "base", "mocap"):
            model.body_pos[body, :2] += rng.normal(0.0, _SHIFT, 2)
