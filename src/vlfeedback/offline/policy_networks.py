"""Networks of the preference learners: an MLP that trains fast on a CPU, and the policy on it.

A batch is thousands of rows, so element-wise steps cost as much as matrix products. Dropout and
ReLU are therefore one operation here, with random bytes for the mask; and the products between
hidden layers may be taken in bfloat16 while training. Acting is always float32 without dropout.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vlfeedback.errors import ShapeError

__all__ = ["MLP", "PolicyNetwork", "vector_size"]

_LOG_STD_RANGE = (-5.0, 2.0)  # IPL's code


def vector_size(observation_shape: Sequence[int]) -> int:
    """D of observations (D,).

    Raises:
        ShapeError: they are no vectors.
    """
    if len(observation_shape) != 1:
        raise ShapeError(
            f"Observations have shape {tuple(observation_shape)}; expected vectors (D,). Encode "
            "pictures first, or use an algorithm of d3rlpy's own."
        )
    return observation_shape[0]


class MLP(nn.Module):
    """Linear layers with dropout and ReLU between them.

    Args:
        sizes: widths, input and output included.
        generator: draws the weights, and the dropout masks of training.
        dropout: share of hidden units left out in training, to the nearest 1/256; between Linear
            and ReLU, as in CPL's code.
        bfloat16: take products between hidden layers in bfloat16 while training; input and
            output stay in float32, where observations differ by millimetres.

    Weights are orthogonal with gain 1 and biases zero, as in CPL's code.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        generator: torch.Generator,
        dropout: float = 0.0,
        bfloat16: bool = False,
    ) -> None:
        super().__init__()
        layers = list(map(nn.Linear, sizes[:-1], sizes[1:]))
        for layer in layers:
            nn.init.orthogonal_(layer.weight, generator=generator)
            nn.init.zeros_(layer.bias)
        self.layers = nn.ModuleList(layers)
        self.generator = generator
        self.dropout = dropout
        self.fast_dtype = torch.bfloat16 if bfloat16 else torch.float32

    def forward(self, rows: Float[Tensor, "M D"]) -> Float[Tensor, "M E"]:
        """Outputs of the last layer, float32."""
        dtype = self.fast_dtype if self.training else torch.float32
        first, *between, last = (cast(nn.Linear, layer) for layer in self.layers)
        hidden = self._activate(first(rows).to(dtype))
        for layer in between:
            products = functional.linear(hidden, layer.weight.to(dtype), layer.bias.to(dtype))
            hidden = self._activate(products)
        outputs: Tensor = last(hidden.float())
        return outputs

    def _activate(self, rows: Tensor) -> Tensor:
        if self.training and self.dropout > 0:
            active: Tensor = _DropoutReLU.apply(rows, self.dropout, self.generator)
            return active
        return functional.relu(rows)


class _DropoutReLU(torch.autograd.Function):
    """Dropout, then ReLU: one random byte an entry, and only the output is kept for later."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, rate: float, generator: torch.Generator) -> Tensor:
        n, left_out = rows.numel(), round(256 * rate)
        words = torch.empty(math.ceil(n / 8), dtype=torch.int64, device=generator.device)
        draws = words.random_(-(2**63), None, generator=generator).view(torch.uint8)[:n]
        mask = (draws >= left_out).to(device=rows.device, dtype=rows.dtype)
        ctx.scale = 256 / (256 - left_out)
        active = functional.relu(rows).mul_(mask.view(rows.shape)).mul_(ctx.scale)
        ctx.save_for_backward(active)
        return active

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (active,) = ctx.saved_tensors
        row_gradient = torch.ops.aten.threshold_backward(gradient, active, 0)
        return row_gradient.mul_(ctx.scale), None, None


class PolicyNetwork(nn.Module):
    """A policy with mean tanh(MLP): deterministic, or Gaussian around it.

    Args:
        observation_size: D.
        action_size: A.
        hidden: widths of the hidden layers.
        gaussian: learn a standard deviation for each action entry, the same in all states, its
            logarithm from 0 and within [-5, 2]; the Gaussian is not squashed.
        generator: as in `MLP`.
        dropout: as in `MLP`.
        bfloat16: as in `MLP`.

    Source: CPL's code (deterministic) and IPL's code (Gaussian).
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        hidden: Sequence[int],
        *,
        gaussian: bool,
        generator: torch.Generator,
        dropout: float,
        bfloat16: bool,
    ) -> None:
        super().__init__()
        self.mlp = MLP(
            [observation_size, *hidden, action_size],
            generator=generator,
            dropout=dropout,
            bfloat16=bfloat16,
        )
        self.log_std = nn.Parameter(torch.zeros(action_size)) if gaussian else None

    def forward(self, observations: Float[Tensor, "M D"]) -> Float[Tensor, "M A"]:
        """Mean actions, in (-1, 1)."""
        return torch.tanh(self.mlp(observations))

    def log_prob(
        self, observations: Float[Tensor, "M D"], actions: Float[Tensor, "M A"]
    ) -> Float[Tensor, " M"]:
        """Log-likelihood; of the deterministic policy -|mu(s) - a|^2, summed over action entries.

        Source: CPL's code; that is a Gaussian of unit variance up to constants, without the 1/2.
        """
        squares: Tensor = (self(observations) - actions).square()
        if self.log_std is None:
            return -squares.sum(dim=-1)
        log_std = self.log_std.clamp(*_LOG_STD_RANGE)
        terms = 0.5 * squares * torch.exp(-2 * log_std) + log_std + 0.5 * math.log(2 * math.pi)
        return -terms.sum(dim=-1)

    def sample(
        self, observations: Float[Tensor, "M D"], generator: torch.Generator
    ) -> Float[Tensor, "M A"]:
        """Actions to explore with, in [-1, 1]; of the deterministic policy its means."""
        means: Tensor = self(observations)
        if self.log_std is None:
            return means
        std = self.log_std.clamp(*_LOG_STD_RANGE).exp().to(generator.device)
        noise = torch.randn(means.shape, generator=generator, device=generator.device)
        return (means + (std * noise).to(means.device)).clamp(-1, 1)
