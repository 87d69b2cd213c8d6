"""The dressed ratio by hand, on square openings and arms of round lengths."""

import numpy as np
import pytest

from vlfeedback_envs.deformables.dressed_ratio import dressed_ratio

STRAIGHT = np.array([[0.0, 0, 0], [0.4, 0, 0], [1.0, 0, 0]])
BENT = np.array([[0.0, 0, 0], [0.4, 0, 0], [0.4, 0.6, 0]])  # forearm 0.4 m, upper arm 0.6 m
_SQUARE = np.array([[0.0, 0.1, 0.1], [0.0, -0.1, 0.1], [0.0, -0.1, -0.1], [0.0, 0.1, -0.1]])


def square(x: float, y: float = 0.0, z: float = 0.0) -> np.ndarray:
    """An opening of 0.2 by 0.2 m around this place, which faces along x."""
    return np.asarray(_SQUARE + np.array([x, y, z]))


def test_an_opening_around_a_straight_arm_has_come_as_far_as_it_is_from_the_hand() -> None:
    for place in (0.0, 0.25, 0.4, 0.7, 1.0):
        assert dressed_ratio(square(place), STRAIGHT) == pytest.approx(place)


def test_an_opening_before_the_hand_or_beside_the_arm_has_come_nowhere() -> None:
    assert dressed_ratio(square(-0.05), STRAIGHT) == 0
    assert dressed_ratio(square(0.5, 0.15), STRAIGHT) == 0


def test_the_way_around_an_elbow_is_measured_along_the_bones() -> None:
    across = square(0.3, 0.4)[:, [1, 0, 2]]  # faces along the upper arm
    assert dressed_ratio(across, BENT) == pytest.approx(0.7)
    assert dressed_ratio(square(0.2), BENT) == pytest.approx(0.2)


def test_the_farthest_of_several_crossings_counts() -> None:
    """A rim in the plane y = 1.5 (x - 0.3): both bones pass, at x = 0.3 and at y = 0.15."""
    rim = np.array([[0.2, -0.15, 0.2], [0.5, 0.3, 0.2], [0.5, 0.3, -0.2], [0.2, -0.15, -0.2]])
    assert dressed_ratio(rim, BENT) == pytest.approx(0.4 + 0.15)
    assert dressed_ratio(rim, BENT[[0, 1, 1]] + [[0, 0, 0], [0, 0, 0], [0.1, 0, 0]]) == (
        pytest.approx(0.3 / 0.5)
    )


def test_an_opening_past_the_shoulder_is_all_the_way_up() -> None:
    assert dressed_ratio(square(1.2), STRAIGHT) == 1
    assert dressed_ratio(square(1.4), STRAIGHT) == 0
    assert dressed_ratio(square(1.4), STRAIGHT, beyond=0.5) == 1


def test_neither_the_rims_first_vertex_nor_its_sense_matters() -> None:
    rim = square(0.6, 0.02, -0.03)
    for turned in (np.roll(rim, 1, axis=0), np.roll(rim, 3, axis=0), rim[::-1]):
        assert dressed_ratio(turned, STRAIGHT) == pytest.approx(0.6)


def test_moving_rim_and_arm_together_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    shift = rng.normal(size=3)
    rim = square(0.4) + rng.normal(0, 0.01, (4, 3))
    expected = dressed_ratio(rim, BENT)
    assert 0.3 < expected < 0.6
    assert dressed_ratio(rim @ turn.T + shift, BENT @ turn.T + shift) == pytest.approx(expected)


def test_an_arm_in_the_plane_of_the_rim_passes_through_nothing() -> None:
    flat = np.array([[0.2, 0.1, 0], [0.2, -0.1, 0], [0.4, -0.1, 0], [0.4, 0.1, 0]])
    assert dressed_ratio(flat, STRAIGHT) == 0
