"""A few random steps in an environment, with a picture after each, timed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
from jaxtyping import UInt8

from vlfeedback.errors import VLFeedbackError, reason_of
from vlfeedback.evaluation.environment.findings import Finding
from vlfeedback.wrappers.frames import render_picture

__all__ = ["Walk", "walk"]

_OF_SCREEN = "If there is no screen: export MUJOCO_GL=egl (MuJoCo), SDL_VIDEODRIVER=dummy (pygame)."
_WRAP = (
    "Wrap it in a gymnasium.Wrapper whose render() gives one (H, W, 3) uint8 array, RGB, top row "
    "first."
)


@dataclass(slots=True)
class Walk:
    """What was seen on the way.

    Attributes:
        observations: of the reset and after each step, as the environment gave them.
        pictures: (H, W, 3) uint8 of the reset and after each step; fewer after a fault.
        actions: one a step.
        info: of the last step.
        begins: which of the observations are those of a reset.
        step_seconds: of each step.
        picture_seconds: of each picture.
        faults: what failed on the way.
    """

    observations: list[Any] = field(default_factory=list)
    pictures: list[UInt8[np.ndarray, "_H _W 3"]] = field(default_factory=list)
    actions: list[Any] = field(default_factory=list)
    info: dict[str, Any] = field(default_factory=dict)
    begins: list[int] = field(default_factory=list)
    step_seconds: list[float] = field(default_factory=list)
    picture_seconds: list[float] = field(default_factory=list)
    faults: list[Finding] = field(default_factory=list)

    @property
    def seconds(self) -> tuple[float, float]:
        """Median seconds of a step, and of a picture; NaN where there was none."""
        return tuple(  # type: ignore[return-value]
            statistics.median(times) if times else float("nan")
            for times in (self.step_seconds, self.picture_seconds)
        )


def walk(
    env: gym.Env[Any, Any],
    *,
    seed: int,
    n_steps: int,
    actions: Sequence[Any] | None = None,
    pictured: bool = True,
) -> Walk:
    """Take random steps, resetting where an episode ends; what raises ends up in `Walk.faults`.

    Args:
        env: to walk in.
        seed: of the first reset, and of the actions.
        n_steps: at most.
        actions: to take in place of random ones.
        pictured: render after the reset and after every step.
    """
    seen = Walk()
    env.action_space.seed(seed)
    try:
        observation, seen.info = env.reset(seed=seed)
    except Exception as error:  # an environment of others may fail in any way
        seen.faults.append(_raised("reset", error, "Have reset(seed=..., options=...) work first."))
        return seen
    _note(seen, env, observation, began=True, pictured=pictured)
    for number in range(n_steps):
        action = env.action_space.sample() if actions is None else actions[number]
        try:
            began = time.perf_counter()
            observation, _, terminated, truncated, seen.info = env.step(action)
            seen.step_seconds.append(time.perf_counter() - began)
            seen.actions.append(action)
            _note(seen, env, observation, began=False, pictured=pictured)
            if terminated or truncated:
                observation, _ = env.reset()
                _note(seen, env, observation, began=True, pictured=pictured)
        except Exception as error:  # see above
            advice = f"It came at step {number} after action {action!r}; have step() work first."
            seen.faults.append(_raised("step", error, advice))
            break
    return seen


def _note(
    seen: Walk, env: gym.Env[Any, Any], observation: Any, *, began: bool, pictured: bool
) -> None:
    if began:
        seen.begins.append(len(seen.observations))
    # Some environments hand out the array that they go on writing into.
    seen.observations.append(_copied(observation))
    if not pictured or any(fault.subject == "pictures" for fault in seen.faults):
        return
    try:
        start = time.perf_counter()
        picture = render_picture(env)
        seconds = time.perf_counter() - start
    except VLFeedbackError as error:
        wrong, _, advice = str(error).partition(". ")
        seen.faults.append(Finding("pictures", "problem", wrong, f"{advice} {_WRAP}".strip()))
    except Exception as error:  # see `walk`
        missing = isinstance(error, gym.error.DependencyNotInstalled | ImportError)
        advice = "Install what it names." if missing else _OF_SCREEN
        seen.faults.append(_raised("pictures", error, advice, whose="render"))
    else:
        seen.picture_seconds.append(seconds)
        seen.pictures.append(picture.copy())


def _raised(subject: str, error: Exception, advice: str, *, whose: str = "") -> Finding:
    return Finding(subject, "problem", f"{whose or subject}() raised {reason_of(error)}", advice)


def _copied(observation: Any) -> Any:
    if isinstance(observation, dict):
        return {key: _copied(part) for key, part in observation.items()}
    if isinstance(observation, tuple):
        return tuple(map(_copied, observation))
    return observation.copy() if isinstance(observation, np.ndarray) else observation
