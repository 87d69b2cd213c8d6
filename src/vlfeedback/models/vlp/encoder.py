"""The frame encoder of the VLP model: a picture to tokens, and tokens to positions."""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["POSITIONS", "FrameEncoder", "Positions"]

# What is read off a picture: hand (3), gripper opening (1), object (3), object minus hand (3).
# The last is redundant, but read off directly it is far more exact than a difference of estimates.
POSITIONS = 10


class FrameEncoder(nn.Module):
    """A picture to a grid of tokens: (B, H, W, 3) uint8 to (B, grid², width)."""

    def __init__(self, picture_size: int, width: int) -> None:
        super().__init__()
        self.picture_size = picture_size
        self.body = nn.Sequential(
            nn.Conv2d(3, 48, kernel_size=4, stride=4),
            nn.GELU(),
            _ResidualConv(48),
            nn.Conv2d(48, 80, kernel_size=3, stride=2, padding=1),
            nn.GELU(),
            _ResidualConv(80),
            nn.Conv2d(80, 128, kernel_size=3, stride=2, padding=1),
            nn.GELU(),
            _ResidualConv(128),
            nn.Conv2d(128, width, kernel_size=3, stride=2, padding=1),
            nn.AvgPool2d(2, ceil_mode=True),
        )

    def forward(self, frames: UInt8[Tensor, "B H W 3"]) -> Float[Tensor, "B P D"]:
        """Encode pictures of any size, each on its own."""
        pixels = frames.permute(0, 3, 1, 2).float() / 127.5 - 1.0
        if pixels.shape[-2:] != (self.picture_size, self.picture_size):
            size = (self.picture_size, self.picture_size)
            pixels = functional.interpolate(pixels, size=size, mode="area")
        features: Tensor = self.body(pixels.contiguous(memory_format=torch.channels_last))
        return features.flatten(2).transpose(1, 2)


class Positions(nn.Module):
    """Tokens of a picture to metres: (..., grid², width) to (..., 10), see `POSITIONS`."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.readout = nn.Sequential(
            nn.LayerNorm(tokens * width),
            nn.Linear(tokens * width, 256),
            nn.GELU(),
            nn.Linear(256, POSITIONS),
        )
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(POSITIONS))
        # A decimetre, and the same importance for the gripper's opening of 0 to 1.
        self.register_buffer("scale", torch.tensor([0.1, 0.1, 0.1, 0.3] + [0.1] * 6))

    def forward(self, tokens: Float[Tensor, "*B P D"]) -> Float[Tensor, "*B 10"]:
        """Positions in metres, in the robot's frame."""
        return self.mean + self.scale * self.standardised(tokens)

    def standardised(self, tokens: Float[Tensor, "*B P D"]) -> Float[Tensor, "*B 10"]:
        """The same before it is scaled to metres: what training compares."""
        positions: Tensor = self.readout(tokens.flatten(-2))
        return positions


class _ResidualConv(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.conv = nn.Conv2d(channels, channels, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = functional.gelu(self.conv(self.norm(x)))
        return x + change
