"""Settings of Diffusion Policy, the paper's by default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vlfeedback.errors import InvalidValueError

__all__ = ["DiffusionPolicyConfig"]


@dataclass(frozen=True, slots=True)
class DiffusionPolicyConfig:
    """Settings; the defaults are those of Diffusion Policy's state-based U-Net.

    Attributes:
        n_observations: steps it looks back, the present one included.
        horizon: actions it predicts, from the first of those observations on.
        n_action_steps: of those, carried out from the present one on; open loop.
        network: "unet" or "mlp".
        hidden: channels by resolution, or widths of layers.
        n_diffusion_steps: of noise in training.
        n_sampling_steps: DDIM; the paper uses 10 to 16 where it must be fast.
        learning_rate: the peak: linear warm-up, then a cosine down to 0.
        weight_decay: of AdamW.
        betas: of AdamW.
        warmup_steps: until the peak.
        batch_size: windows.
        ema_power: step n keeps 1 - (1 + n) ** -power of the averaged weights.
        seed: of weights, batches and noise.

    Raises:
        ValueError: a setting that cannot be, or two that do not go together.
    """

    n_observations: int = 2
    horizon: int = 16
    n_action_steps: int = 8
    network: Literal["unet", "mlp"] = "unet"
    hidden: tuple[int, ...] = (256, 512, 1024)
    n_diffusion_steps: int = 100
    n_sampling_steps: int = 10
    learning_rate: float = 1e-4
    weight_decay: float = 1e-6
    betas: tuple[float, float] = (0.95, 0.999)
    warmup_steps: int = 500
    batch_size: int = 256
    ema_power: float = 0.75
    seed: int = 0

    def __post_init__(self) -> None:
        most = self.horizon - self.n_observations + 1
        if self.n_observations < 1 or not 1 <= self.n_action_steps <= most:
            raise InvalidValueError(
                f"n_action_steps={self.n_action_steps} with n_observations={self.n_observations} "
                f"and horizon={self.horizon}; expected 1 to horizon - n_observations + 1 = {most}."
            )
        if self.network not in ("unet", "mlp"):
            raise InvalidValueError(f"network={self.network!r}; expected 'unet' or 'mlp'.")
        if not 1 <= self.n_sampling_steps <= self.n_diffusion_steps:
            raise InvalidValueError(
                f"n_sampling_steps={self.n_sampling_steps}; expected 1 to "
                f"n_diffusion_steps={self.n_diffusion_steps}."
            )
        halvings = 2 ** (len(self.hidden) - 1)
        if self.network == "unet" and self.horizon % halvings:
            raise InvalidValueError(
                f"horizon={self.horizon} cannot be halved {len(self.hidden) - 1} times by the "
                f"U-Net; choose a multiple of {halvings}, or network='mlp'."
            )

    @classmethod
    def small(cls, *, seed: int = 0) -> DiffusionPolicyConfig:
        """For a CPU: a perceptron, half the horizon (our choice, untested)."""
        return cls(network="mlp", hidden=(512, 512, 512), horizon=8, n_action_steps=4, seed=seed)
