"""Equal small networks side by side, with forward and backward written out.

Networks of two layers of 256 are so small that on a CPU autograd, and an optimiser that visits
tensor after tensor, take longer than the arithmetic. Here the parameters of each network are one
row of one tensor, which one fused Adam step updates, and K networks are one batched matrix product.
The networks may be those of several runs of a learner, each of which has its own rows and its own
random numbers, so that a run comes out as it would alone, up to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

__all__ = ["StackedMLP"]


class StackedMLP(nn.Module):
    """K networks of linear layers with ReLU between them: J for each of R runs, K = R J.

    Args:
        sizes: widths, input and output included.
        generators: one a run; each draws its run's weights and biases as torch's `nn.Linear`
            does, and on a CPU its dropout masks; on another device masks come from there.
        n_members: J, networks of a run, all of which see its rows.
        orthogonal: weights are orthogonal with gain 1 and biases zero instead, as in CPL's code.
        dropout: share of hidden units left out by `activations`, to the nearest 1/256; between
            Linear and ReLU, as in CPL's code.
        n_extra: further parameters of each network, zero at first, for whoever has a use for them.
        bfloat16: take products between hidden layers in bfloat16 while training; input and
            output stay in float32, where observations differ by millimetres.
        device: where it computes.

    Rows are (R, B, D), or (B, D) for all networks alike; K counts run by run.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        generators: Sequence[torch.Generator],
        n_members: int = 1,
        orthogonal: bool = False,
        dropout: float = 0.0,
        n_extra: int = 0,
        bfloat16: bool = False,
        device: str = "cpu",
    ) -> None:
        super().__init__()
        self.n_members = n_members
        self._shapes = [shape for n, m in pairwise(sizes) for shape in ((m, n), (1, m))]
        self._n_extra = n_extra
        draw = _orthogonal if orthogonal else _uniform
        drawn = torch.cat([draw(n_members, sizes, generator) for generator in generators])
        extra = torch.zeros(len(drawn), n_extra)
        self.flat = nn.Parameter(torch.cat([drawn, extra], dim=1).to(device))
        self._left_out = round(256 * dropout)
        self._scale = 256 / (256 - self._left_out)
        self.in_bfloat16 = bfloat16
        self._generators = generators
        self.mask_generator: torch.Generator | None = None
        if torch.device(device).type != "cpu":
            seed = generators[0].initial_seed()
            self.mask_generator = torch.Generator(device).manual_seed(seed)
        self._buffers_by_use: dict[object, tuple[Tensor, Tensor]] = {}
        self._bind()

    def forward(self, rows: Float[Tensor, "*R B D"]) -> Float[Tensor, "K B E"]:
        """Outputs of all networks, without dropout."""
        hidden = self._spread(rows)
        for i in range(len(self.layers) - 1):
            hidden = self._product(i, hidden, 1.0, ("forward", i % 2)).relu_()
        return self._outputs(hidden)

    @torch.no_grad()
    def activations(
        self, rows: Float[Tensor, "*R B D"], counts: Int64[Tensor, " R"] | None = None
    ) -> list[Float[Tensor, "K B _"]]:
        """Inputs of each layer, and last the outputs; with dropout. `backward` takes them.

        They are overwritten by the next call.

        Args:
            rows: inputs.
            counts: of each run, how many of its rows count; on a CPU masks are drawn for those
                alone.
        """
        inputs = [self._spread(rows)]
        for i in range(len(self.layers) - 1):
            hidden = self._product(i, inputs[-1], self._scale, ("hidden", i)).relu_()
            inputs.append(hidden.mul_(self._mask(hidden, counts)) if self._left_out else hidden)
        return [*inputs, self._outputs(inputs[-1])]

    @torch.no_grad()
    def backward(
        self, activations: Sequence[Float[Tensor, "K B _"]], gradient: Float[Tensor, "K B E"]
    ) -> None:
        """Write the gradient of all parameters, given that of the outputs, to ``flat.grad``.

        Unlike autograd it does not add to what is there.
        """
        for i in reversed(range(len(self.layers))):
            inputs, (weight_gradient, bias_gradient) = activations[i], self._gradients[i]
            weight = self.layers[i][0]
            if self._in_bfloat16(i):
                gradient, weight = gradient.to(torch.bfloat16), self._weight_in_bfloat16(i)
                weight_gradient.copy_(torch.bmm(gradient.mT, inputs))
            else:
                gradient = gradient.float()
                torch.bmm(gradient.mT, inputs, out=weight_gradient)
            torch.sum(gradient, dim=1, keepdim=True, dtype=torch.float32, out=bias_gradient)
            if i == 0:
                return
            out = self._buffer(("gradient", i % 2), inputs.shape, gradient.dtype)
            gradient = torch.bmm(gradient, weight, out=out)
            # Zero where ReLU or dropout gave zero: both are seen in the layer's input.
            torch.ops.aten.threshold_backward.grad_input(gradient, inputs, 0, grad_input=gradient)
            if self._left_out:
                gradient.mul_(self._scale)

    def by_run(self, outputs: Float[Tensor, "K B E"]) -> Float[Tensor, "R J B E"]:
        """What the networks of each run gave."""
        return outputs.view(-1, self.n_members, *outputs.shape[1:])

    def _spread(self, rows: Float[Tensor, "*R B D"]) -> Float[Tensor, "K B D"]:
        """The rows that each network sees."""
        if rows.ndim == 2:
            return rows.expand(len(self.flat), *rows.shape)
        members = rows[:, None].expand(-1, self.n_members, -1, -1)
        return members.reshape(len(self.flat), *rows.shape[1:])

    def _product(
        self, i: int, inputs: Float[Tensor, "K B D"], scale: float, use: object
    ) -> Float[Tensor, "K B E"]:
        """`scale` times what layer i makes of its inputs, in the type that the next one reads."""
        weight, bias = self.layers[i]
        shape = (*inputs.shape[:2], weight.shape[1])
        if self._in_bfloat16(i):
            weight, bias = self._weight_in_bfloat16(i, anew=True), bias.to(torch.bfloat16)
        out = self._buffer(use, shape, inputs.dtype)
        torch.baddbmm(bias, inputs, weight.mT, beta=scale, alpha=scale, out=out)
        next_dtype = torch.bfloat16 if self._in_bfloat16(i + 1) else torch.float32
        if out.dtype != next_dtype:
            out = self._buffer((use, next_dtype), shape, next_dtype).copy_(out)
        return out

    def _outputs(self, hidden: Float[Tensor, "K B H"]) -> Float[Tensor, "K B E"]:
        weight, bias = self.layers[-1]
        return torch.baddbmm(bias, hidden, weight.mT)

    def _in_bfloat16(self, i: int) -> bool:
        return self.in_bfloat16 and self.training and 0 < i < len(self.layers) - 1

    def _weight_in_bfloat16(self, i: int, *, anew: bool = False) -> Tensor:
        weight = self.layers[i][0]
        rounded = self._buffer(("weight", i), weight.shape, torch.bfloat16)
        return rounded.copy_(weight) if anew else rounded

    def _mask(self, hidden: Tensor, counts: Int64[Tensor, " R"] | None) -> Tensor:
        """1 where a unit is kept, else 0: a random byte each, 8 of which are drawn as one word."""
        n_rows, width = self.n_members * hidden.shape[1], hidden.shape[2]
        n_words = math.ceil(n_rows * width / 8)
        words = self._buffer("words", (len(self._generators), n_words), torch.int64)
        if self.mask_generator is not None:
            words.random_(-(2**63), None, generator=self.mask_generator)
        for r, generator in enumerate(() if self.mask_generator else self._generators):
            n = n_words
            if counts is not None:
                n = math.ceil(self.n_members * int(counts[r]) * width / 8)
            words[r, :n].random_(-(2**63), None, generator=generator)
        draws = words.view(torch.uint8)[:, : n_rows * width].view(hidden.shape)
        mask = self._buffer("mask", hidden.shape, hidden.dtype)
        return torch.ge(draws, self._left_out, out=mask)  # many times as fast as with a bool

    def _buffer(self, use: object, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Memory that is kept, since the system takes long to give it anew for each batch."""
        memory, view = self._buffers_by_use.get(use, (None, None))
        if view is not None and view.shape == shape and view.dtype == dtype:
            return view
        n = math.prod(shape)
        if memory is None or memory.numel() < n or memory.dtype != dtype:
            memory = torch.empty(n, dtype=dtype, device=self.flat.device)
        view = memory[:n].view(*shape)
        self._buffers_by_use[use] = memory, view
        return view

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> StackedMLP:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # moves the flat tensor; the views follow it
        self._buffers_by_use.clear()
        self._bind()
        return self

    def _bind(self) -> None:
        self.flat.grad = torch.zeros_like(self.flat)
        self.layers, self.extra = self._views(self.flat.detach())
        self._gradients, self.extra_gradient = self._views(self.flat.grad)

    def _views(self, flat: Float[Tensor, "K P"]) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
        """Weights (K, m, n) and biases (K, 1, m) of each layer, and what is extra, in place."""
        sizes = [math.prod(shape) for shape in self._shapes]
        *parts, extra = flat.split([*sizes, self._n_extra], dim=1)
        views = [
            part.view(len(flat), *shape) for part, shape in zip(parts, self._shapes, strict=True)
        ]
        return list(zip(views[::2], views[1::2], strict=True)), extra


def _uniform(
    n_networks: int, sizes: Sequence[int], generator: torch.Generator
) -> Float[Tensor, "J P"]:
    parts = []
    for n, m in pairwise(sizes):
        drawn = 2 * torch.rand(n_networks * m * (n + 1), generator=generator) - 1
        weights, biases = (drawn / math.sqrt(n)).split([n_networks * m * n, n_networks * m])
        parts += [weights.view(n_networks, -1), biases.view(n_networks, -1)]
    return torch.cat(parts, dim=1)


def _orthogonal(
    n_networks: int, sizes: Sequence[int], generator: torch.Generator
) -> Float[Tensor, "J P"]:
    networks = []
    for _ in range(n_networks):
        parts = []
        for n, m in pairwise(sizes):
            weight = nn.init.orthogonal_(torch.empty(m, n), generator=generator)
            parts += [weight.flatten(), torch.zeros(m)]
        networks.append(torch.cat(parts))
    return torch.stack(networks)
