"""Free pickers: what they take hold of, what they wait for, and where they may go."""

from collections.abc import Iterator

import numpy as np
import pytest

from vlfeedback_envs.deformables.free_rope import StraightenRopeFree
from vlfeedback_envs.deformables.pickers import LAG, drawn_together, kept_near

UP, HOLD = np.array([0.0, 1.0, 0.0]), 1.0


@pytest.fixture(scope="module")
def rope() -> StraightenRopeFree:
    return StraightenRopeFree()


@pytest.fixture
def laid(rope: StraightenRopeFree) -> Iterator[StraightenRopeFree]:
    rope.reset(seed=0)
    yield rope


def put(env: StraightenRopeFree, *places: np.ndarray) -> None:
    """Pickers there, holding nothing."""
    env.pickers.begin(np.array(places))


def acted(flags: tuple[float, float], moves: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return np.concatenate([np.append(m, f) for m, f in zip(moves, flags, strict=True)])


STILL = (np.zeros(3), np.zeros(3))


def test_places_farther_apart_than_allowed_are_drawn_together_alike() -> None:
    places = np.array([[0.0, 0.0, 0.1], [0.5, 0.0, 0.1]])
    np.testing.assert_allclose(drawn_together(places, 0.3), [[0.1, 0.0, 0.1], [0.4, 0.0, 0.1]])
    np.testing.assert_array_equal(drawn_together(places, 0.5), places)


def test_a_picker_waits_three_centimetres_ahead_of_what_lags() -> None:
    ends = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    places = np.array([[0.0, 0.05, 0.0], [1.0, 0.0, 0.02]])
    np.testing.assert_allclose(kept_near(places, ends), [[0, 0.03, 0], [1, 0, 0.02]])
    assert LAG == 0.03


def test_nothing_is_held_before_a_flag_is_positive(laid: StraightenRopeFree) -> None:
    put(laid, laid.nodes()[0], laid.nodes()[20])
    laid.step(acted((-1.0, 0.0), STILL))
    assert laid.pickers.held == [None, None]
    laid.step(acted((0.1, 1.0), STILL))
    assert laid.pickers.held == [0, 20]


def test_the_nearest_node_within_five_centimetres_is_held(laid: StraightenRopeFree) -> None:
    nodes = laid.nodes().copy()
    above = np.array([0.0, 0.0, 0.045])
    put(laid, nodes[7] + above, nodes[20] + above + [0.0, 0.0, 0.02])
    laid.step(acted((HOLD, HOLD), STILL))
    assert laid.pickers.held == [7, None]


def test_a_node_that_is_held_is_not_held_again(laid: StraightenRopeFree) -> None:
    node = laid.nodes()[12].copy()
    put(laid, node, node)
    laid.step(acted((HOLD, HOLD), STILL))
    assert laid.pickers.held[0] == 12
    assert laid.pickers.held[1] in (11, 13)


def test_what_is_held_stays_where_it_is_beside_its_picker(laid: StraightenRopeFree) -> None:
    beside = np.array([0.01, 0.0, 0.03])
    put(laid, laid.nodes()[0] + beside, np.array([0.3, 0.3, 0.1]))
    before = laid.nodes()[0].copy()
    laid.step(acted((HOLD, -1.0), (0.5 * UP, np.zeros(3))))
    laid.step(acted((HOLD, -1.0), STILL))
    risen = np.array([0.0, 0.0, 0.04])
    np.testing.assert_allclose(laid.data.mocap_pos[0] - before, beside + risen, atol=1e-3)
    np.testing.assert_allclose(laid.data.mocap_pos[0] - laid.nodes()[0], beside, atol=0.012)


def test_an_end_sinks_once_it_is_let_go(laid: StraightenRopeFree) -> None:
    put(laid, laid.nodes()[0], laid.nodes()[20])
    for _ in range(2):
        laid.step(acted((HOLD, HOLD), (UP, UP)))
    lifted = laid.nodes()[[0, 20], 2].copy()
    assert lifted.min() > 0.08
    for _ in range(6):
        laid.step(acted((-1.0, HOLD), STILL))
    assert laid.pickers.held == [None, 20]
    assert laid.nodes()[0, 2] < lifted[0] - 0.02
    assert laid.nodes()[20, 2] > lifted[1] - 0.01


def test_pickers_stay_in_their_room(laid: StraightenRopeFree) -> None:
    for way in (1.0, -1.0):
        for _ in range(9):
            laid.step(acted((-1.0, -1.0), (np.full(3, way), np.full(3, way))))
        x, up, z = laid.state()[30:].reshape(2, 3).T
        np.testing.assert_allclose(np.abs([x, z]), 0.33, atol=1e-6)
        np.testing.assert_allclose(up, 0.28 if way > 0 else 0.02, atol=1e-6)


def test_pickers_go_no_farther_apart_than_the_rope_between_them(laid: StraightenRopeFree) -> None:
    """Eight links of 2.735 cm, and 2 % more."""
    put(laid, laid.nodes()[4], laid.nodes()[12])
    apart = laid.nodes()[12, :2] - laid.nodes()[4, :2]
    x, y = apart / np.abs(apart).max()
    away = np.array([x, 0.0, -y])
    for _ in range(8):
        laid.step(acted((HOLD, HOLD), (-away, away)))
    first, second = laid.data.mocap_pos
    assert np.linalg.norm(first - second) <= 1.02 * 8 * 0.547 / 20 + 1e-6
    assert np.linalg.norm(laid.nodes()[4] - laid.nodes()[12]) > 0.95 * 8 * 0.547 / 20
