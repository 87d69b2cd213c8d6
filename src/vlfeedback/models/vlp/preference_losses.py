"""Losses of stage 2 of the VLP model's training, from scores of its parts."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from vlfeedback.losses import bradley_terry, language_preferences
from vlfeedback.models.vlp.sampling import Windows
from vlfeedback.models.vlp.settings import VLPTraining

__all__ = ["TaskScores", "direction_loss", "order_loss", "preference_loss", "success_loss"]


class TaskScores(NamedTuple):
    """Scores of B windows of each of K tasks, under two instructions."""

    own: Float[Tensor, "K B"]  # of each task's windows under its instruction
    other: Float[Tensor, "K B"]  # under the instruction of the task before it


def preference_loss(
    scores: TaskScores, windows: Windows, training: VLPTraining
) -> Float[Tensor, ""]:
    """Equation 4 over all pairs of windows of each task, against windows of the next task."""
    first, second, label = _pairs(windows, scores.own.device)
    # The next task's windows were scored under this task's instruction.
    other_task = scores.other.roll(-1, dims=0)
    foreign = other_task.T.unsqueeze(-1).expand(-1, -1, len(first)).flatten(1)
    return language_preferences(
        scores.own[:, first].flatten(),
        scores.own[:, second].flatten(),
        foreign,
        scores.other[:, first].flatten(),
        scores.other[:, second].flatten(),
        label.flatten(),
        ilp_weight=training.ilp_weight,
        ivp_weight=training.ivp_weight,
    )


def order_loss(judged: Float[Tensor, "M KB"], windows: Windows) -> Float[Tensor, ""]:
    """ITP of each of M judges by itself, over all pairs of windows of each task."""
    first, second, label = _pairs(windows, judged.device)
    by_task = judged.float().unflatten(1, windows.prefer_second.shape[:2])
    return bradley_terry(
        by_task[..., first], by_task[..., second], label.expand(len(judged), -1, -1)
    )


def direction_loss(
    forward: Float[Tensor, "M R"], backward: Float[Tensor, "M R"]
) -> Float[Tensor, ""]:
    """That each of R windows that rise, one or more, is better than its reversal."""
    return functional.softplus((backward - forward).float()).mean()


def success_loss(log_odds: Float[Tensor, "KB n"], windows: Windows) -> Float[Tensor, ""]:
    """Cross-entropy of whether the task is done, after each picture."""
    done = windows.done.to(log_odds.device)
    return functional.binary_cross_entropy_with_logits(log_odds.float(), done.float())


def _pairs(
    windows: Windows, device: torch.device
) -> tuple[Int64[Tensor, " Q"], Int64[Tensor, " Q"], Float[Tensor, "K Q"]]:
    n_windows = windows.prefer_second.shape[1]
    first, second = torch.triu_indices(n_windows, n_windows, offset=1)
    return first, second, windows.prefer_second[:, first, second].to(device)
