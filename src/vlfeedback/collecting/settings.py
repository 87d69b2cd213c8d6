"""The settings of a collection: those asked for, and the tasks' defaults for all others."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any

import gymnasium as gym

from vlfeedback.collecting.seeds import MAX_EPISODES
from vlfeedback.errors import InvalidValueError, NeedsError, UnknownNameError
from vlfeedback.setting_types import checked_settings
from vlfeedback.tasks import TaskSpec

__all__ = ["complete_settings", "steps_of", "unusable_settings"]


def _settings(
    *,
    episodes: int,
    horizon: int | None,
    random_actions: str,
    frame_stride: int,
    frame_size: int,
    seed: int,
    medium: str,
    ends: str,
    env_options: dict[str, Any],
) -> None:
    """The settings of a collection, and their types."""


_NAMES = tuple(signature(_settings).parameters)
_WORDS = {
    "random_actions": ("u01", "box"),
    "medium": ("half-way", "near-object"),
    "ends": ("rest", "run-on"),
}


def complete_settings(tasks: Sequence[TaskSpec], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of a collection: `overrides`, and the tasks' defaults for all others.

    Args:
        tasks: with the same defaults.
        overrides: any of ``episodes`` (of a task and level, 1 to 1000), ``horizon`` (steps of an
            episode), ``random_actions`` (of level random: ``"box"``, the whole action space, or
            ``"u01"``), ``frame_stride`` (steps between pictures, 0 for none), ``frame_size``
            (side of stored pictures, px), ``seed`` (0 or more; by default 0), ``medium`` (where a
            medium script stops: ``"half-way"``, or ``"near-object"``, the VLP paper's flag),
            ``ends`` (what a script does once the task is done: ``"rest"``, or ``"run-on"``) and
            ``env_options`` (keyword arguments of the environment, such as
            ``{"hand_starts": "jittered"}``).

    Raises:
        UnknownNameError: there is no such setting, or no such environment.
        InvalidTypeError: a setting is of another type, such as a stride of 2.5.
        InvalidValueError: the tasks have different defaults.
        NeedsError: an environment has no time limit, and no horizon is given.
    """
    overrides = checked_settings(_settings, overrides, of="a collection")
    first, *others = tasks
    for other in others:
        if other.collecting != first.collecting:
            raise InvalidValueError(
                f"{other.name} has settings of its own; collect or evaluate it apart from "
                f"{first.name}."
            )
    own = {name: getattr(first.collecting, name) for name in _NAMES if name != "seed"}
    settings: dict[str, Any] = {**own, "seed": 0, **overrides}
    settings["env_options"] = dict(settings["env_options"])
    if settings["horizon"] is None:
        settings["horizon"] = max(_limit(task) for task in tasks)
    return settings


def unusable_settings(tasks: Sequence[TaskSpec], settings: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with which setting, as sentences; empty if all of them can be used.

    Args:
        tasks: that are to be collected.
        settings: of `complete_settings`.
    """
    problems = {}
    least = {"episodes": 1, "horizon": 1, "frame_stride": 0, "frame_size": 1, "seed": 0}
    for name, smallest in least.items():
        if settings[name] < smallest:
            problems[name] = f"{settings[name]} is too few; expected at least {smallest}."
    if settings["episodes"] > MAX_EPISODES:
        problems["episodes"] = (
            f"{settings['episodes']} episodes; a task and level has {MAX_EPISODES} seeds to "
            "itself. Collect more with another seed, into another folder."
        )
    for name, words in _WORDS.items():
        if settings[name] not in words:
            problems[name] = f"{settings[name]!r}; expected {' or '.join(map(repr, words))}."
    for task in tasks:
        problems |= _unusable_for(task, settings)
    return problems


def _unusable_for(task: TaskSpec, settings: Mapping[str, Any]) -> dict[str, str]:
    problems, made_for = {}, task.collecting
    if made_for.longest is not None and settings["horizon"] > made_for.longest:
        problems["horizon"] = (
            f"{settings['horizon']} steps; {task.name} ends at {made_for.longest}."
        )
    if settings["frame_stride"] < made_for.least_stride:
        problems["frame_stride"] = (
            f"Episodes of {task.name} come with pictures; expected at least "
            f"{made_for.least_stride}."
        )
    of_scripts = {"random_actions": "u01", "medium": "near-object", "ends": "run-on"}
    for name, word in of_scripts.items():
        if settings[name] == word and not task.rollout:
            other = next(other for other in _WORDS[name] if other != word)
            problems[name] = (
                f"{word!r} is of scripts that know it, and {task.name} has none; expected "
                f"{other!r}."
            )
    return problems


def steps_of(env_id: str) -> int | None:
    """The time limit of a Gymnasium id, in steps; None if it has none.

    Raises:
        UnknownNameError: nothing is registered under this id.
    """
    module, _, bare = env_id.rpartition(":")
    try:
        if module:
            importlib.import_module(module)
        return gym.spec(bare).max_episode_steps
    except (ModuleNotFoundError, gym.error.Error) as error:
        raise UnknownNameError(
            f"No environment {env_id!r}: {str(error).rstrip('.?')}. Give a registered Gymnasium "
            "id, with the module that registers it before a colon: 'my_package:MyEnv-v0'."
        ) from error


def _limit(task: TaskSpec) -> int:
    steps = steps_of(task.env_id)
    if steps is None:
        raise NeedsError(
            f"{task.env_id!r} has no time limit; say how many steps an episode of {task.name} has "
            "(horizon)."
        )
    return steps
