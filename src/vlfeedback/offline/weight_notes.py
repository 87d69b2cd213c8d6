"""What the values of a trained policy say of its data, and which steps it imitates for them.

IQL and IPL clone each step with the weight exp(A / temperature). Where A is large beside the
temperature a handful of steps has all the weight, where it is small the policy clones everything,
and a weight that sits on the wrong steps makes a policy that stands still.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64
from torch import Tensor

from vlfeedback.offline.stacked_mlp import StackedMLP

__all__ = ["ShowsSteps", "Steps", "describe_weights", "notes_of_weights", "values_and_weights"]

_ROWS = 8192  # at a time


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """M steps that a learner learns from, in the order of the data.

    Attributes:
        observations: before each action.
        actions: in the data's own units.
        rewards: as the learner sees them; None where it reads none.
        levels: of the trajectories they are of; ``""`` where it is not known.
    """

    observations: Float32[np.ndarray, "M D"]
    actions: Float32[np.ndarray, "M A"]
    rewards: Float32[np.ndarray, " M"] | None
    levels: np.ndarray  # (M,) texts


@runtime_checkable
class ShowsSteps(Protocol):
    """A buffer that shows all it draws from, as `TransitionBuffer` and `PreferenceBuffer` do."""

    def steps(self) -> Steps:
        """Every step with a next state, once."""


def notes_of_weights(algo: Any, buffer: object) -> dict[str, Any]:
    """``{"weights": ...}`` of a trained policy, and nothing where it was not cloned by weights.

    Args:
        algo: a built d3rlpy algorithm; one whose ``impl`` has ``values_and_weights`` is described.
        buffer: what it was fitted on.

    Returns:
        JSON values, see `describe_weights`; and of the rewards, where there are some,
        ``mean_reward`` and ``reward_deviation``.
    """
    look = getattr(algo.impl, "values_and_weights", None)
    if look is None or not isinstance(buffer, ShowsSteps):
        return {}
    steps = buffer.steps()
    device = next(iter(algo.impl.policy.parameters())).device
    parts = []
    for start in range(0, len(steps.observations), _ROWS):
        rows = slice(start, start + _ROWS)
        observations, actions = (
            torch.from_numpy(array[rows]).to(device)
            for array in (steps.observations, steps.actions)
        )
        if algo.config.observation_scaler:
            observations = algo.config.observation_scaler.transform(observations)
        if algo.config.action_scaler:
            actions = algo.config.action_scaler.transform(actions)
        parts.append([part.double().cpu().numpy() for part in look(observations, actions)])
    values, advantages, weights = (np.concatenate(part) for part in zip(*parts, strict=True))
    described = describe_weights(
        values, advantages, weights, max_weight=algo.config.max_weight, levels=steps.levels
    )
    if steps.rewards is not None:
        described["mean_reward"] = float(steps.rewards.mean(dtype=np.float64))
        described["reward_deviation"] = float(steps.rewards.std(dtype=np.float64))
    # JSON has no NaN, which stands for values that diverged.
    return {"weights": {name: _known(value) for name, value in described.items()}}


@torch.no_grad()
def values_and_weights(
    value: StackedMLP,
    critics: StackedMLP,
    observations: Tensor,
    actions: Tensor,
    *,
    scale: float,
    max_weight: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """V, A = min Q - V and min(exp(scale A), max_weight) of each step, all (B,), of one run."""
    values = value(observations)[0, :, 0]
    advantages = critics(torch.cat([observations, actions], dim=1)).amin(dim=0)[:, 0] - values
    return values, advantages, torch.exp(scale * advantages).clamp(max=max_weight)


def describe_weights(
    values: Float64[np.ndarray, " M"],
    advantages: Float64[np.ndarray, " M"],
    weights: Float64[np.ndarray, " M"],
    *,
    max_weight: float,
    levels: np.ndarray,
) -> dict[str, Any]:
    """Figures of the weights by which a policy clones M steps.

    Args:
        values: V of each step's state.
        advantages: Q - V of each.
        weights: exp(advantage / temperature), at most `max_weight`.
        max_weight: at which weights are clipped.
        levels: of the steps' trajectories, texts.

    Returns:
        ``mean_value``, ``mean_advantage``; ``effective_share``, (sum w)^2 / (M sum w^2): 1 where
        all steps weigh the same, 1 / M where one has all the weight; ``clipped``, the share of
        steps at `max_weight`; and by level ``weight_by_level`` and ``steps_by_level``, shares of
        all weight and of all steps.

    >>> zero, two = np.zeros(2), np.array(["expert", "random"])
    >>> told = describe_weights(zero, zero, np.array([3.0, 1.0]), max_weight=100.0, levels=two)
    >>> told["effective_share"], told["weight_by_level"]
    (0.8, {'expert': 0.75, 'random': 0.25})
    """
    names = sorted(set(levels.tolist()))
    of_level: Mapping[str, Bool[np.ndarray, " M"]] = {name: levels == name for name in names}
    with np.errstate(all="ignore"):  # all weights may be zero, or values may have diverged
        total = weights.sum()
        return {
            "mean_value": float(values.mean()),
            "mean_advantage": float(advantages.mean()),
            "effective_share": float(total**2 / (len(weights) * np.square(weights).sum())),
            "clipped": float(np.mean(weights >= max_weight)),
            "weight_by_level": {n: float(weights[of_level[n]].sum() / total) for n in names},
            "steps_by_level": {n: float(of_level[n].mean()) for n in names},
        }


def _known(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _known(part) for name, part in value.items()}
    return value if math.isfinite(value) else None
