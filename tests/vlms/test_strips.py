"""Key frames and the strips that are drawn of them, pixel by pixel."""

import numpy as np
import pytest

from vlfeedback.errors import NeedsError
from vlfeedback.types import SegmentBatch
from vlfeedback.vlms.judging.strips import draw_strip, key_frames, last_pictures, strips_of


def batch(n_pictures: int, *, stride: int = 1, mask: np.ndarray | None = None) -> SegmentBatch:
    """Two segments whose picture k is filled with 10 k, and with 10 k + 1."""
    values = 10 * np.arange(n_pictures)[None] + np.arange(2)[:, None]
    frames = np.broadcast_to(
        values[:, :, None, None, None].astype(np.uint8), (2, n_pictures, 40, 60, 3)
    )
    steps = stride * np.arange(n_pictures)
    return SegmentBatch(frames=frames, frame_steps=steps, length=int(steps[-1]) + 1, mask=mask)


@pytest.mark.parametrize(
    ("n_pictures", "n", "expected"),
    [
        (8, 3, [0, 4, 7]),  # PLARE's
        (7, 3, [0, 3, 6]),
        (6, 3, [0, 3, 5]),  # half way between 2 and 3 is the later
        (8, 1, [7]),
        (8, 2, [0, 7]),
        (8, 8, [0, 1, 2, 3, 4, 5, 6, 7]),
        (2, 3, [0, 1]),
        (1, 3, [0]),
    ],
)
def test_key_frames_are_first_middle_and_last(n_pictures: int, n: int, expected: list[int]) -> None:
    assert [shown.tolist() for shown in key_frames(batch(n_pictures), n)] == [expected] * 2


def test_pictures_after_a_segments_end_are_not_shown() -> None:
    mask = np.arange(8) < np.array([[8], [5]])
    padded = batch(8, mask=mask)
    assert [shown.tolist() for shown in key_frames(padded, 3)] == [[0, 4, 7], [0, 2, 4]]
    assert [picture[0, 0, 0] for picture in last_pictures(padded)] == [70, 41]


def test_the_last_picture_is_that_of_the_last_step() -> None:
    assert [picture[0, 0, 0] for picture in last_pictures(batch(3, stride=7))] == [20, 21]


def test_a_strip_has_white_margins_and_black_frames_of_known_widths() -> None:
    frames = np.stack([np.full((200, 100, 3), (200, 30 * k, 90), np.uint8) for k in range(3)])
    strip = draw_strip(frames, [0, 36, 63])
    margin, border = 10, 2  # a twentieth and a hundredth of the height
    assert strip.shape == (10 + 2 + 200 + 2 + 10 + 25 + 10, 3 * (100 + 4) + 4 * 10, 3)
    assert np.all(strip[:margin] == 255) and np.all(strip[-margin:] == 255)
    framed = strip[margin : margin + 204]
    for k in range(4):
        left = k * (104 + margin)
        assert np.all(framed[:, left : left + margin] == 255)
    for k in range(3):
        left = margin + k * (104 + margin)
        frame = framed[:, left : left + 104]
        assert np.all(frame[:border] == 0) and np.all(frame[-border:] == 0)
        assert np.all(frame[:, :border] == 0) and np.all(frame[:, -border:] == 0)
        np.testing.assert_array_equal(frame[border:-border, border:-border], frames[k])


def test_each_frame_has_its_time_printed_beneath_it() -> None:
    frames = np.zeros((2, 100, 100, 3), np.uint8)
    one, other = draw_strip(frames, [0, 36]), draw_strip(frames, [0, 35])
    below = slice(5 + 102, None)
    middle = one.shape[1] // 2
    assert one[below, :middle].min() < 64  # ink
    assert one[below, middle:].min() < 64
    differs = np.argwhere((one != other).any(axis=2))
    assert len(differs)
    assert differs[:, 0].min() >= 5 + 102 and differs[:, 1].min() > middle  # the second mark alone


def test_marks_are_grey_and_stay_clear_of_the_frames() -> None:
    strip = draw_strip(np.full((1, 64, 64, 3), (255, 0, 0), np.uint8), [123456]).astype(int)
    below = strip[4 + 66 :]
    assert np.ptp(below, axis=2).max() == 0
    assert np.all(below[:4] == 255)


def test_strips_show_each_segment_by_its_own_frames_and_steps() -> None:
    first, second = strips_of(batch(8, stride=9), 3)
    frames = np.stack([np.full((40, 60, 3), 10 * k, np.uint8) for k in (0, 4, 7)])
    np.testing.assert_array_equal(first, draw_strip(frames, [0, 36, 63]))
    np.testing.assert_array_equal(second, draw_strip(frames + np.uint8(1), [0, 36, 63]))


def test_a_batch_without_pictures_is_refused() -> None:
    nothing = SegmentBatch(actions=np.zeros((2, 5, 3), np.float32))
    for refused in (last_pictures, lambda shown: strips_of(shown, 3)):
        with pytest.raises(NeedsError, match=r"give frames \(N, F, H, W, 3\)"):
            refused(nothing)
