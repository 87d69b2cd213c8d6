import pytest
import torch

from vlfeedback.errors import ShapeError
from vlfeedback.models.reward.point_cloud import (
    PointCloudNet,
    PointSetNet,
)


def line(*x: float) -> torch.Tensor:
    """One cloud of points on the x axis."""
    return torch.tensor([[[value, 0.0, 0.0] for value in x]])


def small(n_features: int = 3) -> PointCloudNet:
    return PointCloudNet(
        n_features, n_centroids=(16, 4), radii=(0.5, 1.0), n_neighbours=(8, 4), width=8
    )


@torch.inference_mode()
def test_the_order_of_the_points_does_not_matter() -> None:
    torch.manual_seed(0)
    network = small()
    points = torch.randn(5, 40, 6)
    shuffled = points[:, torch.randperm(40)]
    torch.testing.assert_close(network(shuffled), network(points), rtol=1e-5, atol=1e-6)
    assert network(points).std() > 1e-4


@torch.inference_mode()
def test_moving_a_whole_cloud_does_not_matter_and_moving_a_point_does() -> None:
    torch.manual_seed(0)
    network = small()
    points = torch.randn(2, 40, 6)
    moved, bent = points.clone(), points.clone()
    moved[..., :3] += torch.tensor([1.0, -2.0, 0.5])
    bent[:, :20, 2] += 1.0
    torch.testing.assert_close(network(moved), network(points), rtol=1e-3, atol=1e-4)
    assert not torch.allclose(network(bent), network(points), rtol=1e-3, atol=1e-4)


@torch.inference_mode()
def test_a_class_lies_at_the_origin_and_where_that_is_counts() -> None:
    """Moving the whole cloud changes nothing; moving the rest about the class does."""
    torch.manual_seed(0)
    network = PointSetNet(
        2, n_centroids=(16, 4), radii=(0.5, 1.0), n_neighbours=(8, 4), width=8, origin_class=1
    )
    points = torch.randn(2, 40, 5)
    points[..., 3:] = torch.tensor([1.0, 0.0])
    points[:, 7, 3:] = points[:, 8, 3:] = torch.tensor([0.0, 1.0])  # two of class 1
    moved, apart = points.clone(), points.clone()
    moved[..., :3] += torch.tensor([1.0, -2.0, 0.5])
    rest = [i for i in range(40) if i not in (7, 8)]
    apart[:, rest, :3] += torch.tensor([4.0, 0.0, 0.0])
    torch.testing.assert_close(network(moved), network(points), rtol=1e-3, atol=1e-4)
    assert (network(apart) - network(points)).abs().max() > 0.1
    assert network(points).shape == (2, network.n_outputs) == (2, 128)


@torch.inference_mode()
def test_the_place_of_a_class_is_the_mean_of_its_points() -> None:
    torch.manual_seed(0)
    sizes = {"n_centroids": (16, 4), "radii": (0.5, 1.0), "n_neighbours": (8, 4), "width": 8}
    network = PointSetNet(2, **sizes, origin_class=1)  # type: ignore[arg-type]
    points = torch.randn(1, 40, 5)
    points[..., 3:] = torch.tensor([1.0, 0.0])
    points[:, :2, 3:] = torch.tensor([0.0, 1.0])
    centred = points.clone()
    centred[..., :3] -= points[:, :2, :3].mean(dim=1)
    torch.testing.assert_close(network(centred), network(points), rtol=1e-3, atol=1e-4)


def test_the_layers_are_those_of_the_specification() -> None:
    network = PointCloudNet(3)
    shapes = [tuple(p.shape) for name, p in network.named_parameters() if name.endswith("weight")]
    assert shapes == [
        (64, 6),
        (64, 64),
        (128, 64),
        (128, 131),
        (128, 128),
        (256, 128),
        (256, 259),
        (512, 256),
        (1024, 512),
        (512, 1024),
        (256, 512),
        (1, 256),
    ]


def test_clouds_without_classes_are_read_and_gradients_reach_every_layer() -> None:
    torch.manual_seed(0)
    network = PointCloudNet(0, n_centroids=(16, 4), radii=(0.5, 1.0), n_neighbours=(8, 4), width=32)
    network(0.3 * torch.randn(2, 30, 3)).sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


def test_a_class_that_points_do_not_have_is_refused() -> None:
    with pytest.raises(ShapeError, match="origin_class=3, and points have 3 numbers beside"):
        PointCloudNet(3, origin_class=3)


def test_points_without_a_place_are_refused() -> None:
    with pytest.raises(ShapeError, match="Points of 2 numbers"):
        PointCloudNet(-1)
