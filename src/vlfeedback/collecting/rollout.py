"""Episodes of any Gymnasium environment, acted out by a policy or by random actions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import gymnasium as gym
import numpy as np
from jaxtyping import UInt8

from vlfeedback.collecting.saved_policies import SavedPolicy, check_file, is_file, name_file
from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.registry import load_target
from vlfeedback.scoring.timing import is_pictured
from vlfeedback.tasks import TaskSpec
from vlfeedback.types import ArrayFrames, Trajectory
from vlfeedback.wrappers.flat_observations import ARRAY_SPACES, FlatObservations, array_parts
from vlfeedback.wrappers.frames import render_picture
from vlfeedback.wrappers.told_instructions import told_instruction

__all__ = ["Policy", "check_policy", "name_policy", "roll_out"]

Policy = Callable[[Any], Any]
"""What acts: an observation as the environment gives it, and back an action of its space."""


def roll_out(
    task: TaskSpec,
    level: str,
    seeds: Sequence[int],
    settings: Mapping[str, Any],
    *,
    policy: str | Policy | None = None,
) -> Iterator[Trajectory]:
    """One episode a seed, which begins its environment and its random actions.

    An episode ends where the environment ends it, or is truncated after ``settings["horizon"]``
    steps. Pictures are taken of the reset, after steps 0, stride, 2 stride ... and after the last
    one; rewards and successes are the environment's own. Observations of several parts are kept as
    one vector (`FlatObservations`); a function that acts gets them as they are, a policy of a file
    gets the vector.

    Args:
        task: whose ``env_id`` is made.
        level: what the episodes are called.
        seeds: of the episodes.
        settings: ``horizon``; ``frame_stride``, 0 for no pictures; ``frame_size``: pictures are
            reduced by the greatest whole factor that leaves their shorter side as large, px;
            ``env_options``, keyword arguments of the environment.
        policy: acts; a text is ``"module:function"``, or a file of `SavedPolicy`. By default the
            action space is sampled.

    Raises:
        UnknownNameError: there is no such policy.
        CheckpointError: a policy's file cannot be read, or is of another environment.
        NeedsError: the environment's observations are no arrays, or it has no action space of
            numbers.
        InvalidValueError: the policy's action is none of the environment's.
        RenderError: the environment renders no pictures.
    """
    stride, options = settings["frame_stride"], settings.get("env_options", {})
    env: gym.Env[Any, Any] = gym.make(
        task.env_id,
        render_mode="rgb_array" if stride else None,
        disable_env_checker=True,
        **options,
    )
    with closing(env):
        _check_spaces(env, task)
        parted = isinstance(env.observation_space, gym.spaces.Dict | gym.spaces.Tuple)
        flat = FlatObservations(env) if parted else None
        act = _load(policy, flat or env) if isinstance(policy, str) else policy
        for seed in seeds:
            arrays = _episode(env, flat, task, act, seed, settings)
            yield Trajectory(
                **arrays,
                task=task.name,
                id=f"{task.name}/{level}/{seed}",
                level=level,
                seed=seed,
                env_options=dict(options),
                info={} if policy is None else {"policy": name_policy(policy)},
            )


def name_policy(policy: str | Policy) -> str:
    """``"module:function"``, or a file's name and digest, as files say who acted."""
    if isinstance(policy, str):
        return name_file(policy) if is_file(policy) else policy
    target = policy if hasattr(policy, "__qualname__") else type(policy)
    return f"{target.__module__}:{target.__qualname__}"


def check_policy(policy: str, *, what: str) -> None:
    """Refuse a policy that is not there.

    Raises:
        UnknownNameError: there is no such function, or no such kind of file.
        FileNotFoundError: there is no such file.
    """
    if is_file(policy):
        check_file(policy)
    else:
        load_target(policy, what=what)


