"""Scripted rollouts of three optimality levels, as in the VLP paper's MTVLP dataset, and idle ones.

Paper:   Liu et al. 2025, VLP, section 3.1 and appendix C
Levels:  expert = scripted policy + N(0, 0.1); medium = scripted policy + N(0, 0.5), stopped
         half-way; random = actions from U[0, 1] as the appendix prints it, or the whole box.
         idle, which is ours = nothing is done at all.
Choices: the paper's 0.1 and 0.5 are read as standard deviations. Its half-way flag
         (`near_object`) never fires in 9 Meta-World v3 tasks and is continuous in 5, so medium
         is by default stopped at 35 to 65 % of the time the scripted policy needs *in that very
         episode*; ``medium="near-object"`` follows the paper to the letter. A script that has
         stopped, or has succeeded, holds still: Meta-World counts an episode as over there, and a
         script that is run on (``ends="run-on"``) wanders off (in door-close it leaves the picture
         as the random policy does). All levels run equally long, because how long an episode
         goes on after success decides which window has the higher return. What a policy learns
         from leaves that rest out, see `vlfeedback.data.cut_off`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float32, UInt8

from vlfeedback.errors import InvalidValueError, UnknownNameError
from vlfeedback.types import ArrayFrames, Trajectory
from vlfeedback_envs.metaworld import MetaWorldView
from vlfeedback_envs.rendering import SimulatorState

__all__ = [
    "LEVELS",
    "Choose",
    "Ends",
    "Level",
    "Medium",
    "RandomActions",
    "Stops",
    "perform",
    "quiet_scripts",
    "rollout_level",
    "scripted_actions",
    "shrink_pictures",
]

Level = Literal["expert", "medium", "random", "idle"]
LEVELS: tuple[Level, ...] = get_args(Level)
RandomActions = Literal["u01", "box"]
Medium = Literal["half-way", "near-object"]
Ends = Literal["rest", "run-on"]

Choose = Callable[[Float32[np.ndarray, " o"], bool], Float32[np.ndarray, " a"]]
"""Observation, and whether the script has stopped: the action."""

Stops = Callable[[int, dict[str, Any]], bool]
"""Steps done, and info of the last one: whether the script stops there."""

_NOISE = {"expert": 0.1, "medium": 0.5}
_HALF_WAY = (0.35, 0.65)  # share of the scripted policy's own time to success


def scripted_actions(view: MetaWorldView) -> Any:
    """Meta-World's own scripted policy for this task; `get_action(observation)` gives (4,)."""
    from metaworld.policies import ENV_POLICY_MAP

    policies: dict[str, Any] = ENV_POLICY_MAP
    return policies[f"{view.task.name}-v3"]()


def rollout_level(
    view: MetaWorldView,
    level: Level,
    *,
    seed: int,
    horizon: int = 150,
    frame_stride: int = 7,
    frame_size: int = 112,
    random_actions: RandomActions = "u01",
    medium: Medium = "half-way",
    ends: Ends = "rest",
) -> Trajectory:
    """One episode of `horizon` steps, with pictures of the reset and after every stride-th step.

    Pictures are rendered after the episode, only the ones kept, and box-filtered from the
    view's size down to `frame_size`. `Trajectory.stopped_at` is the step from which it rests.

    Args:
        view: of the task.
        level: of optimality.
        seed: of the episode and its noise.
        horizon: steps.
        frame_stride: steps between pictures.
        frame_size: side of the pictures, px.
        random_actions: of level random.
        medium: where a medium script stops: ``"half-way"``, or ``"near-object"``: at the first
            step whose ``info["near_object"]`` is 1.
        ends: what a script does once the task is done: ``"rest"`` or ``"run-on"``.

    Raises:
        UnknownNameError: no such level, kind of random actions, stop or end.
        ValueError: the view's picture size is no multiple of `frame_size`.
    """
    choices = ((level, Level), (random_actions, RandomActions), (medium, Medium), (ends, Ends))
    for name, allowed in choices:
        if name not in get_args(allowed):
            raise UnknownNameError(
                f"No {name!r} here; choose one of {', '.join(get_args(allowed))}."
            )
    rng = np.random.default_rng(seed)
    with quiet_scripts():
        return perform(
            view,
            _chooser(view, level, rng, random_actions),
            _stops(view, level, rng, seed, horizon, medium, ends),
            level=level,
            seed=seed,
            horizon=horizon,
            frame_stride=frame_stride,
            frame_size=frame_size,
        )


@contextmanager
def quiet_scripts() -> Iterator[None]:
    """Within it Meta-World's policies do not warn that they ask for more than an action may be."""
    with warnings.catch_warnings():
        # They do so on purpose; we clip.
        warnings.filterwarnings("ignore", r"Constant\(s\) may be too high")
        yield


