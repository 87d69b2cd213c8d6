"""Which points of a cloud a PointNet++ picks and reads around them, found once for each cloud.

It depends on the points' places alone, and takes most of a small network's time. A learner shows
the same cloud to several networks, and comes back to it in every pass.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

__all__ = ["PointSets", "farthest_points", "find_point_sets", "nearest_in_ball", "take_points"]

_KEPT_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class PointSets:
    """What one set abstraction reads of B clouds.

    Attributes:
        centres: positions of the n points that are picked.
        near: for each of these, positions of the k points that are read.
    """

    centres: Int64[Tensor, "B n"]
    near: Int64[Tensor, "B n k"]


@torch.no_grad()
def find_point_sets(
    places: Float32[Tensor, "B P 3"],
    n_centroids: Sequence[int],
    radii: Sequence[float],
    n_neighbours: Sequence[int],
) -> list[PointSets]:
    """Of each set abstraction, the next among the centres of the one before.

    On a CPU those of clouds that were seen lately are remembered, up to 64 MiB of them.

    Args:
        places: of P points of B clouds.
        n_centroids: points kept by each abstraction; fewer where a cloud has fewer.
        radii: of their balls, in the unit of the places.
        n_neighbours: points of a ball that are read, at most.
    """
    sizes = (tuple(n_centroids), tuple(radii), tuple(n_neighbours))
    if places.device.type != "cpu":
        return _find(places, *sizes)
    return _SEEN.find(places, sizes)


_Sizes = tuple[tuple[int, ...], tuple[float, ...], tuple[int, ...]]


class _SeenClouds:
    """Point sets by the bytes of a cloud's places; the least lately used go first."""

    def __init__(self, most_bytes: int) -> None:
        self._rows: OrderedDict[tuple[_Sizes, bytes], Tensor] = OrderedDict()
        self._room = most_bytes
        self._lock = threading.Lock()

    def find(self, places: Float32[Tensor, "B P 3"], sizes: _Sizes) -> list[PointSets]:
        keys = [(sizes, cloud.tobytes()) for cloud in places.numpy()]
        with self._lock:
            rows = [self._rows.get(key) for key in keys]
        new = [i for i, row in enumerate(rows) if row is None]
        if new:
            found = _find(places[new], *sizes)
            flat = torch.cat([part.flatten(1) for sets in found for part in _parts(sets)], dim=1)
            for i, row in zip(new, flat.int(), strict=True):
                rows[i] = row.clone()  # of its own, not a view that keeps the whole batch
        with self._lock:
            for key, row in zip(keys, rows, strict=True):
                self._keep(key, row)
        table = torch.stack([row for row in rows if row is not None]).long()
        return list(_unflatten(table, places.shape[1], sizes))

    def _keep(self, key: tuple[_Sizes, bytes], row: Tensor | None) -> None:
        if row is None:
            return
        if key not in self._rows:
            self._room -= row.nbytes + len(key[1])
        self._rows[key] = row
        self._rows.move_to_end(key)
        while self._room < 0:
            (_, places), gone = self._rows.popitem(last=False)
            self._room += gone.nbytes + len(places)


_SEEN = _SeenClouds(_KEPT_BYTES)


def _parts(sets: PointSets) -> tuple[Tensor, Tensor]:
    return sets.centres, sets.near


def _unflatten(table: Int64[Tensor, "B S"], n_points: int, sizes: _Sizes) -> Iterator[PointSets]:
    for n, k in zip(sizes[0], sizes[2], strict=True):
        n, k = min(n, n_points), min(k, n_points)
        centres, near, table = table.split([n, n * k, table.shape[1] - n - n * k], dim=1)
        yield PointSets(centres, near.unflatten(1, (n, k)))
        n_points = n


def _find(
    places: Float32[Tensor, "B P 3"],
    n_centroids: Sequence[int],
    radii: Sequence[float],
    n_neighbours: Sequence[int],
) -> list[PointSets]:
    found = []
    for n, radius, k in zip(n_centroids, radii, n_neighbours, strict=True):
        positions = farthest_points(places, n)
        centres = take_points(places, positions)
        found.append(PointSets(positions, nearest_in_ball(places, centres, radius, k)))
        places = centres
    return found


def farthest_points(places: Float32[Tensor, "B P 3"], n: int) -> Int64[Tensor, "B n"]:
    """Positions of up to n points of each cloud, each as far as can be from those before it.

    The first is the one farthest from the cloud's centre.

    Source: Qi et al. 2017, section 3.2 (which starts anywhere).
    """
    gap = (places - places.mean(dim=1, keepdim=True)).square().sum(dim=-1)
    positions = []
    for step in range(min(n, places.shape[1])):
        positions.append(gap.argmax(dim=1))
        new = take_points(places, positions[-1][:, None])
        distance = (places - new).square().sum(dim=-1)
        gap = distance if step == 0 else torch.minimum(gap, distance)
    return torch.stack(positions, dim=1)


def nearest_in_ball(
    places: Float32[Tensor, "B P 3"], centres: Float32[Tensor, "B n 3"], radius: float, k: int
) -> Int64[Tensor, "B n k"]:
    """Positions of the k points nearest to each centre; the nearest again where a ball has fewer.

    A maximum over them is one over the points within `radius`, since repeats change nothing.
    """
    # The matrix product that cdist takes by default is off by a millimetre or so.
    gap = torch.cdist(centres, places, compute_mode="donot_use_mm_for_euclid_dist")
    distance, near = gap.topk(min(k, places.shape[1]), dim=-1, largest=False)
    return torch.where(distance <= radius, near, near[..., :1])


def take_points(values: Tensor, positions: Tensor) -> Tensor:
    """Rows of each cloud's values: (B, P, C) at (B, ...) gives (B, ..., C)."""
    rows = positions.flatten(1)[..., None].expand(-1, -1, values.shape[-1])
    taken: Tensor = values.gather(1, rows).unflatten(1, positions.shape[1:])
    return taken
