import numpy as np
import pytest
import torch

from vlfeedback.models.vlp.progress import FEATURES, ProgressHead, describe_motion


def place(
    hand: tuple[float, float, float], gripper: float, thing: tuple[float, float, float]
) -> list[float]:
    gap = [b - a for a, b in zip(hand, thing, strict=True)]
    return [*hand, gripper, *thing, *gap]


def describe(*pictures: list[float]) -> np.ndarray:
    """Features (F, 10) of a segment that begins at the reset."""
    positions = torch.tensor([pictures])
    return describe_motion(positions, positions[:, 0])[0].numpy()


# The hand starts half a metre from the object, goes to it, and lifts it by 40 cm.
LIFTED = [
    place((0.0, 0.4, 0.5), 1.0, (0.0, 0.7, 0.1)),
    place((0.0, 0.7, 0.1), 0.5, (0.0, 0.7, 0.1)),
    place((0.0, 0.7, 0.5), 0.0, (0.0, 0.7, 0.5)),
]


def test_a_segment_is_described_by_ten_numbers_a_picture() -> None:
    expected = [
        # near, its share, moved, finer, hand moved, raised, hand speed, speed, gripper, hand height
        [2.5, 0.5 / 0.52, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.5],
        [0.0, 0.0, 0.0, 0.0, 2.5, 0.0, 10.0, 0.0, 0.5, 0.5],
        [0.0, 0.0, 4.0, 3.0, 1.5, 4.0, 8.0, 12.0, 0.0, 2.5],
    ]
    assert len(expected[0]) == FEATURES
    np.testing.assert_allclose(describe(*LIFTED), expected, atol=0.01)


def test_the_first_picture_of_a_segment_has_no_speed() -> None:
    np.testing.assert_array_equal(describe(*LIFTED[::-1])[0, 6:8], 0.0)


def test_small_displacements_of_the_object_show_finer_up_to_six_centimetres() -> None:
    hand = (0.0, 0.6, 0.2)
    moved = [place(hand, 1.0, (x, 0.6, 0.0)) for x in (0.0, 0.02, 0.06, 0.5)]
    described = describe(*moved)
    np.testing.assert_allclose(described[:, 2], [0.0, 0.2, 0.6, 5.0], atol=0.01)
    np.testing.assert_allclose(described[:, 3], [0.0, 1.0, 3.0, 3.0], atol=0.01)


def test_an_object_that_sinks_is_below_where_it_began() -> None:
    hand = (0.0, 0.6, 0.2)
    sunk = describe(place(hand, 1.0, (0.0, 0.6, 0.1)), place(hand, 1.0, (0.0, 0.6, 0.05)))
    assert sunk[1, 5] == pytest.approx(-0.5, abs=1e-5)


def test_a_hand_that_begins_at_the_object_keeps_the_share_finite() -> None:
    together = place((0.0, 0.6, 0.2), 1.0, (0.0, 0.6, 0.2))
    apart = place((0.04, 0.6, 0.2), 1.0, (0.0, 0.6, 0.2))
    assert describe(together, apart)[1, 1] == pytest.approx(0.04 / 0.02, abs=0.02)


def test_the_displacement_is_from_the_reset_and_not_from_the_first_picture() -> None:
    positions = torch.tensor([LIFTED[1:]])
    moved = describe_motion(positions, torch.tensor([LIFTED[0]]))[0, :, 4]
    np.testing.assert_allclose(moved, [2.5, 1.5], atol=0.01)


@pytest.fixture
def moves() -> tuple[torch.Tensor, torch.Tensor]:
    """Positions and resets of four episodes."""
    rng = np.random.default_rng(0)
    hand, thing = (rng.normal(0.5, 0.1, size=(4, 9, 3)) for _ in range(2))
    parts = [hand, rng.uniform(size=(4, 9, 1)), thing, thing - hand]
    positions = torch.from_numpy(np.concatenate(parts, axis=-1).astype(np.float32))
    return positions[:, 1:], positions[:, 0]


def shift(positions: torch.Tensor, x: float, y: float, z: float) -> torch.Tensor:
    """Move hand and object alike."""
    return positions + torch.tensor([x, y, z, 0.0, x, y, z, 0.0, 0.0, 0.0])


def test_where_on_the_table_a_segment_plays_changes_nothing(
    moves: tuple[torch.Tensor, torch.Tensor],
) -> None:
    positions, first = moves
    torch.manual_seed(0)
    head = ProgressHead(n_frames=8, members=4, hidden=16).eval()
    motion = describe_motion(positions, first)
    moved = describe_motion(shift(positions, 0.2, -0.1, 0.0), shift(first, 0.2, -0.1, 0.0))
    torch.testing.assert_close(moved, motion, atol=1e-4, rtol=1e-4)
    has_reset = torch.tensor([True, True, False, False])
    torch.testing.assert_close(
        head(moved, has_reset), head(motion, has_reset), atol=1e-3, rtol=1e-3
    )


def test_how_high_a_segment_plays_changes_the_height_of_the_hand_alone(
    moves: tuple[torch.Tensor, torch.Tensor],
) -> None:
    positions, first = moves
    raised = describe_motion(shift(positions, 0.0, 0.0, 0.1), shift(first, 0.0, 0.0, 0.1))
    change = raised - describe_motion(positions, first)
    torch.testing.assert_close(change[..., :9], torch.zeros(4, 8, 9), atol=1e-4, rtol=0.0)
    torch.testing.assert_close(change[..., 9], torch.full((4, 8), 0.5), atol=1e-4, rtol=0.0)


@pytest.fixture
def head() -> ProgressHead:
    torch.manual_seed(0)
    return ProgressHead(n_frames=8, members=3, hidden=16).eval()


def test_each_member_judges_for_itself(head: ProgressHead) -> None:
    progress = head(torch.randn(5, 8, FEATURES), torch.ones(5, dtype=torch.bool))
    assert progress.shape == (3, 5)
    assert not torch.allclose(progress[0], progress[1], atol=1e-3)


def test_clips_without_their_reset_are_judged_by_members_of_their_own(head: ProgressHead) -> None:
    x, has_reset = torch.randn(4, 8, FEATURES), torch.tensor([True, False, False, True])
    progress = head(x, has_reset)
    torch.testing.assert_close(
        progress[:, has_reset], head.judge(x, head.since_reset)[:, has_reset]
    )
    torch.testing.assert_close(progress[:, ~has_reset], head.judge(x, head.cut_out)[:, ~has_reset])
    assert not torch.allclose(progress, head(x, ~has_reset), atol=1e-3)


def test_motion_is_standardised_and_cut_at_five_deviations(head: ProgressHead) -> None:
    head.mean += 3.0
    head.std *= 2.0
    motion = torch.zeros(1, 8, FEATURES)
    motion[0, 0], motion[0, 1], motion[0, 2] = 5.0, 1000.0, -1000.0
    expected = torch.tensor([1.0, 5.0, -5.0, *[-1.5] * 5])
    torch.testing.assert_close(head.standardise(motion)[0, :, 0], expected)


def test_a_segment_played_backwards_has_another_progress(head: ProgressHead) -> None:
    x, has_reset = torch.randn(5, 8, FEATURES), torch.ones(5, dtype=torch.bool)
    assert not torch.allclose(head(x, has_reset), head(x.flip(1), has_reset), atol=1e-3)
