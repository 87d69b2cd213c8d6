"""DressSleeve: pull a sleeve over a bent arm up to its shoulder.

A stand-in for the robot-assisted dressing of Offline RL-VLM-F, section V-B, which is of a real
robot and real garments: one sleeve, one gripper that does not turn, an arm of two bones at rest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Float64

from vlfeedback.errors import UnknownNameError
from vlfeedback_envs.deformables.dressed_ratio import dressed_ratio
from vlfeedback_envs.deformables.environment import DeformableEnv
from vlfeedback_envs.deformables.sleeve_model import (
    ARM_RADIUS,
    N_AROUND,
    TORSO_RADIUS,
    dress_mjcf,
)
from vlfeedback_envs.rendering import mujoco

__all__ = ["STRIDE", "DressSleeve"]

STRIDE = 0.025
"""How far the gripper goes in a step along an axis at an action of 1, m."""

_REWARDS = ("progress", "ratio")
_SUBSTEPS = 10  # of 5 ms
_MOST_FORCE = 7.0  # N; Offline RL-VLM-F, section V-B
_DRESSED = 0.9  # ratio from which it is a success; our choice, the paper reports means
_SETTLE = 20  # simulator steps before an episode
_ARM_POINTS = 200
_HAND = np.array([0.0, 0.0, 1.0])  # m

# What differs from arm to arm, drawn uniformly.
_YAW = (-0.35, 0.35)  # rad, of the forearm
_BENDS = {"varied": (0.2, 1.3), "unseen": (1.3, 1.7)}  # rad, of the elbow
_BONE = (0.24, 0.30)  # m
_RISE = (0.0, 0.25)  # of the upper arm, m a metre
_ASIDE = (-0.015, 0.015)  # m, of the sleeve

_TORSO_BELOW = 0.15  # m, its middle below the shoulder
_GAP = 0.02  # m between shoulder and torso
_BONES, _TORSO_BODY, _GRIPPER = (1, 2), 0, 3  # mocap bodies in the order of the model


class DressSleeve(DeformableEnv):
    """A sleeve held open before a hand, to be pulled up the arm.

    Actions are (3,) float32 in [-1, 1]: how the gripper moves in x (away from the hand), y and z
    (up), 2.5 cm at 1, in 50 ms. Arms differ: lengths of the bones, bend of the elbow, direction of
    the forearm, height of the shoulder.

    The point cloud is (369, 6) float32: x, y, z in m, then one-hot {garment, arm, gripper}: 168
    vertices of the sleeve, 200 points drawn from the arm's surface at reset, and the gripper. For
    learners of vectors there is the same as ``"flat_point_cloud"``, (2214,), and the simulator's
    ``"state"``, (19,): gripper, hand, elbow, shoulder, centre of the sleeve's leading opening (m),
    the direction that it faces (a unit vector), and the dressed ratio.

    The reward is by how much the best dressed ratio of the episode has grown, so that a return is
    the best dressed ratio, in [0, 1]; see `dressed_ratio`. With ``reward="ratio"`` it is the ratio
    after the step, by which single moments can be compared. Above 7 N at the gripper the episode
    terminates; the registered id ``vlfeedback/DressSleeve-v0`` cuts it after 60 steps. `info`
    holds ``success`` (ratio of 0.9 and more at this moment), ``dressed_ratio``, which is also
    ``performance`` and ``normalized_performance``, ``best_dressed_ratio``, ``force`` (N, the most
    of this step) and ``sim_error``.

    Args:
        render_mode: ``"rgb_array"`` for pictures, None for none.
        obs_mode: ``"state"``, ``"image"``, ``"point_cloud"`` or ``"flat_point_cloud"``.
        size: side of the square picture, px; the camera looks from the arm's side.
        quality: see `DeformableEnv`.
        hide_picker: leave the gripper out of pictures.
        reward: ``"progress"`` or ``"ratio"``.
        arms: ``"varied"``, or ``"unseen"``, with elbows bent more than any of those: a policy that
            has learnt from the former is judged on the latter as the paper judges on arms that
            its data do not show.

    Raises:
        UnknownNameError: there is no such reward, or there are no such arms.
        whatever `DeformableEnv` raises.
    """

    def __init__(
        self,
        render_mode: str | None = None,
        *,
        obs_mode: str = "point_cloud",
        size: int = 240,
        quality: str = "vlm",
        hide_picker: bool = True,
        reward: str = "progress",
        arms: str = "varied",
    ) -> None:
        if reward not in _REWARDS:
            raise UnknownNameError(f"reward={reward!r}; expected {' or '.join(_REWARDS)}.")
        if arms not in _BENDS:
            raise UnknownNameError(f"arms={arms!r}; expected {' or '.join(_BENDS)}.")
        self._reward, self._bend = reward, _BENDS[arms]
        self._arm = np.array([[0.0, 0.0, 1.0], [0.27, 0.0, 1.0], [0.54, 0.0, 1.0]])
        self._arm_points = np.zeros((_ARM_POINTS, 3))
        self._best = self._force = self._progress = 0.0
        super().__init__(
            "dress-sleeve",
            dress_mjcf(),
            n_actions=3,
            render_mode=render_mode,
            obs_mode=obs_mode,
            size=size,
            quality=quality,
            hide_picker=hide_picker,
            edited=("geom_pos", "geom_size"),
        )
        # Else MuJoCo takes the middle of a bone from its body, whatever `geom_pos` says.
        self.model.geom_sameframe[:] = mujoco.mjtSameFrame.mjSAMEFRAME_NONE
        ties = [i for i in range(self.model.neq) if self.model.equality(i).name[:5] == "held_"]
        self._first_tie, self._last_tie = min(ties), max(ties)

    def begin(self) -> None:
        """Draw an arm, and put the sleeve before its hand."""
        self._draw_arm()
        aside = self.np_random.uniform(*_ASIDE)
        self.data.qpos[1::3] = aside  # every vertex slides along x, y and z
        self.data.mocap_pos[_GRIPPER] += [0.0, aside, 0.0]
        mujoco.mj_step(self.model, self.data, nstep=_SETTLE)
        self._best = self._force = self._progress = 0.0

    def advance(self, action: Float[np.ndarray, "3"]) -> None:
        """Ten substeps, in each of which the gripper goes a tenth of its way."""
        self._force = 0.0
        for _ in range(_SUBSTEPS):
            self.data.mocap_pos[_GRIPPER] += action * (STRIDE / _SUBSTEPS)
            mujoco.mj_step(self.model, self.data)
            self._force = max(self._force, self._force_at_gripper())
        best = max(self._best, self.dressed_ratio())
        self._progress, self._best = best - self._best, best

    def judge(self) -> tuple[float, bool, dict[str, Any]]:
        """Progress of the step, and whether the gripper pulled too hard."""
        ratio = self.dressed_ratio()
        return (
            ratio if self._reward == "ratio" else self._progress,
            self._force > _MOST_FORCE,
            {
                self.task.success_key: ratio >= _DRESSED,
                "performance": ratio,
                "normalized_performance": ratio,
                "dressed_ratio": ratio,
                "best_dressed_ratio": self._best,
                "force": self._force,
            },
        )

    def dressed_ratio(self) -> float:
        """The share of the arm that is in the sleeve now; see `dressed_ratio`."""
        return dressed_ratio(self._opening(), self._arm)

    def state(self) -> Float32[np.ndarray, "19"]:
        """See the class."""
        opening = self._opening()
        centre = opening.mean(axis=0)
        spokes = opening - centre
        facing = np.cross(np.roll(spokes, -1, axis=0), spokes).sum(axis=0)
        parts = [
            self.data.mocap_pos[_GRIPPER],
            self._arm.reshape(-1),
            centre,
            facing / max(float(np.linalg.norm(facing)), 1e-9),
            [self.dressed_ratio()],
        ]
        return np.concatenate(parts).astype(np.float32)

    def point_cloud(self) -> Float32[np.ndarray, "369 6"]:
        """See the class."""
        garment, gripper = self.data.flexvert_xpos, self.data.mocap_pos[_GRIPPER : _GRIPPER + 1]
        places = np.concatenate([garment, self._arm_points, gripper])
        counts = [len(garment), len(self._arm_points), 1]
        things = np.repeat(np.eye(3), counts, axis=0)
        return np.concatenate([places, things], axis=1).astype(np.float32)

    def _opening(self) -> Float64[np.ndarray, "14 3"]:
        """The rim of the leading opening."""
        rim: Float64[np.ndarray, "14 3"] = self.data.flexvert_xpos[:N_AROUND]
        return rim

    def _draw_arm(self) -> None:
        draw = self.np_random.uniform
        yaw, forearm, upper_arm = draw(*_YAW), draw(*_BONE), draw(*_BONE)
        turned = yaw + draw(*self._bend)
        elbow = _HAND + forearm * np.array([np.cos(yaw), np.sin(yaw), 0.0])
        shoulder = elbow + upper_arm * np.array([np.cos(turned), np.sin(turned), draw(*_RISE)])
        self._arm = np.stack([_HAND, elbow, shoulder])
        aside = (TORSO_RADIUS + _GAP) * np.array([np.cos(turned), np.sin(turned), 0.0])
        self.data.mocap_pos[_TORSO_BODY] = shoulder + aside - [0.0, 0.0, _TORSO_BELOW]
        surface = []
        for body, name, joint, end in zip(
            _BONES, ("forearm", "upper_arm"), self._arm[:-1], self._arm[1:], strict=True
        ):
            length = float(np.linalg.norm(end - joint))
            axis = (end - joint) / length
            self.data.mocap_pos[body] = joint
            self.data.mocap_quat[body] = _turn_from_x(axis)
            # MuJoCo's bounding volumes stay those of the longest bone, which are on the safe side.
            bone = self.model.geom(name)
            bone.pos[:] = [length / 2, 0.0, 0.0]
            bone.size[1] = length / 2
            surface.append(self._draw_surface(joint, axis, length))
        self._arm_points = np.concatenate(surface)

    def _draw_surface(
        self, joint: Float[np.ndarray, "3"], axis: Float[np.ndarray, "3"], length: float
    ) -> Float64[np.ndarray, "100 3"]:
        """Points on a bone's round surface."""
        aside = np.cross(axis, [0.0, 0.0, 1.0])
        aside /= np.linalg.norm(aside)
        above = np.cross(axis, aside)
        n_points = _ARM_POINTS // 2
        along = self.np_random.uniform(0.0, length, (n_points, 1))
        angle = self.np_random.uniform(0.0, 2 * np.pi, (n_points, 1))
        around = np.cos(angle) * aside + np.sin(angle) * above
        return np.asarray(joint + along * axis + ARM_RADIUS * around)

    def _force_at_gripper(self) -> float:
        """Size of the sum of the forces by which the gripper holds the sleeve, N."""
        data = self.data
        held = (data.efc_id >= self._first_tie) & (data.efc_id <= self._last_tie)
        held &= data.efc_type == mujoco.mjtConstraint.mjCNSTR_EQUALITY
        return float(np.linalg.norm(data.efc_force[held].reshape(-1, 3).sum(axis=0)))


def _turn_from_x(axis: Float[np.ndarray, "3"]) -> Float64[np.ndarray, "4"]:
    """The quaternion (w, x, y, z) that turns the x axis to this unit vector; never half a turn."""
    turn = np.array([1.0 + axis[0], 0.0, -axis[2], axis[1]])
    return np.asarray(turn / np.linalg.norm(turn))
