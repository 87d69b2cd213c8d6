"""Equal small networks side by side, with forward and backward written out.

Networks of two layers of 256 are so small that on a CPU autograd, and an optimiser that visits
tensor after tensor, take longer than the arithmetic. Here all parameters are one flat tensor,
which one fused Adam step updates, and K networks are one batched matrix product.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["StackedMLP"]


class StackedMLP(nn.Module):
    """K networks of linear layers with ReLU between them.

    Args:
        n_networks: K.
        sizes: widths, input and output included.
        generator: draws weights and biases as torch's `nn.Linear` does, and dropout masks.
        dropout: share of hidden units left out by `activations`; between Linear and ReLU, as in
            CPL's code.
        device: where it computes.
    """

    def __init__(
        self,
        n_networks: int,
        sizes: Sequence[int],
        *,
        generator: torch.Generator,
        dropout: float = 0.0,
        device: str = "cpu",
    ) -> None:
        super().__init__()
        self._shapes = [
            shape for n, m in pairwise(sizes) for shape in ((n_networks, m, n), (n_networks, 1, m))
        ]
        parts = []
        for n, m in pairwise(sizes):
            bound = 1 / math.sqrt(n)
            uniform = torch.rand(n_networks * m * (n + 1), generator=generator)
            parts.append((2 * uniform - 1) * bound)
        self.flat = nn.Parameter(torch.cat(parts).to(device))
        self._dropout = dropout
        self._generator = generator
        self._bind()

    def forward(self, rows: Float[Tensor, "B D"]) -> Float[Tensor, "K B E"]:
        """Outputs of all networks, without dropout."""
        hidden = rows.expand(self._shapes[0][0], *rows.shape)
        *between, (weight, bias) = self.layers
        for w, b in between:
            hidden = torch.baddbmm(b, hidden, w.mT).relu_()
        return torch.baddbmm(bias, hidden, weight.mT)

    @torch.no_grad()
    def activations(self, rows: Float[Tensor, "B D"]) -> list[Float[Tensor, "K B _"]]:
        """Inputs of each layer, and last the outputs; with dropout. `backward` takes them."""
        inputs = [rows.expand(self._shapes[0][0], *rows.shape)]
        for w, b in self.layers[:-1]:
            hidden = torch.baddbmm(b, inputs[-1], w.mT).relu_()
            inputs.append(self._drop(hidden) if self._dropout else hidden)
        weight, bias = self.layers[-1]
        return [*inputs, torch.baddbmm(bias, inputs[-1], weight.mT)]

    @torch.no_grad()
    def backward(
        self, activations: Sequence[Float[Tensor, "K B _"]], gradient: Float[Tensor, "K B E"]
    ) -> None:
        """Write the gradient of all parameters, given that of the outputs, to ``flat.grad``.

        Unlike autograd it does not add to what is there.
        """
        for i in reversed(range(len(self.layers))):
            inputs, (weight_gradient, bias_gradient) = activations[i], self._gradients[i]
            torch.bmm(gradient.mT, inputs, out=weight_gradient)
            torch.sum(gradient, dim=1, keepdim=True, out=bias_gradient)
            if i > 0:
                gradient = torch.bmm(gradient, self.layers[i][0])
                # Zero where ReLU or dropout gave zero: both are seen in the layer's input.
                gradient = torch.ops.aten.threshold_backward(gradient, inputs, 0)
                if self._dropout:
                    gradient.mul_(1 / (1 - self._dropout))

    def _drop(self, hidden: Tensor) -> Tensor:
        draws = torch.rand(hidden.shape, generator=self._generator).to(hidden.device)
        return hidden.mul_(draws >= self._dropout).mul_(1 / (1 - self._dropout))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> StackedMLP:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # moves the flat tensor; the views follow it
        self._bind()
        return self

    def _bind(self) -> None:
        self.flat.grad = torch.zeros_like(self.flat)
        self.layers = self._views(self.flat.detach())
        self._gradients = self._views(self.flat.grad)

    def _views(self, flat: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Weights (K, m, n) and biases (K, 1, m) of each layer, in place."""
        parts = flat.split([math.prod(shape) for shape in self._shapes])
        views = [part.view(shape) for part, shape in zip(parts, self._shapes, strict=True)]
        return list(zip(views[::2], views[1::2], strict=True))
