"""Views of ManiSkill 3's tasks: one world, NumPy in and out, goal markers in the picture.

Task code: mani_skill 3.0.1. A view changes neither physics nor reward. It takes away what trips
users: tensors with an axis of worlds, episodes that depend on torch's global random numbers,
observations without bounds, a prompt to download, and a renderer that is started, and fails, where
nobody asks for pictures.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy.typing import NDArray

from vlfeedback.errors import RenderError, UnknownNameError
from vlfeedback_envs.bound import BoundToSimulator
from vlfeedback_envs.maniskill.simulation import make_simulation, maniskill_task

__all__ = ["OBS_MODES", "ManiSkillView"]

OBS_MODES = ("state", "image")
"""What a view may show: numbers, or the picture that `ManiSkillView.render` gives."""

# SAPIEN's renderer, which goes with the last scene that uses it. To start it anew takes a Vulkan
# driver on the CPU twenty seconds and more, in which it compiles what draws.
_kept_renderer: list[Any] = []

_BOUND = 100.0  # m, rad, and those per second; far beyond what a robot arm reaches


class ManiSkillView(BoundToSimulator, gym.Env[NDArray[Any], NDArray[np.float32]]):
    """One task of ManiSkill 3, simulated on the CPU.

    States are float32: joint angles (rad) and velocities of the robot, then what the task adds, in
    ManiSkill's own order: the pose of the gripper (position in m, quaternion w x y z), those of
    things, the goal, and differences of them. Actions of ``"pd_ee_delta_pose"`` are (7,) in
    [-1, 1]: where the gripper is to go from where it is, 0.1 m at 1 along the axes of the robot's
    base, of which a step covers about 0.04 m; how it turns, -0.1 rad at 1; and the gripper, open at
    1 and closed at -1.

    The reward is ManiSkill's normalised dense one, at most 1 a step; plug-charger and stack-pyramid
    have the sparse one only: 1 where the task is done. `info` has ``success`` and whatever else
    the task tells, as Python's bools, floats or arrays.

    Pictures are taken by the camera that each task has for people, and show its goal marker.
    ManiSkill's own picture observations hide the one of pick-cube, as `hide_goal` does.

    Args:
        task: a name of `vlfeedback.tasks`, such as ``"pick-cube"``, or ManiSkill's,
            ``"PickCube-v1"``.
        render_mode: ``"rgb_array"`` for pictures, None for none.
        size: side of the square picture, px.
        obs_mode: of `OBS_MODES`.
        control_mode: of `vlfeedback_envs.maniskill.simulation.CONTROL_MODES`.
        end_at_success: an episode terminates once the task is done, as in ManiSkill; False: it goes
            on.
        hide_goal: do not draw the goal marker of pick-cube.
        render_backend: ``"auto"``, ``"cpu"``, ``"gpu"`` or ``"none"``; nothing is rendered, and no
            driver needed, without `render_mode` and with states.

    Attributes:
        named: the latest state by name, float32, without an axis of worlds: what scripts read.

    Raises:
        UnknownNameError: no such task, kind of observation, control mode or backend.
        InvalidValueError: `size` is below 1.
        MissingExtraError: ManiSkill is not installed.
        RenderError: another render mode, or pictures are asked for and nobody can render them.
        InvalidTypeError: it is pickled or copied.
    """

    # Gymnasium declares it as an instance variable.
    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012

    def __init__(
        self,
        task: str,
        render_mode: str | None = None,
        *,
        size: int = 224,
        obs_mode: str = "state",
        control_mode: str = "pd_ee_delta_pose",
        end_at_success: bool = True,
        hide_goal: bool = False,
        render_backend: str = "auto",
    ) -> None:
        self.task = maniskill_task(task)
        if render_mode not in (None, "rgb_array"):
            raise RenderError(f"render_mode={render_mode!r}; this view renders 'rgb_array' only.")
        if obs_mode not in OBS_MODES:
            raise UnknownNameError(
                f"obs_mode={obs_mode!r}; expected one of {', '.join(OBS_MODES)}. ManiSkill's own "
                "modes are those of its own environments: gymnasium.make('PickCube-v1', ...)."
            )
        self.render_mode, self.obs_mode = render_mode, obs_mode
        self.end_at_success, self._hide_goal = end_at_success, hide_goal
        renders = render_mode is not None or obs_mode == "image"
        self.simulation = make_simulation(
            self.task,
            renders=renders,
            size=size,
            control_mode=control_mode,
            render_backend=render_backend,
        )
        self.named = _by_name(self.simulation.get_obs())
        if renders and not _kept_renderer:
            _kept_renderer.append(self.simulation.scene.sub_scenes[0].render_system)
        if obs_mode == "image":
            self.observation_space = gym.spaces.Box(0, 255, (size, size, 3), np.uint8)
        else:
            self.observation_space = gym.spaces.Box(
                -_BOUND, _BOUND, self._state().shape, np.float32
            )
        space = self.simulation.single_action_space
        self.action_space = gym.spaces.Box(space.low, space.high, dtype=np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Start an episode; the same seed gives the same one."""
        super().reset(seed=seed)
        # Without a seed ManiSkill draws from torch's global random numbers.
        drawn = int(self.np_random.integers(2**31))
        observed, info = self.simulation.reset(seed=drawn)
        self.named = _by_name(observed)
        return self._observe(), self._told(info)

    def step(
        self, action: Float[np.ndarray, " A"]
    ) -> tuple[NDArray[Any], float, bool, bool, dict[str, Any]]:
        """Advance by one action, 50 ms; `info["success"]` is a bool."""
        observed, reward, ended, _, info = self.simulation.step(
            np.asarray(action, dtype=np.float32).reshape(1, -1)
        )
        self.named = _by_name(observed)
        terminated = self.end_at_success and bool(ended)
        return self._observe(), float(reward), terminated, False, self._told(info)

    def render(self) -> UInt8[np.ndarray, "H W 3"] | None:
        """The current picture; None without ``render_mode="rgb_array"``."""
        return None if self.render_mode is None else self._picture()

    def close(self) -> None:
        """Free the simulator."""
        self.simulation.close()

    def _observe(self) -> NDArray[Any]:
        return self._picture() if self.obs_mode == "image" else self._state()

    def _state(self) -> Float32[np.ndarray, " D"]:
        numbers = np.concatenate([value.reshape(-1) for value in self.named.values()])
        return np.asarray(np.clip(numbers, -_BOUND, _BOUND), dtype=np.float32)

    def _picture(self) -> UInt8[np.ndarray, "H W 3"]:
        # Not its `render_rgb_array`, which shows what is hidden.
        simulation = self.simulation
        for thing in simulation._hidden_objects:
            if self._hide_goal:
                thing.hide_visual()
            else:
                thing.show_visual()
        simulation.scene.update_render(update_sensors=False, update_human_render_cameras=True)
        (pictures,) = simulation.scene.get_human_render_camera_images().values()
        return np.array(pictures[0].cpu().numpy())

    def _told(self, info: dict[str, Any]) -> dict[str, Any]:
        tensors = {k: v for k, v in info.items() if hasattr(v, "cpu") and k != "elapsed_steps"}
        # Some tell a single number without an axis of worlds.
        values = {k: np.array((v[0] if v.ndim else v).cpu().numpy()) for k, v in tensors.items()}
        told: dict[str, Any] = {k: v.item() if v.ndim == 0 else v for k, v in values.items()}
        return {**told, self.task.success_key: bool(told.get("success", False))}


def _by_name(observed: dict[str, dict[str, Any]]) -> dict[str, Float32[np.ndarray, "..."]]:
    """ManiSkill's dict of dicts of tensors (1, ...) as one dict of arrays, in the same order."""
    return {
        name: np.array(value[0].cpu().numpy(), dtype=np.float32)
        for part in observed.values()
        for name, value in part.items()
    }
