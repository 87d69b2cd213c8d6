import numpy as np
import pytest

from vlfeedback.errors import NeedsError
from vlfeedback.types import SegmentBatch
from vlfeedback.vlms.judging.clips import Clip, ClipSettings, clip_needs, curves_of, last_scores


def batch(*rows: list[int], mask: np.ndarray | None = None, stride: int = 1) -> SegmentBatch:
    """Pictures of one pixel of these levels."""
    levels = np.array(rows, np.uint8)[..., None, None, None]
    steps = np.arange(levels.shape[1]) * stride
    return SegmentBatch(
        frames=np.broadcast_to(levels, (*levels.shape[:2], 1, 1, 3)).copy(),
        frame_steps=steps,
        length=int(steps[-1]) + 1,
        mask=mask,
        instructions=["open it"] * len(rows),
    )


def test_a_window_of_zero_is_the_whole_episode() -> None:
    whole, window = clip_needs(ClipSettings()), clip_needs(ClipSettings(window=50))
    assert (whole.granularity, whole.context, whole.frame_stride) == ("episode", 1, 7)
    assert (window.granularity, window.context, window.frame_stride) == ("window", 50, 7)
    assert window.context_frames == 8
    assert whole.frames and whole.instruction and not whole.first_frame
    assert clip_needs(ClipSettings(), first_frame=True).first_frame


def test_a_clip_begins_where_something_changes_and_ends_with_its_last_real_step() -> None:
    mask = np.arange(5) < np.array([[5], [3], [5], [1]])
    rows = batch([1, 1, 1, 2, 3], [4, 5, 6, 7, 8], [9, 9, 9, 9, 9], [1, 2, 3, 4, 5], mask=mask)
    clips = Clip.all_of(rows, source="mine")
    assert [(clip.start, clip.end) for clip in clips] == [(2, 4), (0, 2), (4, 4), (0, 0)]


def test_pictures_are_spread_evenly_first_and_last_included_each_once() -> None:
    (clip,) = Clip.all_of(batch(list(range(11))), source="mine")
    assert clip.places(3).tolist() == [0, 5, 10]
    assert clip.places(1).tolist() == [10]
    assert clip.places(99).tolist() == list(range(11))
    assert clip.places(3, end=4).tolist() == [0, 2, 4]


def test_scores_sit_at_the_last_real_step() -> None:
    mask = np.arange(5) < np.array([[5], [2]])
    rewards = last_scores(
        batch([1] * 5, [1] * 5, mask=mask),
        [np.array([0.5, 2], np.float32), np.array([3], np.float32)],
    )
    assert rewards.tolist() == [[0, 0, 0, 0, 2], [0, 3, 0, 0, 0]]


def test_curves_are_straight_between_known_scores_and_zero_after_the_end() -> None:
    mask = np.arange(5) < np.array([[5], [3]])
    clips = Clip.all_of(batch([1, 1, 2, 3, 4], [1, 2, 3, 4, 5], mask=mask), source="mine")
    curves = curves_of(
        clips,
        [np.array([1, 4]), np.array([0, 2])],
        [np.array([1, 4], np.float32), np.array([8, 6], np.float32)],
    )
    assert curves.tolist() == [[1, 1, 2, 3, 4], [8, 7, 6, 0, 0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"instructions": None}, "'mine' needs an instruction for every segment"),
        ({"instructions": ["  "]}, "'mine' needs an instruction in words; got '  '"),
        ({"frames": None}, "'mine' shows pictures: give frames"),
        ({"frame_steps": np.array([1, 2])}, "has none up to there"),
    ],
)
def test_what_is_missing_is_refused(change: dict[str, object], message: str) -> None:
    whole: dict[str, object] = {
        "frames": np.zeros((1, 2, 1, 1, 3), np.uint8),
        "actions": np.zeros((1, 3, 1), np.float32),
        "frame_steps": np.array([0, 1]),
        "instructions": ["open it"],
        "mask": np.array([[True, False, False]]),
    }
    with pytest.raises(NeedsError, match=message):
        Clip.all_of(SegmentBatch(**(whole | change)), source="mine")  # type: ignore[arg-type]
