"""Makes the scorer of a wrapper's environments, and refuses early what cannot work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from vlfeedback.arguments import reward_source
from vlfeedback.errors import InvalidTypeError, NeedsError, RenderError
from vlfeedback.rewards import make_reward_source
from vlfeedback.scoring.live import LiveScorer
from vlfeedback.types import RewardSource
from vlfeedback.wrappers.flat_observations import ARRAY_SPACES

__all__ = ["live_scorer", "resolve_source"]


def resolve_source(
    source: str | RewardSource, *, device: str, config: Mapping[str, Any] | None
) -> RewardSource:
    """The source of this id, or the given source itself.

    Raises:
        UnknownNameError: no source has this id.
        InvalidTypeError: `source` is neither an id nor a source, or a live source came with a
            config.
    """
    if isinstance(source, str):
        return make_reward_source(source, device=device, **(config or {}))
    source = reward_source(source)
    if config:
        raise InvalidTypeError(
            f"source_config={dict(config)!r} came with a live {type(source).__name__}; configure "
            "it when it is made, or pass a source's id."
        )
    return source


def live_scorer(
    source: RewardSource,
    *,
    instructions: Sequence[str | None],
    render_mode: str | None,
    observation_space: gym.Space[Any],
    action_space: gym.Space[Any],
    score_reset: bool,
    told_by_reset: bool = False,
) -> LiveScorer:
    """A scorer of N environments; see `LiveScorer`.

    Args:
        source: what scores.
        instructions: N of them, told to the source.
        render_mode: of the environments.
        observation_space: of one environment.
        action_space: of one environment.
        score_reset: also score the window at a reset.
        told_by_reset: each reset will say what the instruction is.

    Raises:
        NeedsError: the source reads an instruction and one is missing, or observations or actions
            that are no arrays.
        InvalidTypeError: an instruction is no text.
        RenderError: it reads pictures and the environment was not made with
            ``render_mode="rgb_array"``.
    """
    name, needs = type(source).__name__, source.needs
    for instruction in instructions:
        if instruction is not None and not isinstance(instruction, str):
            raise InvalidTypeError(
                f"An instruction is {instruction!r}; expected a text. A list of them, one for each "
                "environment, is taken by VectorRewardFromSource."
            )
        if needs.instruction and not told_by_reset and not (instruction or "").strip():
            raise NeedsError(
                f"{name} reads an instruction; got instruction={instruction!r}. "
                'Pass instruction="close the drawer", or whatever the task is; or, where the '
                "environment itself says it, instruction_key=<entry of its observation or info>."
            )
    if needs.frames and render_mode != "rgb_array":
        raise RenderError(
            f"{name} reads pictures and this environment has render_mode={render_mode!r}; make it "
            "with gym.make(..., render_mode='rgb_array')."
        )
    for arrays, reads, space in (
        ("observations", needs.observations, observation_space),
        ("actions", needs.actions, action_space),
    ):
        if reads and not isinstance(space, ARRAY_SPACES):
            raise NeedsError(
                f"{name} reads {arrays} as arrays and this space is {space}; flatten observations "
                "with vlfeedback.wrappers.FlatObservations, and others with a wrapper of yours."
            )
    return LiveScorer(
        source,
        instructions=instructions,
        idle_action=np.zeros(action_space.shape or (), action_space.dtype or np.float64),
        score_reset=score_reset,
    )
