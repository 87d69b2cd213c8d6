"""The policy of every learner here: mean tanh(MLP), deterministic or Gaussian around it.

Learners differ in how much they want each action of the data to become likelier: they ask for
log-likelihoods and give back the derivative of their loss by each of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from vlfeedback.errors import ShapeError
from vlfeedback.offline.stacked_mlp import StackedMLP

__all__ = ["Deviation", "PolicyNetwork", "vector_size"]

Deviation = Literal["none", "clamped", "squashed"]
"""Of the Gaussian: none; its logarithm is learnt from 0 and clamped (IPL's code); or squashed into
the range by a sigmoid, from the middle (d3rlpy's IQL)."""

_LOWEST, _HIGHEST = -5.0, 2.0  # logarithm of the deviation, in both


def vector_size(observation_shape: Sequence[int]) -> int:
    """D of observations (D,).

    Raises:
        ShapeError: they are no vectors.
    """
    if len(observation_shape) != 1:
        raise ShapeError(
            f"Observations have shape {tuple(observation_shape)}; expected vectors (D,). Encode "
            "pictures first, have IQL, P-IQL or BC read clouds of points with encoder='pointnet', "
            "or use an algorithm of d3rlpy's own."
        )
    return observation_shape[0]


class PolicyNetwork(nn.Module):
    """The policies of R runs, each with its own rows.

    Args:
        sizes: widths, of observations and actions included.
        deviation: of the Gaussian, one for each action entry and the same in all states; it is
            not squashed to the actions' range.
        **settings: those of `StackedMLP`, of which each run has one.
    """

    def __init__(self, sizes: Sequence[int], *, deviation: Deviation, **settings: Any) -> None:
        super().__init__()
        n_extra = 0 if deviation == "none" else sizes[-1]
        self.mlp = StackedMLP(sizes, n_extra=n_extra, **settings)
        self._deviation = deviation
        self._activations: list[Tensor] = []

    def forward(self, observations: Float[Tensor, "*R M D"]) -> Float[Tensor, "R M A"]:
        """Mean actions, in (-1, 1), without dropout."""
        return torch.tanh(self.mlp(observations))

    def log_std(self) -> Float[Tensor, "R 1 A"] | None:
        """Logarithm of the deviation in each action entry, in [-5, 2]."""
        if self._deviation == "none":
            return None
        raw = self.mlp.extra[:, None]
        if self._deviation == "clamped":
            return raw.clamp(_LOWEST, _HIGHEST)
        return _LOWEST + (_HIGHEST - _LOWEST) * torch.sigmoid(raw)

    @torch.no_grad()
    def log_prob(
        self,
        observations: Float[Tensor, "*R M D"],
        actions: Float[Tensor, "*R M A"],
        counts: Int64[Tensor, " R"] | None = None,
    ) -> Float[Tensor, "R M"]:
        """Log-likelihood; of the deterministic policy -|mu(s) - a|^2, summed over action entries.

        While training with dropout, and `backward` takes its derivative.

        Args:
            observations: states.
            actions: in [-1, 1].
            counts: of each run, how many of its rows count; see `StackedMLP.activations`.

        Source: CPL's code; that is a Gaussian of unit variance up to constants, without the 1/2.
        """
        self._activations = self.mlp.activations(observations, counts) if self.training else []
        outputs = self._activations[-1] if self.training else self.mlp(observations)
        self._mean = torch.tanh(outputs)
        self._error = self._mean - actions
        squares, log_std = self._error.square(), self.log_std()
        if log_std is None:
            return -squares.sum(dim=-1)
        terms = 0.5 * squares * torch.exp(-2 * log_std) + log_std + 0.5 * math.log(2 * math.pi)
        return -terms.sum(dim=-1)

    @torch.no_grad()
    def backward(self, gradient: Float[Tensor, "R M"]) -> None:
        """Write the gradient of all parameters to ``mlp.flat.grad``.

        Args:
            gradient: derivative of the loss by what the latest `log_prob` gave.
        """
        by_mean = self._error * (-gradient[..., None])
        log_std = self.log_std()
        if log_std is None:
            by_mean.mul_(2)
        else:
            precision = torch.exp(-2 * log_std)
            by_mean.mul_(precision)
            per_row = (self._error.square() * precision - 1) * gradient[..., None]
            torch.mul(per_row.sum(dim=1), self._slope(), out=self.mlp.extra_gradient)
        self.mlp.backward(self._activations, by_mean.mul_(1 - self._mean.square()))

    def _slope(self) -> Float[Tensor, "R A"]:
        """Derivative of `log_std` by what is learnt."""
        raw = self.mlp.extra
        if self._deviation == "clamped":
            return ((raw >= _LOWEST) & (raw <= _HIGHEST)).to(raw.dtype)
        share = torch.sigmoid(raw)
        return (_HIGHEST - _LOWEST) * share * (1 - share)

    def sample(
        self, observations: Float[Tensor, "M D"], generator: torch.Generator
    ) -> Float[Tensor, "R M A"]:
        """Actions to explore with, in [-1, 1]; of the deterministic policy its means."""
        means: Tensor = self(observations)
        log_std = self.log_std()
        if log_std is None:
            return means
        noise = torch.randn(means.shape, generator=generator).to(means.device)
        return (means + log_std.exp() * noise).clamp(-1, 1)
