"""Encoder of clouds of points for d3rlpy's algorithms: a PointNet++ before policy and critics.

Paper:    Qi et al. 2017, "PointNet++"; as a policy in Offline RL-VLM-F (dressing)
Recipe:   `vlfeedback.models.reward.point_cloud.PointSetNet` with one class of points, the
          gripper's, at the origin; then linear layers with ReLU, which for critics read the action
          too
Sizes:    those of our reward model by default (the paper gives none); `SMALL_CLOUDS` for a CPU
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from d3rlpy.models.encoders import EncoderFactory, register_encoder_factory
from d3rlpy.models.torch import Encoder, EncoderWithAction
from jaxtyping import Float
from torch import Tensor, nn

from vlfeedback.errors import ShapeError, UnknownNameError
from vlfeedback.models.reward.point_cloud import SMALL_CLOUDS, PointSetNet
from vlfeedback.setting_types import checked_settings

__all__ = ["PointNetEncoderFactory", "encoder_maker"]

_NAMES: Mapping[str, Mapping[str, Any]] = {"pointnet": {}, "pointnet-small": SMALL_CLOUDS}


@dataclass(kw_only=True)
class PointNetEncoderFactory(EncoderFactory):  # type: ignore[misc]
    """Settings of the encoder; a config of d3rlpy takes it as ``encoder_factory`` and the like.

    Attributes:
        n_numbers: of a point: x, y, z and one-hot classes. Observations are (P, n_numbers), or
            the same flattened.
        origin_class: which class lies at the origin; by default the last, which is the gripper of
            `vlfeedback/DressSleeve-v0`. None: the cloud's own mean.
        n_centroids: points kept by the two set abstractions.
        radii: m.
        n_neighbours: points of a ball that are read, at most.
        point_width: of the first layer; those that read points are multiples of it.
        hidden_units: widths of the layers after them.
        dropout_rate: of those; None: no dropout.
    """

    n_numbers: int = 6
    origin_class: int | None = -1
    n_centroids: list[int] = field(default_factory=lambda: [512, 128])
    radii: list[float] = field(default_factory=lambda: [0.05, 0.1])
    n_neighbours: list[int] = field(default_factory=lambda: [32, 64])
    point_width: int = 64
    hidden_units: list[int] = field(default_factory=lambda: [256, 256])
    dropout_rate: float | None = None

    def create(self, observation_shape: Sequence[int]) -> PointNetEncoder:
        """Make a policy's encoder.

        Raises:
            ShapeError: observations are no such clouds.
        """
        return PointNetEncoder(self._read(observation_shape), self._after(0))

    def create_with_action(
        self, observation_shape: Sequence[int], action_size: int, discrete_action: bool = False
    ) -> PointNetEncoderWithAction:
        """Make a critic's encoder, of continuous actions.

        Raises:
            ShapeError: observations are no such clouds.
        """
        return PointNetEncoderWithAction(self._read(observation_shape), self._after(action_size))

    @staticmethod
    def get_type() -> str:
        """Name in d3rlpy's files."""
        return "vlfeedback_pointnet"

    def _read(self, observation_shape: Sequence[int]) -> nn.Module:
        *_, n_last = observation_shape
        is_flat = len(observation_shape) == 1
        if len(observation_shape) > 2 or (
            n_last % self.n_numbers if is_flat else n_last != self.n_numbers
        ):
            raise ShapeError(
                f"Observations have shape {tuple(observation_shape)}; expected clouds of points "
                f"(P, {self.n_numbers}), or the same flattened. Say n_numbers, those of a point."
            )
        n_features = self.n_numbers - 3
        origin_class = self.origin_class
        if origin_class is not None and origin_class < 0:
            origin_class = n_features + origin_class if n_features else None
        return _Clouds(
            n_features,
            n_centroids=self.n_centroids,
            radii=self.radii,
            n_neighbours=self.n_neighbours,
            width=self.point_width,
            origin_class=origin_class,
        )

    def _after(self, n_more: int) -> nn.Sequential:
        layers: list[nn.Module] = []
        for narrow, wide in pairwise([16 * self.point_width + n_more, *self.hidden_units]):
            layers += [nn.Linear(narrow, wide), nn.ReLU()]
            if self.dropout_rate is not None:
                layers.append(nn.Dropout(self.dropout_rate))
        return nn.Sequential(*layers)


class _Clouds(PointSetNet):
    """A `PointSetNet` that reads flattened clouds too."""

    def __init__(self, n_features: int, **sizes: Any) -> None:
        super().__init__(n_features, **sizes)
        self._n_numbers = n_features + 3

    def forward(self, observations: Float[Tensor, "B ..."]) -> Tensor:
        return super().forward(observations.reshape(len(observations), -1, self._n_numbers))


class PointNetEncoder(Encoder):  # type: ignore[misc]
    """Features of clouds of points."""

    def __init__(self, clouds: nn.Module, layers: nn.Module) -> None:
        super().__init__()
        self.clouds, self.layers = clouds, layers

    def forward(self, x: Float[Tensor, "B ..."]) -> Float[Tensor, "B H"]:
        """Features of each cloud, whole or flattened."""
        features: Tensor = self.layers(self.clouds(x))
        return features


class PointNetEncoderWithAction(EncoderWithAction):  # type: ignore[misc]
    """Features of clouds of points and of what was done there."""

    def __init__(self, clouds: nn.Module, layers: nn.Module) -> None:
        super().__init__()
        self.clouds, self.layers = clouds, layers

    def forward(self, x: Float[Tensor, "B ..."], action: Float[Tensor, "B A"]) -> Tensor:
        """Features of each cloud, whole or flattened, and action."""
        features: Tensor = self.layers(torch.cat([self.clouds(x), action], dim=1))
        return features


def encoder_maker(setting: str | Mapping[str, Any], hidden: Sequence[int]) -> Any:
    """A function that makes a factory, given what the encoders of a learner do not share.

    Args:
        setting: ``"pointnet"``, ``"pointnet-small"``, or settings of `PointNetEncoderFactory`.
        hidden: its ``hidden_units``.

    Raises:
        UnknownNameError: there is no such encoder, or it has no such setting.
        InvalidTypeError: a setting is of another type.
    """
    if isinstance(setting, str) and setting not in _NAMES:
        raise UnknownNameError(
            f"No encoder {setting!r}; there are: {', '.join(_NAMES)}, or settings of "
            "PointNetEncoderFactory."
        )
    given = _NAMES[setting] if isinstance(setting, str) else setting
    settings = {key: list(v) if isinstance(v, tuple) else v for key, v in given.items()}
    checked = checked_settings(PointNetEncoderFactory, settings, of="the encoder")
    return partial(PointNetEncoderFactory, **{"hidden_units": list(hidden), **checked})


register_encoder_factory(PointNetEncoderFactory)
