"""Which points are picked, which are read around them, and that it is found once for a cloud."""

import pytest
import torch

from vlfeedback.models.reward import point_sets
from vlfeedback.models.reward.point_sets import (
    PointSets,
    farthest_points,
    find_point_sets,
    nearest_in_ball,
    take_points,
)

SIZES = ((6, 3), (0.5, 1.0), (4, 2))  # centroids, radii, neighbours
OTHER_BALLS = ((6, 3), (0.4, 1.0), (4, 2))


def line(*x: float) -> torch.Tensor:
    """One cloud of points on the x axis."""
    return torch.tensor([[[value, 0.0, 0.0] for value in x]])


def clouds(n: int, seed: int = 0, n_points: int = 20) -> torch.Tensor:
    return torch.rand(n, n_points, 3, generator=torch.Generator().manual_seed(seed))


def equal(some: list[PointSets], others: list[PointSets]) -> bool:
    return all(
        torch.equal(one.centres, other.centres) and torch.equal(one.near, other.near)
        for one, other in zip(some, others, strict=True)
    )


def test_the_points_picked_lie_as_far_apart_as_can_be() -> None:
    # The centre is 2.2: 6 is farthest, then 0, then 3 (3 from both), then 1 and 1 from 0.
    assert farthest_points(line(0, 1, 1, 3, 6), 4).tolist() == [[4, 0, 3, 1]]


def test_points_are_picked_as_by_comparing_all_with_all() -> None:
    clouds = torch.rand(4, 60, 3, generator=torch.Generator().manual_seed(0))
    picked = farthest_points(clouds, 20)
    for cloud, positions in zip(clouds, picked.tolist(), strict=True):
        expected = [int((cloud - cloud.mean(dim=0)).norm(dim=1).argmax())]
        while len(expected) < 20:
            nearest = [min(float((p - cloud[i]).norm()) for i in expected) for p in cloud]
            expected.append(nearest.index(max(nearest)))
        assert positions == expected


def test_balls_hold_what_comparing_all_with_all_finds() -> None:
    cloud = torch.rand(1, 80, 3, generator=torch.Generator().manual_seed(1))
    centres = cloud[:, :9]
    for radius, k in ((0.2, 4), (0.5, 12), (2.0, 80), (1e-3, 3)):
        near = nearest_in_ball(cloud, centres, radius, k)
        assert near.shape == (1, 9, k)
        for centre, positions in zip(centres[0], near[0].tolist(), strict=True):
            distance = [float((point - centre).norm()) for point in cloud[0]]
            inside = sorted((d, i) for i, d in enumerate(distance) if d <= radius)
            assert set(positions) == {i for _, i in inside[:k]}


def test_a_cloud_of_fewer_points_is_taken_whole() -> None:
    assert sorted(farthest_points(line(0, 1, 5), 8)[0].tolist()) == [0, 1, 2]


def test_a_ball_holds_its_nearest_points_and_repeats_the_nearest() -> None:
    near = nearest_in_ball(line(0, 0.1, 0.3, 5), line(0, 5), 0.2, 3)
    assert near.tolist() == [[[0, 1, 0], [3, 3, 3]]]


def test_each_abstraction_reads_among_the_centres_of_the_one_before() -> None:
    places = clouds(3)
    first, second = find_point_sets(places, *SIZES)
    assert torch.equal(first.centres, farthest_points(places, 6))
    centres = take_points(places, first.centres)
    assert torch.equal(first.near, nearest_in_ball(places, centres, 0.5, 4))
    assert torch.equal(second.centres, farthest_points(centres, 3))
    picked = take_points(centres, second.centres)
    assert torch.equal(second.near, nearest_in_ball(centres, picked, 1.0, 2))


def test_a_small_cloud_has_fewer_of_all() -> None:
    for _ in range(2):  # found, then remembered
        first, second = find_point_sets(clouds(2, n_points=2), *SIZES)
        assert first.centres.shape == (2, 2) and first.near.shape == (2, 2, 2)
        assert second.centres.shape == (2, 2) and second.near.shape == (2, 2, 2)


def test_what_is_remembered_is_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    places = clouds(5, seed=1)
    expected = find_point_sets(places, *SIZES)
    sought: list[int] = []
    find = point_sets._find

    def counted(places: torch.Tensor, *sizes: object) -> list[PointSets]:
        sought.append(len(places))
        return find(places, *sizes)  # type: ignore[arg-type]

    monkeypatch.setattr(point_sets, "_find", counted)
    assert equal(find_point_sets(places, *SIZES), expected)
    assert not sought
    mixed = torch.cat([places[3:], clouds(2, seed=2), places[:1]])
    found = find_point_sets(mixed, *SIZES)
    assert sought == [2]
    assert equal(found, find(mixed, *SIZES))
    find_point_sets(places, *OTHER_BALLS)  # of other balls nothing is known
    assert sought == [2, 5]


def test_the_least_lately_used_are_forgotten_where_there_is_no_room() -> None:
    row = 4 * (6 + 6 * 4 + 3 + 3 * 2) + 20 * 3 * 4  # bytes
    seen = point_sets._SeenClouds(3 * row)
    old, new = clouds(3, seed=3), clouds(1, seed=4)
    seen.find(old, SIZES)
    seen.find(old[:1], SIZES)
    seen.find(new, SIZES)
    kept = {places for _, places in seen._rows}
    assert kept == {cloud.numpy().tobytes() for cloud in (old[0], old[2], new[0])}


def test_gradients_flow_through_what_is_taken() -> None:
    values = clouds(1, n_points=3).requires_grad_()
    take_points(values, torch.tensor([[2, 2, 0]])).sum().backward()
    assert values.grad is not None
    assert values.grad[0, :, 0].tolist() == [1.0, 0.0, 2.0]
