"""The optimiser that all stages of the VLP model's training share."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from vlfeedback.models.vlp.settings import VLPTraining

__all__ = ["Optimiser"]


class Optimiser:
    """AdamW with warm-up and cosine decay to zero; matrices alone decay.

    Args:
        parameters: what is trained.
        training: for weight decay and warm-up.
    """

    def __init__(
        self,
        parameters: list[nn.Parameter],
        training: VLPTraining,
    ) -> None:
        self._parameters, self._warmup = parameters, training.warmup
        groups = [
            {
                "params": [p for p in parameters if p.ndim > 1],
                "weight_decay": training.weight_decay,
            },
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.adam = torch.optim.AdamW(groups)
        self._steps, self._done, self._learning_rate = 1, 0, 0.0

    def begin(self, steps: int, learning_rate: float, n_done: int = 0) -> None:
        """Begin with so many steps anew, or go on after the first `n_done` of them.

        Args:
            steps: how many there will be.
            learning_rate: after the warm-up.
            n_done: of them.
        """
        self._steps, self._done, self._learning_rate = steps, n_done, learning_rate
        if n_done == 0:
            self.adam.state.clear()

    def step(self, loss: Tensor) -> None:
        """Take one gradient step on this loss."""
        warm = min(1.0, (self._done + 1) / self._warmup)
        factor = warm * 0.5 * (1.0 + math.cos(math.pi * self._done / self._steps))
        for group in self.adam.param_groups:
            group["lr"] = self._learning_rate * factor
        self.adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self.adam.step()
        self._done += 1
