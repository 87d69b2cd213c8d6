"""Networks of a reward model: from the input of one step to its reward.

Papers:   Lee et al. 2021, "B-Pref" (MLP); Wang et al. 2024, "RL-VLM-F" (CNN, ResNet-18)
Code read: rll-research/BPref and yufeiwang63/RL-VLM-F, reward_model.py
Left out: the CNN's BatchNorm layers, which RL-VLM-F makes and never applies
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn

from vlfeedback.errors import InvalidValueError, ShapeError
from vlfeedback.models.reward.point_cloud import PointCloudNet
from vlfeedback.optional import require

__all__ = [
    "NETWORKS",
    "PictureCNN",
    "RewardModelConfig",
    "StepMLP",
    "build_network",
    "config_values",
    "inputs_read_by",
]

# What each input can be read with; the first is the default.
NETWORKS: dict[str, tuple[str, ...]] = {
    "state-action": ("mlp", "linear"),
    "state": ("mlp", "linear"),
    "frames": ("cnn", "resnet18"),
    "embeddings": ("mlp", "linear"),
    "points": ("pointnet",),
}
_CONVOLUTIONS = ((5, 3, 16), (3, 2, 32), (3, 2, 64), (3, 2, 128))  # kernel, stride, channels


def inputs_read_by(network: str, *, embeds: bool = False) -> str:
    """Default input of a network: the first of `NETWORKS` that it can read.

    Args:
        network: of `RewardModelConfig`; "auto" reads states and actions.
        embeds: whether pictures are embedded, which is then what it reads.

    >>> inputs_read_by("cnn"), inputs_read_by("auto"), inputs_read_by("linear", embeds=True)
    ('frames', 'state-action', 'embeddings')
    """
    if embeds:
        return "embeddings"
    return next((reads for reads, by in NETWORKS.items() if network in by), "state-action")


# Fields that an earlier release did not have, and what they were then.
_LATER: dict[str, int | None] = {"n_states": 0, "n_actions": 0, "origin_class": None}


@dataclass(frozen=True, slots=True)
class RewardModelConfig:
    """What a reward model reads, and the networks it is made of.

    Attributes:
        inputs: state-action | state | frames | embeddings | points: what is read of each step;
            a state is the one before the action, a picture or its embedding the one after it.
        network: mlp | linear | cnn | resnet18 | pointnet; auto: what reads the inputs.
        n_members: of the ensemble; B-Pref, reward_model.py.
        hidden: widths of the MLP; B-Pref, reward_model.py.
        output: tanh | linear; auto: linear for resnet18 and linear, else tanh (B-Pref,
            RL-VLM-F).
        picture_size: pixels; pictures are scaled to such squares; None: not at all.
        frame_stride: steps from one scored picture to the next; in between it is held.
        encoder: what embeds; written by the fit.
        n_states: discrete values, read one-hot; 0: numbers, read as they are; written by the
            fit where it is 0.
        n_actions: likewise.
        n_centroids: points kept by the two set abstractions.
        radii: m.
        n_neighbours: points of a ball that are read, at most.
        point_width: of the first layer; all others are multiples of it.
        origin_class: which of a point's one-hot classes lies at the origin, such as a gripper's.

    Raises:
        ValueError: no such input or network, or one cannot read the other.

    Example:
        >>> RewardModelConfig(inputs="frames").network
        'cnn'
    """

    inputs: str = "state-action"
    network: str = "auto"
    n_members: int = 3
    hidden: tuple[int, ...] = (256, 256, 256)
    output: str = "auto"
    picture_size: int | None = None
    frame_stride: int = 1
    encoder: dict[str, Any] = field(default_factory=dict)
    n_states: int = 0
    n_actions: int = 0
    # Point clouds, see `PointCloudNet`:
    n_centroids: tuple[int, int] = (512, 128)
    radii: tuple[float, float] = (0.05, 0.1)
    n_neighbours: tuple[int, int] = (32, 64)
    point_width: int = 64
    origin_class: int | None = None

    def __post_init__(self) -> None:
        if self.inputs not in NETWORKS:
            raise InvalidValueError(f"inputs={self.inputs!r}; expected one of {list(NETWORKS)}.")
        choices = NETWORKS[self.inputs]
        if self.network == "auto":
            object.__setattr__(self, "network", choices[0])
        if self.network not in choices:
            readable = [inputs for inputs, networks in NETWORKS.items() if self.network in networks]
            raise InvalidValueError(
                f"network={self.network!r} does not read inputs={self.inputs!r}: "
                + (f"it reads {readable}, and " if readable else "")
                + f"these are read by {list(choices)}."
            )
        if self.output not in ("tanh", "linear", "auto"):
            raise InvalidValueError(f"output={self.output!r}; expected 'tanh', 'linear' or 'auto'.")
        if self.output == "auto":
            object.__setattr__(
                self, "output", "linear" if self.network in ("resnet18", "linear") else "tanh"
            )
        if self.n_members < 1 or self.frame_stride < 1:
            raise InvalidValueError(
                f"n_members={self.n_members} and frame_stride={self.frame_stride}; expected at "
                "least 1 of each."
            )
        if self.n_states < 0 or self.n_actions < 0:
            raise InvalidValueError(
                f"n_states={self.n_states} and n_actions={self.n_actions}; expected how many "
                "discrete values there are, or 0 where they are numbers."
            )


def config_values(config: RewardModelConfig) -> dict[str, Any]:
    """JSON values of a config, as files keep them: those of earlier releases are the same."""
    values = asdict(config)
    return {k: v for k, v in values.items() if k not in _LATER or v != _LATER[k]}


def build_network(config: RewardModelConfig, shape: tuple[int, ...]) -> nn.Module:
    """One member of the ensemble, from (B, *shape) to (B,) rewards, freshly initialised.

    Args:
        config: which network.
        shape: of what is read of one step, such as (43,); (H, W, 3) for pictures, (C,) for
            clouds of points with C numbers each.

    Raises:
        ShapeError: pictures are too small for the CNN.
        MissingExtraError: torchvision is not installed.
    """
    network: nn.Module
    if config.network == "cnn":
        network = PictureCNN(shape[0], shape[1])
    elif config.network == "resnet18":
        network = PictureResNet()
    elif config.network == "pointnet":
        network = PointCloudNet(
            shape[0] - 3,
            n_centroids=config.n_centroids,
            radii=config.radii,
            n_neighbours=config.n_neighbours,
            width=config.point_width,
            origin_class=config.origin_class,
        )
    else:
        network = StepMLP(
            shape[0],
            config.hidden if config.network == "mlp" else (),
            normalise=config.inputs == "embeddings",
        )
    return nn.Sequential(network, nn.Flatten(0), *([nn.Tanh()] if config.output == "tanh" else []))


class StepMLP(nn.Module):
    """Linear layers with LeakyReLU(0.01) between them, initialised as torch does by default.

    Args:
        width: numbers read of a step.
        hidden: widths in between; none makes the network linear.
        normalise: first bring each input to mean 0 and variance 1 over its numbers: embeddings
            of length 1 have entries too small for the default initialisation (our choice,
            untested; states are read as they are, as in B-Pref).

    Source: B-Pref, reward_model.py, gen_net.
    """

    def __init__(self, width: int, hidden: tuple[int, ...], *, normalise: bool = False) -> None:
        super().__init__()
        widths = (width, *hidden)
        layers: list[nn.Module] = []
        if normalise:
            layers.append(nn.LayerNorm(width, elementwise_affine=False))
        for narrow, wide in pairwise(widths):
            layers += [nn.Linear(narrow, wide), nn.LeakyReLU(0.01)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], 1))

    def forward(self, x: Float32[Tensor, "B D"]) -> Tensor:
        """One number for each row, (B, 1)."""
        return self.layers(x)  # type: ignore[no-any-return]


class PictureCNN(nn.Module):
    """Four convolutions and one linear layer, for pictures of one size.

    Pictures are divided by 255 and not standardised. Convolution weights are drawn from
    U(-1/sqrt(fan in), 1/sqrt(fan in)) with biases of 0, the linear layer's from U(-1e-3, 1e-3).

    Args:
        height: of the pictures, in pixels, at least 47; 300 give 15,488 numbers to the last layer.
        width: likewise.

    Source: RL-VLM-F, reward_model.py, gen_image_net.
    """

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels, sides = 3, (height, width)
        for kernel, stride, wide in _CONVOLUTIONS:
            convolution = nn.Conv2d(channels, wide, kernel, stride)
            bound = 1 / math.sqrt(channels * kernel * kernel)
            nn.init.uniform_(convolution.weight, -bound, bound)
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
            layers += [convolution, nn.ReLU()]
            channels, sides = wide, tuple((side - kernel) // stride + 1 for side in sides)  # type: ignore[assignment]
        if min(sides) < 1:
            raise ShapeError(
                f"Pictures of {height}x{width} pixels are too small for the CNN, which needs 47x47;"
                " set picture_size=64 or more to scale them up, or collect larger ones."
            )
        self.n_features = channels * math.prod(sides)
        self.convolutions = nn.Sequential(*layers)
        self.last = nn.Linear(self.n_features, 1)
        nn.init.uniform_(self.last.weight, -1e-3, 1e-3)
        nn.init.uniform_(self.last.bias, -1e-3, 1e-3)

    def forward(self, frames: UInt8[Tensor, "B H W 3"]) -> Tensor:
        """One number for each picture, (B, 1)."""
        # The channels stay last in memory, which convolutions on CPUs and GPUs are faster with.
        features = self.convolutions(_pixels(frames))
        return self.last(features.flatten(1))  # type: ignore[no-any-return]


class PictureResNet(nn.Module):
    """ResNet-18 with random weights and one output, for pictures of any size.

    Its BatchNorm reads the batch while it is fitted and running statistics when it predicts.

    Source: RL-VLM-F, reward_model.py (torchvision's topology, not pre-trained).
    """

    def __init__(self) -> None:
        super().__init__()
        models = require("torchvision.models", extra="vision", needed_by="network='resnet18'")
        self.layers: nn.Module = models.resnet18(weights=None, num_classes=1)

    def forward(self, frames: UInt8[Tensor, "B H W 3"]) -> Tensor:
        """One number for each picture, (B, 1)."""
        return self.layers(_pixels(frames))  # type: ignore[no-any-return]


def _pixels(frames: Tensor) -> Tensor:
    return frames.permute(0, 3, 1, 2).to(torch.float32) / 255
