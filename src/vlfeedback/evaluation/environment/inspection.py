"""One environment, made with pictures, walked in at random, and everything about it looked at."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from jaxtyping import UInt8

from vlfeedback.errors import InvalidValueError, reason_of
from vlfeedback.evaluation.environment.conduct import (
    look_at_checker,
    look_at_info,
    look_at_limit,
    look_at_seeds,
    look_at_speed,
)
from vlfeedback.evaluation.environment.findings import Finding
from vlfeedback.evaluation.environment.mujoco_view import look_at_cameras, look_at_up
from vlfeedback.evaluation.environment.pictures import look_at_pictures
from vlfeedback.evaluation.environment.spaces import look_at_actions, look_at_observations
from vlfeedback.evaluation.environment.walk import Walk, walk

__all__ = ["Inspection", "inspect_environment"]

_MODE = "rgb_array"
_DECLARE = (
    "Have its class list 'rgb_array' in metadata['render_modes'], take render_mode in __init__, "
    "keep it as self.render_mode, and return a picture from render()."
)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found in an environment.

    Attributes:
        env_id: that was made.
        findings: in the order in which they were looked into.
        pictures: (H, W, 3) uint8 each, of the reset and after each step; empty where there are
            none that could be read.
        begins: which of the pictures are those of a reset.
    """

    env_id: str
    findings: tuple[Finding, ...]
    pictures: tuple[UInt8[np.ndarray, "_H _W 3"], ...] = ()
    begins: tuple[int, ...] = ()

    @property
    def is_usable(self) -> bool:
        """Whether nothing that was found is a problem."""
        return all(finding.state != "problem" for finding in self.findings)


def inspect_environment(
    env_id: str, *, env_options: Mapping[str, Any] | None = None, n_steps: int = 20, seed: int = 0
) -> Inspection:
    """Make an environment, take random steps in it, and say what is right and wrong with it.

    Looked into are: render modes, spaces, pictures (type, size, empty, frozen, upside-down), time
    limit, what `info` says of success, seeds, speed, and Gymnasium's own `check_env`. Whatever the
    environment raises becomes a finding.

    Args:
        env_id: a Gymnasium id, with the module that registers it before a colon where importing
            that is needed: ``"my_package:MyEnv-v0"``.
        env_options: keyword arguments of the environment.
        n_steps: random steps, at least 1.
        seed: of the reset and the actions, 0 or more.

    Raises:
        InvalidValueError: `n_steps` or `seed` is too small.

    >>> [(found.subject, found.state) for found in inspect_environment("NoSuchEnv-v0").findings]
    [('made', 'problem')]
    """
    if n_steps < 1 or seed < 0:
        raise InvalidValueError(
            f"n_steps={n_steps} and seed={seed}; expected at least one step, and a seed of 0 or "
            "more."
        )
    options = dict(env_options or {})
    env, findings = _made(env_id, options)
    if env is None:
        return Inspection(env_id, tuple(findings))
    with closing(env):
        pictured = env.render_mode == _MODE
        seen = walk(env, seed=seed, n_steps=n_steps, pictured=pictured)
        findings += [
            look_at_observations(env.observation_space),
            look_at_actions(env.action_space),
            *seen.faults,
        ]
        if seen.pictures:
            findings += [*look_at_cameras(env, options), *look_at_pictures(seen)]
        if all(fault.subject == "pictures" for fault in seen.faults):
            findings += _conduct(env, seen, seed=seed)
    return Inspection(env_id, tuple(findings), tuple(seen.pictures), tuple(seen.begins))


def _conduct(env: gym.Env[Any, Any], seen: Walk, *, seed: int) -> list[Finding]:
    """How an environment behaves that can be reset, stepped, and drawn where it renders."""
    again = walk(
        env,
        seed=seed,
        n_steps=len(seen.actions),
        actions=seen.actions,
        pictured=bool(seen.pictures),
    )
    upright = [look_at_up(env)] if seen.pictures else []
    return [
        *upright,
        look_at_limit(env),
        look_at_info(seen.info),
        look_at_seeds(seen, again),
        look_at_speed(seen),
        look_at_checker(env),
    ]


def _made(env_id: str, options: dict[str, Any]) -> tuple[gym.Env[Any, Any] | None, list[Finding]]:
    """The environment, with pictures where it gives any; None where it cannot be made."""
    subject = "render modes"
    try:
        env = gym.make(env_id, render_mode=_MODE, disable_env_checker=True, **options)
    except (gym.error.UnregisteredEnv, ModuleNotFoundError) as error:
        advice = (
            "Give an id that is registered, with the module that registers it before a colon: "
            "'minigrid:MiniGrid-Empty-5x5-v0'; and install its package."
        )
        return None, [Finding("made", "problem", reason_of(error), advice)]
    except Exception as error:  # an environment of others may fail in any way
        try:
            env = gym.make(env_id, disable_env_checker=True, **options)
        except Exception:  # see above: pictures are not what it fails at
            advice = "Have gym.make(...) work first; look at the keyword arguments."
            return None, [Finding("made", "problem", reason_of(error), advice)]
        wrong = f"not made with render_mode='rgb_array': {reason_of(error)}"
        return env, [Finding(subject, "problem", wrong, _DECLARE)]
    modes = list(env.metadata.get("render_modes") or [])
    if env.render_mode != _MODE:
        wrong = f"render_mode is {env.render_mode!r} though 'rgb_array' was asked for; it has"
    elif _MODE not in modes:
        wrong = "'rgb_array' is not among its render modes"
    else:
        return env, [Finding(subject, "ok", ", ".join(map(str, modes)))]
    return env, [Finding(subject, "problem", f"{wrong}: {modes}", _DECLARE)]
