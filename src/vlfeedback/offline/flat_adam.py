"""Adam over one flat tensor: one fused step, at a rate that depends on the steps taken alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

__all__ = ["FlatAdam", "falling_cosine", "linear_warmup"]

_BETAS, _EPSILON = (0.9, 0.999), 1e-8  # torch's

Schedule = Callable[[int], float]
"""Factor on the learning rate, given how many steps were taken before."""


class FlatAdam(nn.Module):
    """Adam of torch, fused, without what `torch.optim.Adam` does in Python at every step.

    Moments and count are part of its ``state_dict``.

    Args:
        parameter: what it updates, with its ``grad``.
        learning_rate: at factor 1.
        schedule: of the rate; None: constant.
    """

    mean: Tensor
    square: Tensor
    steps: Tensor

    def __init__(
        self, parameter: nn.Parameter, learning_rate: float, schedule: Schedule | None = None
    ) -> None:
        super().__init__()
        self._updated = (parameter,)  # in a tuple, since it is part of another module
        self._learning_rate, self._schedule = learning_rate, schedule
        self._held_rate: Tensor | None = None
        self._steps_before = 0  # taken when the rate was first held
        for name in ("mean", "square"):
            self.register_buffer(name, torch.zeros_like(parameter.detach()))
        self.register_buffer("steps", torch.zeros((), device=parameter.device))

    def rate_after(self, n_steps: int) -> float:
        """The learning rate of the step that follows `n_steps`."""
        factor = 1.0 if self._schedule is None else self._schedule(n_steps)
        return self._learning_rate * factor

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return self.rate_after(int(self.steps))

    def hold_rate(self, n_steps: int) -> None:
        """Have steps read the rate from memory: that of the step after `n_steps` more.

        So that a recorded step can be replayed at another rate, without asking the device how
        many it has taken.

        Args:
            n_steps: taken since this was first called.
        """
        if self._held_rate is None:
            self._held_rate = torch.zeros((), device=self.steps.device)
            self._steps_before = int(self.steps)
        self._held_rate.fill_(self.rate_after(self._steps_before + n_steps))

    @torch.no_grad()
    def step(self) -> None:
        """Take one step."""
        (parameter,) = self._updated
        assert parameter.grad is not None
        adam(
            [parameter],
            [parameter.grad],
            [self.mean],
            [self.square],
            [],
            [self.steps],
            fused=True,
            amsgrad=False,
            beta1=_BETAS[0],
            beta2=_BETAS[1],
            lr=self.rate if self._held_rate is None else self._held_rate,
            weight_decay=0.0,
            eps=_EPSILON,
            maximize=False,
        )

    def reset(self) -> None:
        """Forget all moments."""
        for buffer in self.buffers():
            buffer.zero_()


def falling_cosine(n_steps: int) -> Schedule | None:
    """From 1 to 0 along half a cosine over so many steps; constant where they are 0."""
    if not n_steps:
        return None
    return lambda taken: 0.5 * (1 + math.cos(math.pi * min(taken / n_steps, 1)))


def linear_warmup(n_steps: int) -> Schedule | None:
    """Up to 1 in equal steps; constant where they are 0."""
    return (lambda taken: min((taken + 1) / n_steps, 1.0)) if n_steps else None
