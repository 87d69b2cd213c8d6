"""How much noise each diffusion step holds, and how noise becomes data again.

Papers: Nichol and Dhariwal 2021, Improved DDPM (squared-cosine schedule, equation 17);
        Song et al. 2021, DDIM (sampling, equation 12 with eta = 0).
Left out: DDPM's ancestral sampling; DDIM with as many steps needs no other code.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from vlfeedback.errors import InvalidValueError

__all__ = ["NoiseSchedule"]


class NoiseSchedule:
    """The squared-cosine schedule; `kept[t]` is the data's share of the variance at step t.

    Args:
        n_steps: diffusion steps of training (100: Diffusion Policy, Chi et al. 2023).
        device: where its table lies.
    """

    kept: Float[Tensor, " S"]  # alpha bar, falling

    def __init__(self, n_steps: int = 100, device: str | torch.device = "cpu") -> None:
        level = [
            math.cos((t / n_steps + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(n_steps + 1)
        ]
        betas = [min(1 - after / before, 0.999) for before, after in pairwise(level)]
        self.n_steps = n_steps
        self.kept = torch.tensor(betas, dtype=torch.float64).neg().add(1).cumprod(0)
        self.kept = self.kept.to(device, torch.float32)

    def add_noise(
        self,
        data: Float[Tensor, "N H A"],
        noise: Float[Tensor, "N H A"],
        steps: Int64[Tensor, " N"],
    ) -> Float[Tensor, "N H A"]:
        """sqrt(kept) * data + sqrt(1 - kept) * noise, each row at a step of its own."""
        kept = self.kept[steps][:, None, None]
        return kept.sqrt() * data + (1 - kept).sqrt() * noise

    def denoise(
        self,
        noise: Float[Tensor, "N H A"],
        predict_noise: Callable[[Tensor, Tensor], Tensor],
        n_steps: int,
    ) -> Float[Tensor, "N H A"]:
        """Data in [-1, 1] from pure noise, by DDIM.

        Args:
            noise: standard normal.
            predict_noise: of noisy data (N, H, A) and steps int64 (N,), the noise in it.
            n_steps: at so many of the steps, evenly apart, down to step 0.

        Raises:
            ValueError: more steps than there are, or none.
        """
        if not 1 <= n_steps <= self.n_steps:
            raise InvalidValueError(f"{n_steps} sampling steps; expected 1 to {self.n_steps}.")
        apart = self.n_steps // n_steps
        one = torch.ones((), device=noise.device)
        data = noise
        for step in range((n_steps - 1) * apart, -1, -apart):
            steps = torch.full((len(noise),), step, dtype=torch.int64, device=noise.device)
            guess = predict_noise(data, steps)
            kept = self.kept[step]
            clean = ((data - (1 - kept).sqrt() * guess) / kept.sqrt()).clamp(-1, 1)
            later = self.kept[step - apart] if step else one
            data = later.sqrt() * clean + (1 - later).sqrt() * guess
        return data
