"""Noise schedule of diffusion, and denoising by DDIM.

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
    """The squared-cosine schedule; `alpha_bar[t]` is the data's share of the variance at step t.

    Args:
        n_steps: diffusion steps of training (100: Diffusion Policy, Chi et al. 2023).
        device: where its table lies.
    """

    alpha_bar: Float[Tensor, " S"]  # falling

    def __init__(self, n_steps: int = 100, device: str | torch.device = "cpu") -> None:
        level = [
            math.cos((t / n_steps + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(n_steps + 1)
        ]
        betas = [min(1 - after / before, 0.999) for before, after in pairwise(level)]
        self.n_steps = n_steps
        self.alpha_bar = torch.tensor(betas, dtype=torch.float64).neg().add(1).cumprod(0)
        self.alpha_bar = self.alpha_bar.to(device, torch.float32)

    def add_noise(
        self,
        data: Float[Tensor, "N H A"],
        noise: Float[Tensor, "N H A"],
        steps: Int64[Tensor, " N"],
    ) -> Float[Tensor, "N H A"]:
        """sqrt(alpha_bar) * data + sqrt(1 - alpha_bar) * noise, each row at a step of its own."""
        alpha_bar = self.alpha_bar[steps][:, None, None]
        return alpha_bar.sqrt() * data + (1 - alpha_bar).sqrt() * noise

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
            predicted_noise = predict_noise(data, steps)
            alpha_bar = self.alpha_bar[step]
            clean = ((data - (1 - alpha_bar).sqrt() * predicted_noise) / alpha_bar.sqrt()).clamp(
                -1, 1
            )
            next_alpha_bar = self.alpha_bar[step - apart] if step else one
            data = next_alpha_bar.sqrt() * clean + (1 - next_alpha_bar).sqrt() * predicted_noise
        return data
