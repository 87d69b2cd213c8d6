"""Views of the 50 Meta-World v3 tasks: upright pictures, float32 observations, seeded episodes.

Task code: Farama-Foundation/Metaworld 3.1.1. A view changes neither physics nor reward; it only
fixes what trips users: cameras that come out upside-down, a global random generator,
observations in float64, callables as entry points, `success` as a float, and first observations
of objects where the episode before had them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args

import gymnasium as gym
import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy.typing import NDArray

from vlfeedback.errors import RenderError, UnknownNameError
from vlfeedback.optional import require
from vlfeedback.tasks import get_task
from vlfeedback_envs.bound import BoundToSimulator
from vlfeedback_envs.looks import Look, draw_look
from vlfeedback_envs.rendering import SceneRenderer, SimulatorState

__all__ = ["HandStarts", "Looks", "MetaWorldView", "stock_simulation"]

HandStarts = Literal["task", "jittered"]
Looks = Literal["plain", "varied"]

# The observation leaves object slots unbounded. No object ever leaves the table's room, and
# finite bounds are what checkers and normalisers expect. Metres, and unit quaternions.
_BOUND = 10.0

_JITTER = np.array([0.25, 0.15, 0.2])  # m, of the hand's start (jhejna/cpl, research/envs)
_SETTLE = 50  # steps in which the arm follows (the same)
_ROBOT = ("base", "mocap")  # bodies: pedestal, arm and gripper, and what drags them
_PREVIOUS_HAND = slice(18, 22)  # of the 39 entries: hand and gripper one step earlier


class MetaWorldView(BoundToSimulator, gym.Env[NDArray[np.float32], NDArray[np.float32]]):
    """One Meta-World v3 task.

    Observations are (39,) float32: hand, gripper, two objects (position and quaternion), the
    same one step earlier, and the goal; without the earlier hand (35,). Actions are (4,) float32
    in [-1, 1]: hand displacement in centimetres, gripper torque. The reward is Meta-World's
    v2-style reward, 0 to 10 a step.

    Args:
        task: a name of `vlfeedback.tasks`, such as ``"drawer-close"``.
        render_mode: ``"rgb_array"`` for pictures, None for none.
        size: side of the square picture, in pixels.
        quality: ``"paper"`` (MuJoCo's default look), ``"vlm"`` (no shadows, smoothed) or
            ``"encoder"`` (no shadows, no smoothing: eleven times cheaper than ``"paper"``).
        camera: a camera of the model; default is the task's own.
        hide_goal: do not draw the goal marker.
        hide_arm: draw neither the robot nor its gripper, as RL-VLM-F does.
        goal_observable: give the goal in the observation (MT1), or zeros (ML1).
        hand_starts: ``"task"``: where the task puts it; ``"jittered"``: up to (0.25, 0.15, 0.2) m
            away from there, uniformly and inside the space that the hand can reach, as in CPL's
            environment (and, by its appendix A.1, in the VLP paper's).
        previous_hand: observe hand and gripper of one step earlier; CPL's environment leaves
            those four entries out.
        looks: ``"plain"``: the task's camera, colours and lights; ``"varied"``: each episode's are
            drawn around them, see `vlfeedback_envs.looks.draw_look`. Only pictures change.

    Attributes:
        script_observation: (39,) float32, the latest observation with nothing left out: what
            Meta-World's scripted policies read.

    Raises:
        UnknownNameError: no such task, camera, quality, kind of start or looks.
        MissingExtraError: Meta-World is not installed.
        RenderError: another render mode, or no OpenGL driver at the first picture; see
            `SceneRenderer` for where pictures may be taken.
        InvalidTypeError: it is pickled or copied.
    """

    # Gymnasium declares it as an instance variable.
    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 80}  # noqa: RUF012

    def __init__(
        self,
        task: str,
        render_mode: str | None = None,
        *,
        size: int = 224,
        quality: str = "encoder",
        camera: str | None = None,
        hide_goal: bool = False,
        hide_arm: bool = False,
        goal_observable: bool = True,
        hand_starts: HandStarts = "task",
        previous_hand: bool = True,
        looks: Looks = "plain",
    ) -> None:
        self.task = get_task(task)
        if hand_starts not in get_args(HandStarts):
            raise UnknownNameError(
                f"hand_starts={hand_starts!r}; expected 'task', where the task puts the hand, or "
                "'jittered', around there."
            )
        if looks not in get_args(Looks):
            raise UnknownNameError(
                f"looks={looks!r}; expected 'plain', as the task has them, or 'varied'."
            )
        self._jittered = hand_starts == "jittered"
        self._varied = looks == "varied"
        self._look: Look | None = None
        self._look_rng = np.random.default_rng(0)  # an episode's is made of its seed
        if render_mode not in (None, "rgb_array"):
            raise RenderError(f"render_mode={render_mode!r}; this view renders 'rgb_array' only.")
        self.render_mode = render_mode
        require("metaworld", extra="metaworld", needed_by=f"task {task!r}")
        self.simulation = self.make_simulation()
        # What Meta-World's own set_task would set, with goals drawn from the env's seed instead
        # of a fixed list of 50.
        self.simulation._set_task_called = True
        self.simulation._freeze_rand_vec = False
        self.simulation.seeded_rand_vec = True
        self.simulation._partially_observable = not goal_observable
        self.simulation.__dict__.pop("sawyer_observation_space", None)  # cached with other bounds
        space = self.simulation.sawyer_observation_space
        fixed = space.low == space.high  # a goal that never moves
        self._low = np.where(fixed, -_BOUND, np.maximum(space.low, -_BOUND)).astype(np.float32)
        self._high = np.where(fixed, _BOUND, np.minimum(space.high, _BOUND)).astype(np.float32)
        self._entries = np.arange(len(self._low))
        if not previous_hand:
            self._entries = np.delete(self._entries, _PREVIOUS_HAND)
        self.observation_space = gym.spaces.Box(
            self._low[self._entries], self._high[self._entries], dtype=np.float32
        )
        self.script_observation = np.zeros(len(self._low), dtype=np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (4,), np.float32)
        self._camera = camera or self.task.camera
        self._renderer = SceneRenderer(
            self.simulation.model,
            camera=self._camera,
            size=size,
            quality=quality,
            hide_goal=hide_goal,
            hidden_bodies=_ROBOT if hide_arm else (),
        )

    def make_simulation(self) -> Any:
        """Meta-World's own environment; called once, before anything else is made of it."""
        return stock_simulation(self.task.name)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32[np.ndarray, " D"], dict[str, Any]]:
        """Start an episode; the same seed gives the same goal, objects, hand, rewards and look."""
        super().reset(seed=seed)
        if self._varied:
            self._draw_look(anew=seed is not None or self._look is None)
        self.simulation.seed(int(self.np_random.integers(2**31)))
        with _positions_up_to_date(self.simulation):
            observation, info = self.simulation.reset()
            if self._jittered:
                self._move_hand(self.np_random.uniform(-_JITTER, _JITTER))
                self.simulation._get_obs()  # the step before the first one is the first one
                observation = self.simulation._get_obs()
        return self._observe(observation), {**info, self.task.success_key: False}

    def step(
        self, action: Float[np.ndarray, "4"]
    ) -> tuple[Float32[np.ndarray, " D"], float, bool, bool, dict[str, Any]]:
        """Advance by one action; `info["success"]` is a bool."""
        observation, reward, terminated, truncated, info = self.simulation.step(action)
        info[self.task.success_key] = bool(info["success"])
        return self._observe(observation), float(reward), terminated, truncated, info

    def render(self) -> UInt8[np.ndarray, "H W 3"] | None:
        """The current picture, upright; None without ``render_mode="rgb_array"``."""
        if self.render_mode is None:
            return None
        return self._renderer.render(self.capture_state())

    def capture_state(self) -> SimulatorState:
        """Save what the current picture depends on, to render it later or never."""
        return self._renderer.capture(self.simulation.data, self._look)

    def render_states(self, states: list[SimulatorState]) -> UInt8[np.ndarray, "F H W 3"]:
        """Pictures of saved states, bit-identical to what `render` gave at the time."""
        return self._renderer.render_all(states)

    def close(self) -> None:
        """Free the simulator and its OpenGL context."""
        self._renderer.close()
        self.simulation.close()

    def _observe(self, observation: NDArray[np.float64]) -> Float32[np.ndarray, " D"]:
        self.script_observation = np.clip(observation, self._low, self._high).astype(np.float32)
        return self.script_observation[self._entries]

    def _draw_look(self, *, anew: bool) -> None:
        """From a stream of chance of its own: how it looks changes nothing of what happens."""
        if anew:
            seed = self.np_random_seed  # chosen by Gymnasium where none was given
            self._look_rng = np.random.default_rng([abs(seed), 2])
        self._look = draw_look(self.simulation.model, self._camera, self._look_rng)

    def _move_hand(self, displacement: Float[np.ndarray, "3"]) -> None:
        """Let the arm follow to this far from where the task puts the hand; objects stay."""
        simulation = self.simulation
        place = np.clip(
            simulation.hand_init_pos + displacement, simulation.mocap_low, simulation.mocap_high
        )
        for _ in range(_SETTLE):
            simulation.data.mocap_pos[0] = place
            simulation.data.mocap_quat[0] = [1, 0, 1, 0]
            simulation.do_simulation([-1, 1], simulation.frame_skip)


def stock_simulation(task: str) -> Any:
    """Meta-World's environment of a task, before it is given a goal."""
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS

    return ALL_V3_ENVIRONMENTS[f"{task}-v3"]()


@contextlib.contextmanager
def _positions_up_to_date(simulation: Any) -> Iterator[None]:
    """Within it, a task reads its hand and objects where the simulator has put them.

    Seven tasks put furniture or a joint elsewhere at reset and read positions before the simulator
    has computed them anew: they would observe, and remember for their reward, where things were.
    With Meta-World's fixed goals that is the same place, but for the window of window-close.
    """
    import mujoco

    def up_to_date(read: Callable[[], NDArray[np.float64]]) -> Callable[[], NDArray[np.float64]]:
        def read_anew() -> NDArray[np.float64]:
            mujoco.mj_kinematics(simulation.model, simulation.data)  # leaves the dynamics alone
            return read()

        return read_anew

    readers = ("_get_pos_objects", "_get_curr_obs_combined_no_goal")
    for name in readers:
        setattr(simulation, name, up_to_date(getattr(simulation, name)))
    try:
        yield
    finally:
        for name in readers:
            delattr(simulation, name)