def _load(policy: str, env: gym.Env[Any, Any]) -> Policy:
    if is_file(policy):
        return SavedPolicy(policy, env)
    target: Policy = load_target(policy, what="The policy")
    return target


def _episode(
    env: gym.Env[Any, Any],
    flat: FlatObservations | None,
    task: TaskSpec,
    act: Policy | None,
    seed: int,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    stride, horizon = settings["frame_stride"], settings["horizon"]
    # A stream of its own: an environment that draws its start from `seed` draws the same numbers.
    env.action_space.seed(int(np.random.default_rng([seed, 1]).integers(2**31)))
    observation, info = env.reset(seed=seed)
    key = task.instruction_key
    instruction = told_instruction(observation, info, key) if key else task.instruction
    if isinstance(act, SavedPolicy):
        act.begin(seed)
    stored = np.array(flat.observation(observation) if flat else observation)
    observations, actions, rewards, successes = [stored], [], [], []
    times, pictures = [], []
    if stride:
        times, pictures = [0], [_reduced(render_picture(env), settings["frame_size"])]
    terminated = truncated = False
    while not (terminated or truncated):
        seen = stored if isinstance(act, SavedPolicy) else observation
        answer = env.action_space.sample() if act is None else act(seen)
        action = _as_action(answer, env.action_space)
        observation, reward, terminated, truncated, info = env.step(action)
        actions.append(np.array(action))
        stored = np.array(flat.observation(observation) if flat else observation)
        observations.append(stored)
        rewards.append(reward)
        successes.append(info.get(task.success_key))
        truncated = bool(truncated) or (len(actions) == horizon and not terminated)
        if stride and is_pictured(len(actions) - 1, stride, ended=terminated or truncated):
            times.append(len(actions))
            pictures.append(_reduced(render_picture(env), settings["frame_size"]))
    has_success = any(success is not None for success in successes)
    return {
        "instruction": instruction,
        "observations": np.stack(observations),
        "actions": np.stack(actions),
        "env_rewards": np.asarray(rewards, dtype=np.float32),
        "successes": np.array([bool(s) for s in successes]) if has_success else None,
        "terminated": bool(terminated),
        "truncated": bool(truncated),
        "frames": ArrayFrames(np.asarray(times), np.stack(pictures)) if stride else None,
    }


def _check_spaces(env: gym.Env[Any, Any], task: TaskSpec) -> None:
    for name, space in (("observation", env.observation_space), ("action", env.action_space)):
        has_arrays = name == "observation" and any(array_parts(space))
        if not (isinstance(space, ARRAY_SPACES) or has_arrays):
            raise NeedsError(
                f"The {name} space of {task.env_id!r} is {space}; trajectories hold one array of "
                f"{name}s. Register an id of your own with additional_wrappers, such as a "
                f"gymnasium.wrappers.Transform{name.capitalize()} that makes one, and collect that."
            )


def _as_action(answer: Any, space: gym.Space[Any]) -> Any:
    """A policy's answer as the environment takes it: its dtype, and its shape."""
    if isinstance(space, gym.spaces.Discrete):
        number = np.asarray(answer)
        action: Any = space.dtype.type(number.item()) if number.size == 1 else answer
    else:
        action = np.asarray(answer, dtype=space.dtype)
    if not space.contains(action):
        raise InvalidValueError(
            f"The policy's action is {answer!r}; expected one of {space}. Clip it there, if it "
            "may lie outside."
        )
    return action


def _reduced(picture: UInt8[np.ndarray, "H W 3"], size: int) -> UInt8[np.ndarray, "h w 3"]:
    """Means of blocks; what a last row or column of blocks lacks is cut off."""
    factor = max(1, min(picture.shape[:2]) // size)
    if factor == 1:
        return np.array(picture)
    height, width = picture.shape[0] // factor, picture.shape[1] // factor
    whole = picture[: height * factor, : width * factor]
    blocks = whole.reshape(height, factor, width, factor, 3)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32).round().astype(np.uint8))
