"""What an environment's observations and actions are taken by, and what they need first."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from vlfeedback.evaluation.environment.findings import Finding
from vlfeedback.wrappers.flat_observations import ARRAY_SPACES, array_parts, text_keys

__all__ = ["look_at_actions", "look_at_observations"]


def look_at_observations(space: gym.Space[Any]) -> Finding:
    """Who can read observations of this space."""
    subject, described = "observations", _described(space)
    if isinstance(space, ARRAY_SPACES):
        return Finding(subject, "ok", described)
    n_numbers = sum(gym.spaces.flatdim(part) for _, part in array_parts(space))
    if not n_numbers:
        return Finding(
            subject,
            "note",
            f"{described}: no part of it is an array",
            "Rewards from pictures need none. To learn and to collect, give arrays: "
            "gymnasium.wrappers.TransformObservation.",
        )
    advice = (
        "collect and train --online store its arrays as one vector, FlatObservations(env). "
        "stable-baselines3 takes that, or a Dict of arrays by 'MultiInputPolicy'."
    )
    texts = text_keys(space)
    if texts:
        advice += f" Texts are left out; instruction_key={texts[0]!r} tells one to the source."
    return Finding(subject, "note", f"{described}: {n_numbers} numbers", advice)


def look_at_actions(space: gym.Space[Any]) -> Finding:
    """Who can take actions of this space."""
    subject, described = "actions", _described(space)
    if isinstance(space, gym.spaces.Box):
        if not space.is_bounded():
            return Finding(
                subject,
                "note",
                f"{described} has no bounds, and random actions are as wild as a Gaussian",
                "Give it bounds: gymnasium.wrappers.ClipAction, or a Box with finite ends.",
            )
        if np.min(space.low) < -1 or np.max(space.high) > 1:
            return Finding(
                subject,
                "note",
                f"{described} reaches beyond [-1, 1], where policies of recorded data act",
                "Register it with gymnasium.wrappers.RescaleAction(env, -1.0, 1.0) to train "
                "offline; stable-baselines3 rescales by itself.",
            )
        return Finding(subject, "ok", described)
    if isinstance(space, ARRAY_SPACES):
        return Finding(
            subject,
            "note",
            described,
            "DQN (Discrete alone) and PPO of stable-baselines3 take it; train and train --online "
            "act in a Box alone.",
        )
    return Finding(
        subject,
        "problem",
        f"{described}: no learner and no recording takes such actions",
        "Wrap it in a gymnasium.ActionWrapper whose action_space is a Box or Discrete.",
    )


def _described(space: gym.Space[Any]) -> str:
    """A space in a few words: a large box's ends are left out."""
    if isinstance(space, gym.spaces.Box):
        low, high = float(np.min(space.low)), float(np.max(space.high))
        return f"Box {space.shape} {space.dtype} in [{low:g}, {high:g}]"
    if isinstance(space, gym.spaces.Dict):
        return "Dict(" + ", ".join(f"{key}: {_described(s)}" for key, s in space.items()) + ")"
    if isinstance(space, gym.spaces.Tuple):
        return "Tuple(" + ", ".join(map(_described, space.spaces)) + ")"
    if isinstance(space, gym.spaces.Text):
        return "Text"
    text = str(space)
    return text if len(text) <= 60 else type(space).__name__
