"""How long a diffusion policy will train on a CPU, said before it does."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["warn_of_long_training"]

_LONG_SECONDS = 600.0  # our choice
_SHARE = 32  # of a batch is timed first, which costs next to nothing where all is well


def warn_of_long_training(
    network: nn.Module,
    make_inputs: Callable[[int], tuple[Tensor, ...]],
    *,
    batch_size: int,
    n_steps: int,
    advice: str,
) -> None:
    """Warn where `n_steps` will take more than ten minutes; changes nothing of the network.

    Args:
        network: on the CPU that it is trained on.
        make_inputs: its inputs for so many rows.
        batch_size: rows of a step.
        n_steps: gradient steps ahead.
        advice: what is faster, as a sentence; ends the warning.
    """
    n_rows = max(1, batch_size // _SHARE)
    seconds = _time_step(network, make_inputs(n_rows)) * batch_size / n_rows
    if seconds * n_steps > _LONG_SECONDS:  # at most so: much of that is the same for all rows
        seconds = _time_step(network, make_inputs(batch_size))
    if seconds * n_steps <= _LONG_SECONDS:
        return
    hours, per_step = (
        seconds * n_steps / 3600,
        f"{seconds:.2g}" if seconds < 10 else f"{seconds:.0f}",
    )
    warnings.warn(
        f"A step takes about {per_step} s on this CPU, so {n_steps:,} steps take about "
        f"{hours:,.1f} hours. {advice}",
        UserWarning,
        stacklevel=3,
    )


def _time_step(network: nn.Module, inputs: tuple[Tensor, ...]) -> float:
    """Seconds of a forward and a backward pass, after a forward one that is not timed."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    with torch.no_grad():
        network(*(rows[:1] for rows in inputs))
    begin = time.perf_counter()
    torch.autograd.grad(network(*inputs).square().mean(), parameters, allow_unused=True)
    return time.perf_counter() - begin
