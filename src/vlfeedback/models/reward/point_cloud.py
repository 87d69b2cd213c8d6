"""A small PointNet++ in plain torch: descriptions of clouds of points, or one number each.

Paper:    Qi et al. 2017, "PointNet++"; as a reward in Wang et al. 2024, "Offline RL-VLM-F"
Recipe:   1 pick points that lie far apart; 2 read the ball around each; 3 do both once more;
          4 read what is left as one set; 5 a head of three layers
Left out: BatchNorm and dropout, several radii at a time
Sizes:    our choice, the Offline RL-VLM-F paper gives none

The order of a cloud's points changes nothing but the rounding of sums: the first point picked is
the one farthest from the centre, and of a fuller ball the nearest points are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import torch
from jaxtyping import Float32
from torch import Tensor, nn

from vlfeedback.errors import ShapeError
from vlfeedback.models.reward.point_sets import find_point_sets, take_points

__all__ = [
    "SMALL_CLOUDS",
    "PointCloudNet",
    "PointSetNet",
]


SMALL_CLOUDS: Mapping[str, Any] = MappingProxyType(
    {
        "n_centroids": (48, 12),
        "radii": (0.1, 0.2),
        "n_neighbours": (16, 12),
        "point_width": 16,
    }
)
"""Sizes for clouds of a few hundred points on a CPU (our choice, untested): settings of
`RewardModelConfig`, and of the encoder of `vlfeedback.offline.point_encoder`."""


class PointSetNet(nn.Module):
    """PointNet++ on P points, each a place and further numbers such as one-hot classes.

    Args:
        n_features: numbers of a point beside its place (x, y, z).
        n_centroids: points kept by the two set abstractions; fewer where a cloud has fewer.
        radii: of their balls, in the unit of the places.
        n_neighbours: points of a ball that are read, at most.
        width: of the first layer; the abstractions are (1, 1, 2), (2, 2, 4) and (4, 8, 16) times
            as wide.
        origin_class: which of the one-hot classes is at the origin, such as the gripper's: the
            mean place of its points is subtracted from all. None: the points that are left at the
            end are read around their own mean. Either way moving a whole cloud changes nothing.

    Attributes:
        n_outputs: numbers given for a cloud.

    Raises:
        ShapeError: a point has fewer than three numbers, or no such class.
    """

    def __init__(
        self,
        n_features: int,
        *,
        n_centroids: Sequence[int] = (512, 128),
        radii: Sequence[float] = (0.05, 0.1),
        n_neighbours: Sequence[int] = (32, 64),
        width: int = 64,
        origin_class: int | None = None,
    ) -> None:
        super().__init__()
        if n_features < 0:
            raise ShapeError(
                f"Points of {n_features + 3} numbers; expected (x, y, z) and further ones."
            )
        if origin_class is not None and not 0 <= origin_class < n_features:
            raise ShapeError(
                f"origin_class={origin_class}, and points have {n_features} numbers beside their "
                f"places; expected 0 to {n_features - 1}, or None for none."
            )
        self.n_centroids, self.radii, self.n_neighbours = n_centroids, radii, n_neighbours
        self.origin_class, self.n_outputs = origin_class, 16 * width
        w = width
        self.abstractions = nn.ModuleList(
            [_layers(3 + n_features, w, w, 2 * w), _layers(3 + 2 * w, 2 * w, 2 * w, 4 * w)]
        )
        self.whole = _layers(3 + 4 * w, 4 * w, 8 * w, 16 * w)

    def forward(self, points: Float32[Tensor, "B P C"]) -> Tensor:
        """(B, n_outputs): a description of each cloud."""
        places, features = points[..., :3], points[..., 3:]
        if self.origin_class is not None:
            of_class = features[..., self.origin_class, None]
            n_points = of_class.sum(dim=1, keepdim=True).clamp(min=1.0)
            places = places - (places * of_class).sum(dim=1, keepdim=True) / n_points
        found = find_point_sets(places, self.n_centroids, self.radii, self.n_neighbours)
        for layers, radius, sets in zip(self.abstractions, self.radii, found, strict=True):
            centres = take_points(places, sets.centres)
            offsets = (take_points(places, sets.near) - centres[:, :, None]) / radius
            activations = layers(torch.cat([offsets, take_points(features, sets.near)], dim=-1))
            places, features = centres, activations.amax(dim=2)
        if self.origin_class is None:
            places = places - places.mean(dim=1, keepdim=True)
        return self.whole(torch.cat([places, features], dim=-1)).amax(dim=1)  # type: ignore[no-any-return]


class PointCloudNet(PointSetNet):
    """One number for a cloud of points: a `PointSetNet`, and a head (8, 4) times as wide as it.

    Args:
        n_features: numbers of a point beside its place (x, y, z).
        width: as there.
        **sizes: as there.

    Raises:
        ShapeError: a point has fewer than three numbers, or no such class.
    """

    def __init__(self, n_features: int, *, width: int = 64, **sizes: Any) -> None:
        super().__init__(n_features, width=width, **sizes)
        w = width
        self.head = nn.Sequential(_layers(16 * w, 8 * w, 4 * w), nn.Linear(4 * w, 1))

    def forward(self, points: Float32[Tensor, "B P C"]) -> Tensor:
        """One number for each cloud, (B, 1)."""
        return self.head(super().forward(points))  # type: ignore[no-any-return]


def _layers(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for narrow, wide in pairwise(widths):
        linear = nn.Linear(narrow, wide)
        # torch's default shrinks the differences between clouds to nothing in eleven layers.
        nn.init.kaiming_uniform_(linear.weight, nonlinearity="relu")
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers)
