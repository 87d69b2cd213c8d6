"""Networks that predict the noise in a sequence of actions, given the observations.

Paper:    Chi et al. 2023, Diffusion Policy: a U-Net of 1-D convolutions along time, whose every
          block is scaled and shifted (FiLM) by the observations and the diffusion step.
Ours:     a multilayer perceptron with the same conditioning, for runs on a CPU.
Left out: its transformer, and encoders of pictures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

__all__ = ["ConditionalUnet", "MlpDenoiser", "StepEmbedding"]

_STEP_SIZE = 128  # of the diffusion step's embedding (Diffusion Policy)


class StepEmbedding(nn.Module):
    """Diffusion step (N,) to (N, 128): sines and cosines, then two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(_STEP_SIZE, 4 * _STEP_SIZE), nn.Mish(), nn.Linear(4 * _STEP_SIZE, _STEP_SIZE)
        )

    def forward(self, steps: Int64[Tensor, " N"]) -> Float[Tensor, "N 128"]:
        """Embed each step."""
        half = _STEP_SIZE // 2
        rates = torch.exp(
            torch.arange(half, device=steps.device) * (-math.log(10_000) / (half - 1))
        )
        phases = steps[:, None] * rates
        embedded: Tensor = self.layers(torch.cat([phases.sin(), phases.cos()], dim=1))
        return embedded


class MlpDenoiser(nn.Module):
    """Noise in actions (N, H, A), by layers on all of them at once.

    Args:
        n_actions: steps of the sequence, H.
        action_size: A.
        condition_size: D, all observations of a row in one vector.
        hidden: width of each layer; three of 512 is our choice, untested.
    """

    def __init__(
        self, n_actions: int, action_size: int, condition_size: int, hidden: Sequence[int]
    ) -> None:
        super().__init__()
        size = n_actions * action_size
        self.embed_step = StepEmbedding()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise((size, *hidden)))
        self.film = nn.ModuleList(
            nn.Linear(_STEP_SIZE + condition_size, 2 * width) for width in hidden
        )
        self.last = nn.Linear(hidden[-1], size)

    def forward(
        self,
        actions: Float[Tensor, "N H A"],
        steps: Int64[Tensor, " N"],
        observed: Float[Tensor, "N D"],
    ) -> Float[Tensor, "N H A"]:
        """The noise in noisy actions at these diffusion steps."""
        condition = torch.cat([self.embed_step(steps), observed], dim=1)
        features = actions.flatten(1)
        for level, layer in enumerate(self.layers):
            scale, shift = self.film[level](condition).chunk(2, dim=1)
            features = nn.functional.mish(layer(features) * (1 + scale) + shift)
        noise: Tensor = self.last(features)
        return noise.view_as(actions)


class ConditionalUnet(nn.Module):
    """Noise in actions (N, H, A), by convolutions along H at several resolutions.

    Args:
        action_size: A.
        condition_size: D, all observations of a row in one vector.
        hidden: channels at each resolution, each half the one before; multiples of 8. H must be a
            multiple of 2 ** (len(hidden) - 1).
        kernel: width of the convolutions.

    Source: Diffusion Policy, its state-based U-Net: channels 256, 512, 1024, kernel 5, groups 8.
    """

    def __init__(
        self, action_size: int, condition_size: int, hidden: Sequence[int], kernel: int = 5
    ) -> None:
        super().__init__()
        condition = _STEP_SIZE + condition_size
        self.embed_step = StepEmbedding()

        def two_blocks(before: int, after: int) -> nn.ModuleList:
            sizes = (before, after), (after, after)
            return nn.ModuleList(_Block(a, b, condition, kernel) for a, b in sizes)

        self.down = nn.ModuleList(two_blocks(a, b) for a, b in pairwise((action_size, *hidden)))
        self.shorten = nn.ModuleList(nn.Conv1d(size, size, 3, 2, 1) for size in hidden[:-1])
        self.middle = two_blocks(hidden[-1], hidden[-1])
        upwards = [*pairwise(reversed(hidden))]
        self.up = nn.ModuleList(two_blocks(2 * a, b) for a, b in upwards)
        self.lengthen = nn.ModuleList(nn.ConvTranspose1d(b, b, 4, 2, 1) for _, b in upwards)
        self.last = nn.Sequential(
            _convolution(hidden[0], hidden[0], kernel), nn.Conv1d(hidden[0], action_size, 1)
        )

    def forward(
        self,
        actions: Float[Tensor, "N H A"],
        steps: Int64[Tensor, " N"],
        observed: Float[Tensor, "N D"],
    ) -> Float[Tensor, "N H A"]:
        """The noise in noisy actions at these diffusion steps."""
        condition = torch.cat([self.embed_step(steps), observed], dim=1)
        features = actions.transpose(1, 2)
        skips = []
        for level, blocks in enumerate(self.down):
            features = _through(blocks, features, condition)
            skips.append(features)
            if level < len(self.shorten):
                features = self.shorten[level](features)
        features = _through(self.middle, features, condition)
        for level, blocks in enumerate(self.up):
            features = torch.cat([features, skips.pop()], dim=1)
            features = self.lengthen[level](_through(blocks, features, condition))
        noise: Tensor = self.last(features)
        return noise.transpose(1, 2)


def _through(blocks: nn.Module, features: Tensor, condition: Tensor) -> Tensor:
    for block in blocks.children():
        features = block(features, condition)
    return features


def _convolution(before: int, after: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(before, after, kernel, padding=kernel // 2), nn.GroupNorm(8, after), nn.Mish()
    )


class _Block(nn.Module):
    """Two convolutions around a skip; the first is scaled and shifted by the condition."""

    def __init__(self, before: int, after: int, condition: int, kernel: int) -> None:
        super().__init__()
        self.first = _convolution(before, after, kernel)
        self.second = _convolution(after, after, kernel)
        self.film = nn.Sequential(nn.Mish(), nn.Linear(condition, 2 * after))
        self.skip = nn.Conv1d(before, after, 1) if before != after else nn.Identity()

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.film(condition)[:, :, None].chunk(2, dim=1)
        output: Tensor = self.second(scale * self.first(features) + shift) + self.skip(features)
        return output