def perform(
    view: MetaWorldView,
    choose: Choose,
    stops: Stops,
    *,
    level: str,
    seed: int,
    horizon: int,
    frame_stride: int,
    frame_size: int,
) -> Trajectory:
    """The episode of `seed` in which `choose` acts, with pictures; see `rollout_level`.

    Args:
        view: of the task.
        choose: acts, and goes on to act, at rest, once it has stopped.
        stops: says when that is.
        level: what the episode is called.
        seed: of the reset.
        horizon: steps.
        frame_stride: steps between pictures.
        frame_size: side of the pictures, px.

    Raises:
        InvalidValueError: the view's picture size is no multiple of `frame_size`.
    """
    arrays, stop, times, states = _act(view, choose, stops, seed, horizon, frame_stride)
    frames = shrink_pictures(view.render_states(states), frame_size)
    return Trajectory(
        **arrays,
        truncated=True,
        frames=ArrayFrames(np.asarray(times), frames),
        task=view.task.name,
        id=f"{view.task.name}/{level}/{seed}",
        level=level,
        seed=seed,
        stopped_at=stop,
    )


def _stops(
    view: MetaWorldView,
    level: Level,
    rng: np.random.Generator,
    seed: int,
    horizon: int,
    medium: Medium,
    ends: Ends,
) -> Stops:
    """When the actor of an episode stops for good."""
    if level == "random":
        return lambda _done, _info: False
    half_way = 0 if level == "idle" else horizon
    if level == "medium" and medium == "half-way":
        half_way = int(_time_to_success(view, seed, horizon) * rng.uniform(*_HALF_WAY))

    def stops(n_done: int, info: dict[str, Any]) -> bool:
        near = level == "medium" and medium == "near-object" and info.get("near_object") == 1
        done = ends == "rest" and bool(info.get(view.task.success_key))
        return n_done >= half_way or near or done

    return stops


def _chooser(
    view: MetaWorldView, level: Level, rng: np.random.Generator, random_actions: RandomActions
) -> Choose:
    policy = scripted_actions(view)
    last = np.zeros(4, dtype=np.float32)

    def choose(observation: Float32[np.ndarray, " o"], stopped: bool) -> Float32[np.ndarray, " a"]:
        nonlocal last
        if level == "random":
            action = rng.uniform(0.0 if random_actions == "u01" else -1.0, 1.0, 4)
        elif not stopped:
            action = policy.get_action(observation) + rng.normal(0.0, _NOISE[level], 4)
        else:
            action = np.array([0.0, 0.0, 0.0, last[3]])  # the gripper keeps its grip
        last = np.clip(action, -1.0, 1.0).astype(np.float32)
        return last

    return choose


def _act(
    view: MetaWorldView,
    choose: Choose,
    stops: Stops,
    seed: int,
    horizon: int,
    frame_stride: int,
) -> tuple[dict[str, Any], int, list[int], list[SimulatorState]]:
    """Arrays of an episode, the step it stops at, and which states are pictured."""
    observation, _ = view.reset(seed=seed)
    observations, actions = [observation], []
    rewards: list[float] = []
    successes: list[bool] = []
    times, states = [0], [view.capture_state()]
    stop = horizon
    info: dict[str, Any] = {}
    for step in range(horizon):
        if stop == horizon and stops(step, info):
            stop = step
        actions.append(choose(view.script_observation, step >= stop))
        observation, reward, _, _, info = view.step(actions[-1])
        observations.append(observation)
        rewards.append(reward)
        successes.append(info[view.task.success_key])
        if step % frame_stride == 0:
            times.append(step + 1)
            states.append(view.capture_state())
    arrays = {
        "observations": np.stack(observations),
        "actions": np.stack(actions),
        "env_rewards": np.asarray(rewards, dtype=np.float32),
        "successes": np.asarray(successes, dtype=np.bool_),
    }
    return arrays, stop, times, states


def _time_to_success(view: MetaWorldView, seed: int, horizon: int) -> int:
    policy = scripted_actions(view)
    view.reset(seed=seed)
    for step in range(horizon):
        action = policy.get_action(view.script_observation)
        _, _, _, _, info = view.step(np.clip(action, -1.0, 1.0).astype(np.float32))
        if info[view.task.success_key]:
            return step + 1
    return horizon


def shrink_pictures(
    frames: UInt8[np.ndarray, "F H W 3"], size: int
) -> UInt8[np.ndarray, "F h w 3"]:
    """Box-filter square pictures down to `size` pixels.

    Raises:
        ValueError: their side is no multiple of `size`.
    """
    factor, remainder = divmod(frames.shape[1], size)
    if remainder:
        raise InvalidValueError(
            f"Pictures of {frames.shape[1]} px cannot be box-filtered to {size} px; "
            "make the view with a multiple of it."
        )
    if factor == 1:
        return frames
    blocks = frames.reshape(len(frames), size, factor, size, factor, 3)
    return np.asarray(blocks.mean(axis=(2, 4), dtype=np.float32).round().astype(np.uint8))
