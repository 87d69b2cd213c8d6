"""How an environment behaves: when episodes end, what it tells, whether seeds count, how fast."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
from gymnasium.utils.env_checker import check_env, data_equivalence

from vlfeedback.errors import reason_of
from vlfeedback.evaluation.environment.findings import Finding
from vlfeedback.evaluation.environment.pictures import are_alike
from vlfeedback.evaluation.environment.walk import Walk

__all__ = [
    "look_at_checker",
    "look_at_info",
    "look_at_limit",
    "look_at_seeds",
    "look_at_speed",
]

_SLOW = 0.1  # seconds a picture: 100,000 of them take hours
_SUCCESS = ("success", "is_success")
# Of the way it is looked at here, of MuJoCo's endless boxes, and of actions: see `spaces`.
_NOT_WORTH_A_NOTE = ("the unwrapped version", "infinity", "symmetric and normalized")
_COLOUR = re.compile(r"\x1b\[\d+m(WARN: )?")  # of Gymnasium's warnings


def look_at_limit(env: gym.Env[Any, Any]) -> Finding:
    """Whether episodes end by themselves at the latest after so many steps."""
    subject, inner = "time limit", env.unwrapped
    spec_limit = env.spec.max_episode_steps if env.spec is not None else None
    if spec_limit is not None:
        return Finding(subject, "ok", f"{spec_limit} steps")
    # Names by which environments count themselves: MiniGrid, Meta-World and others.
    for name in ("max_steps", "max_episode_steps", "max_path_length", "_max_episode_steps"):
        own = getattr(inner, name, None)
        if isinstance(own, int) and own > 0:
            return Finding(
                subject,
                "note",
                f"none by gym.make; the environment has {name}={own} of its own",
                f"Say so to recorders: max_episode_steps={own} of gym.make or gym.register, "
                f"collect --horizon {own}.",
            )
    return Finding(
        subject,
        "note",
        "none: an episode that nothing ends goes on for ever",
        "Give one: max_episode_steps=... of gym.make or gym.register, collect --horizon. Sources "
        "that score whole episodes never pay without an end.",
    )


def look_at_info(info: Mapping[str, Any]) -> Finding:
    """Whether a step's `info` says that the task is done."""
    found = [key for key in _SUCCESS if key in info]
    if found == ["is_success"]:
        return Finding("success", "ok", "info['is_success']: collect --success-key is_success")
    if found:
        return Finding("success", "ok", "info['success']")
    said = ", ".join(map(repr, info)) or "nothing"
    return Finding(
        "success",
        "note",
        f"info has neither 'success' nor 'is_success'; it has {said}",
        "If another key says so, collect --success-key KEY. If none does, episodes are judged by "
        "the environment's reward alone.",
    )


def look_at_seeds(first: Walk, second: Walk) -> Finding:
    """Whether two walks by the same seed and actions are the same.

    Args:
        first: of the environment.
        second: of the same one, later.
    """
    subject = "seeds"
    advice = (
        "Call super().reset(seed=seed) and draw from self.np_random alone, for what is drawn in "
        "pictures too."
    )
    if not data_equivalence(first.observations[0], second.observations[0], exact=True):
        wrong = "the same seed gives another first observation"
        return Finding(subject, "problem", wrong, advice)
    pictured = first.pictures and second.pictures
    if pictured and not are_alike(first.pictures[0], second.pictures[0]):
        wrong = "the same seed gives the same first observation and another first picture"
        stale = "Or render() shows what was there before the reset: draw after it."
        return Finding(subject, "problem", wrong, f"{advice} {stale}")
    pairs = zip(first.observations, second.observations, strict=False)
    same_length = len(first.observations) == len(second.observations)
    if not (same_length and all(data_equivalence(a, b, exact=True) for a, b in pairs)):
        return Finding(
            subject,
            "note",
            "episodes begin alike, and go apart under the same actions",
            f"Episodes cannot be repeated by their seeds. {advice}",
        )
    return Finding(subject, "ok", "the same seed and actions give the same episode")


def look_at_speed(seen: Walk) -> Finding:
    """Medians of the time that a step and a picture take."""
    step, picture = seen.seconds
    detail = f"{1000 * step:.3g} ms a step"
    if math.isnan(picture):
        return Finding("speed", "ok", detail)
    minutes = 100_000 * (step + picture) / 60
    detail += (
        f", {1000 * picture:.3g} ms a picture; 100,000 steps with a picture each: {minutes:.0f} min"
    )
    if picture <= _SLOW:
        return Finding("speed", "ok", detail)
    return Finding(
        "speed",
        "note",
        detail,
        "Take smaller pictures, or a source with a frame_stride, which reads fewer of them.",
    )


def look_at_checker(env: gym.Env[Any, Any]) -> Finding:
    """What `gymnasium.utils.env_checker.check_env` says; pictures were looked at before."""
    subject = "check_env"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            check_env(env.unwrapped, skip_render_check=True, skip_close_check=True)
        except Exception as error:  # it raises whatever the environment does, and AssertionError
            if "share an object" in str(error):
                return Finding(
                    subject,
                    "note",
                    "one step's observation shares an array with the next one's: whoever keeps it "
                    "keeps the newest",
                    "TransformObservation(env, copy.deepcopy, env.observation_space) of "
                    "gymnasium.wrappers; collect copies by itself.",
                )
            advice = "Mend it: learners rely on it. gymnasium.utils.env_checker.check_env repeats."
            return Finding(subject, "problem", reason_of(error), advice)
    said = list(dict.fromkeys(_COLOUR.sub("", str(w.message)).strip() for w in caught))
    said = [text for text in said if not any(part in text for part in _NOT_WORTH_A_NOTE)]
    if said:
        more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
        return Finding(
            subject,
            "note",
            f"{said[0]}{more}",
            "Advice of Gymnasium's: gymnasium.utils.env_checker.check_env(env) shows all of it.",
        )
    return Finding(subject, "ok", "no complaints")
