"""What the tasks of ropes and cloth share: kinds of observations, pictures, and failed simulations.

A simulation that has failed is one that MuJoCo has warned of, such as of an acceleration without
bounds; it then starts again from nowhere. Here such an episode is cut off.
"""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from jaxtyping import Float, Float32, Float64, UInt8
from numpy.typing import NDArray

from vlfeedback.errors import RenderError, UnknownNameError
from vlfeedback.tasks import get_task
from vlfeedback_envs.bound import BoundToSimulator
from vlfeedback_envs.rendering import SceneRenderer, SimulatorState, mujoco

__all__ = ["KINDS", "DeformableEnv", "compiled", "softgym_axes"]

KINDS = ("state", "image", "point_cloud", "flat_point_cloud")
"""What an environment may show: `DeformableEnv.state`, `DeformableEnv.point_cloud`, that cloud's
points one after the other, or the picture."""

_BOUND = 10.0  # m; nothing here ever leaves so large a room
_PICKERS = 1  # geom group


class DeformableEnv(BoundToSimulator, gym.Env[NDArray[Any], NDArray[np.float32]]):
    """A MuJoCo simulation of something soft, with one camera and pickers.

    Args:
        task: its name in `vlfeedback.tasks`.
        mjcf: the model.
        n_actions: entries of an action, all in [-1, 1]; larger ones are clipped.
        render_mode: ``"rgb_array"`` for pictures, None for none.
        obs_mode: of `KINDS`.
        size: side of the square picture, px.
        quality: of `vlfeedback_envs.rendering.QUALITIES`.
        hide_picker: leave what holds the rope or the cloth out of pictures.
        edited: fields of the model that resets change.

    Raises:
        UnknownNameError: no such kind of observation, or quality.
        RenderError: another render mode, or no OpenGL driver at the first picture; see
            `SceneRenderer` for where pictures may be taken.
        InvalidTypeError: it is pickled or copied.
    """

    failed_reward = 0.0
    """Reward of a step whose simulation fails: no more than what doing nothing earns."""

    # Gymnasium declares it as an instance variable.
    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012

    def __init__(
        self,
        task: str,
        mjcf: str,
        *,
        n_actions: int,
        render_mode: str | None,
        obs_mode: str,
        size: int,
        quality: str,
        hide_picker: bool,
        edited: Sequence[str] = (),
    ) -> None:
        if render_mode not in (None, "rgb_array"):
            raise RenderError(f"render_mode={render_mode!r}; this view renders 'rgb_array' only.")
        if obs_mode not in KINDS:
            raise UnknownNameError(f"obs_mode={obs_mode!r}; expected one of {', '.join(KINDS)}.")
        self.task = get_task(task)
        self.render_mode, self.obs_mode = render_mode, obs_mode
        self.model = compiled(mjcf)
        self.data = mujoco.MjData(self.model)
        self._renderer = SceneRenderer(
            self.model,
            camera=self.task.camera,
            size=size,
            quality=quality,
            hidden_groups=(_PICKERS,) if hide_picker else (),
            edited=edited,
        )
        self.action_space = gym.spaces.Box(-1.0, 1.0, (n_actions,), np.float32)
        if obs_mode == "image":
            self.observation_space = gym.spaces.Box(0, 255, (size, size, 3), np.uint8)
        else:
            mujoco.mj_forward(self.model, self.data)
            shape = self.observe().shape
            self.observation_space = gym.spaces.Box(-_BOUND, _BOUND, shape, np.float32)

    @abstractmethod
    def begin(self) -> None:
        """Put everything where an episode starts; the simulation is as the model has it."""

    @abstractmethod
    def advance(self, action: Float[np.ndarray, " A"]) -> None:
        """Simulate one step."""

    @abstractmethod
    def judge(self) -> tuple[float, bool, dict[str, Any]]:
        """Reward of the step that was simulated, whether the episode ends by it, and `info`."""

    @abstractmethod
    def state(self) -> Float32[np.ndarray, " D"]:
        """What a small network needs to know, m."""

    @abstractmethod
    def point_cloud(self) -> Float32[np.ndarray, "P C"]:
        """Points: x, y and z (m), then one-hot which thing each is of."""

    def observe(self) -> NDArray[Any]:
        """The observation of this moment."""
        if self.obs_mode == "image":
            return self._renderer.render(self.capture_state())
        if self.obs_mode == "state":
            numbers = self.state()
        else:
            numbers = self.point_cloud()
            if self.obs_mode == "flat_point_cloud":
                numbers = numbers.reshape(-1)
        return np.asarray(np.clip(numbers, -_BOUND, _BOUND), dtype=np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Start an episode; the same seed gives the same one."""
        super().reset(seed=seed)
        with _unlogged_warnings():
            mujoco.mj_resetData(self.model, self.data)
            self.begin()
        self._latest = self.observe()
        return self._latest.copy(), {**self.judge()[2], "sim_error": self._has_failed()}

    def step(
        self, action: Float[np.ndarray, " A"]
    ) -> tuple[NDArray[Any], float, bool, bool, dict[str, Any]]:
        """Simulate one step.

        Where the simulation fails, ``info["sim_error"]`` is true, the episode is truncated, the
        observation is that of before, and the reward `failed_reward`.
        """
        clipped = np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0)
        with _unlogged_warnings():
            self.advance(clipped)
        reward, terminated, info = self.judge()
        if self._has_failed():
            failed = {**info, "sim_error": True}
            return self._latest.copy(), self.failed_reward, False, True, failed
        self._latest = self.observe()
        return self._latest.copy(), reward, terminated, False, {**info, "sim_error": False}

    def render(self) -> UInt8[np.ndarray, "H W 3"] | None:
        """The current picture; None without ``render_mode="rgb_array"``."""
        if self.render_mode is None:
            return None
        return self._renderer.render(self.capture_state())

    def capture_state(self) -> SimulatorState:
        """Save what the current picture depends on, to render it later or never."""
        return self._renderer.capture(self.data)

    def render_states(self, states: list[SimulatorState]) -> UInt8[np.ndarray, "F H W 3"]:
        """Pictures of saved states, bit-identical to what `render` gave at the time."""
        return self._renderer.render_all(states)

    def close(self) -> None:
        """Give the OpenGL context back."""
        self._renderer.close()

    def _has_failed(self) -> bool:
        warned = any(warning.number for warning in self.data.warning)
        return warned or not np.isfinite(self.data.qpos).all()


def compiled(mjcf: str) -> Any:
    """The model, the triangles of whose cloth do not bump into their own vertices."""
    model = mujoco.MjModel.from_xml_string(mjcf)
    if hasattr(model, "flex_internal"):  # what later releases of MuJoCo never do
        model.flex_internal[:] = 0
    return model


def softgym_axes(places: Float64[np.ndarray, "P 3"]) -> Float32[np.ndarray, "P 3"]:
    """From MuJoCo's (x, y, up) to SoftGym's (x, up, z)."""
    x, y, up = places.T
    return np.stack([x, up, -y], axis=1).astype(np.float32)


@contextlib.contextmanager
def _unlogged_warnings() -> Iterator[None]:
    """MuJoCo's warnings, which are counted in its data, write no MUJOCO_LOG.TXT meanwhile."""
    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda _message: None)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(before)
