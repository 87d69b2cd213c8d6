from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vlfeedback.errors import DtypeError, InvalidTypeError, NeedsError, ShapeError
from vlfeedback.types import SegmentBatch, SegmentPairs


def batch(n: int = 2, t: int = 3, **changes: Any) -> SegmentBatch:
    return SegmentBatch(**({"actions": np.zeros((n, t, 4), np.float32)} | changes))


def test_float_pictures_are_refused_with_the_conversion() -> None:
    with pytest.raises(DtypeError, match=r"frames is float32.*\* 255"):
        SegmentBatch(frames=np.zeros((1, 2, 4, 4, 3), np.float32))


def test_a_missing_batch_axis_is_named() -> None:
    with pytest.raises(ShapeError, match=r"\(2, 4, 4, 3\); expected \(N, F, H, W, 3\).*frames\[No"):
        SegmentBatch(frames=np.zeros((2, 4, 4, 3), np.uint8))


@pytest.mark.parametrize(
    ("first_frames", "error", "message"),
    [
        (np.zeros((2, 4, 4, 3), np.float32), DtypeError, r"first_frames is float32.*\* 255"),
        (np.zeros((4, 4, 3), np.uint8), ShapeError, r"expected \(N, H, W, 3\), RGB last"),
        (np.zeros((3, 4, 4, 3), np.uint8), ShapeError, "first_frames has 3 rows; expected 2"),
    ],
)
def test_pictures_of_resets_are_checked_like_others(
    first_frames: np.ndarray, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        batch(2, first_frames=first_frames)


def test_every_segment_has_an_embedding_of_its_reset() -> None:
    with pytest.raises(ShapeError, match="first_embeddings has 1 rows; expected 2, one per segme"):
        batch(2, first_embeddings=np.zeros((1, 8), np.float32))


def test_a_reset_is_known_where_its_picture_is_given_and_shown() -> None:
    assert not batch(2).has_reset.any()
    given = batch(2, first_frames=np.zeros((2, 4, 4, 3), np.uint8))
    assert given.has_reset.all()
    assert batch(2, first_embeddings=np.zeros((2, 8), np.float32)).has_reset.all()
    shows_reset = np.array([False, True])
    assert not batch(2, shows_reset=shows_reset).has_reset.any()
    assert replace(given, shows_reset=shows_reset).has_reset.tolist() == [False, True]
    with pytest.raises(ShapeError, match="shows_reset has 2 rows; expected 3, one per segment"):
        batch(3, shows_reset=shows_reset)


def test_channels_first_pictures_are_refused() -> None:
    with pytest.raises(ShapeError, match="RGB last"):
        SegmentBatch(frames=np.zeros((1, 2, 3, 4, 4), np.uint8))


def test_one_string_as_instructions_is_refused() -> None:
    with pytest.raises(InvalidTypeError, match=r"one string; expected 2.*\['ab'\] \* 2"):
        batch(2, instructions="ab")


def test_every_segment_has_an_instruction() -> None:
    with pytest.raises(ShapeError, match="instructions has 1 rows; expected 2, one per segment"):
        batch(2, instructions=["open the door"])


@pytest.mark.parametrize(
    "changes",
    [
        {"observations": np.zeros((2, 4, 1), np.float32)},
        {"observations": np.zeros((3, 3, 1), np.float32)},
        {"env_rewards": np.zeros((2, 2), np.float32)},
        {"mask": np.ones((2, 4), bool)},
        {"embeddings": np.zeros((1, 3, 8), np.float32)},
    ],
)
def test_arrays_of_a_batch_must_fit_each_other(changes: dict[str, Any]) -> None:
    with pytest.raises(
        ShapeError, match=f"{next(iter(changes))} has shape .*2 segments of 3 steps"
    ):
        batch(2, 3, **changes)


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(ShapeError, match="empty SegmentBatch"):
        SegmentBatch(length=3)


def test_pictures_of_some_steps_need_to_say_which() -> None:
    with pytest.raises(ShapeError, match=r"expected \(1, 50, ...\).*frame_steps"):
        batch(1, 50, frames=np.zeros((1, 8, 4, 4, 3), np.uint8))


@pytest.mark.parametrize("steps", [[0, 3], [-1, 2]])
def test_pictures_after_steps_that_are_not_there_are_refused(steps: list[int]) -> None:
    with pytest.raises(ShapeError, match="expected steps of a segment of length 3"):
        batch(1, 3, frames=np.zeros((1, 2, 4, 4, 3), np.uint8), frame_steps=np.array(steps))


@pytest.mark.parametrize(
    ("changes", "length"),
    [
        ({}, 8),  # a picture after each step
        ({"frame_steps": np.arange(0, 50, 7)}, 50),  # up to the last picture
        ({"frame_steps": np.arange(0, 50, 7), "length": 55}, 55),
        ({"frame_steps": np.arange(8), "actions": np.zeros((1, 20, 4), np.float32)}, 20),
    ],
)
def test_length_comes_from_what_is_there(changes: dict[str, Any], length: int) -> None:
    made = SegmentBatch(frames=np.zeros((1, 8, 4, 4, 3), np.uint8), **changes)
    assert made.n_steps == made.length == length
    assert made.last_steps.tolist() == [length - 1]
    assert len(made) == 1


def test_the_last_step_is_the_last_real_one() -> None:
    mask = np.array([[True, True, False], [True, True, True]])
    assert batch(2, 3, mask=mask).last_steps.tolist() == [1, 2]


@pytest.mark.parametrize("row", [[False, False, False], [False, True, True], [True, False, True]])
def test_padding_comes_after_at_least_one_step(row: list[bool]) -> None:
    with pytest.raises(ShapeError, match="mask must be True"):
        batch(1, 3, mask=np.array([row]))


def test_a_batch_of_actions_has_no_pictures() -> None:
    assert batch().picture_steps.tolist() == []


def pictured(steps: list[int], real: list[int], length: int) -> SegmentBatch:
    """Segments of so many real steps, padded to `length`, with a picture after these steps."""
    return SegmentBatch(
        frames=np.zeros((len(real), len(steps), 4, 4, 3), np.uint8),
        frame_steps=np.array(steps),
        mask=np.arange(length) < np.array(real)[:, None],
    )


def test_pictures_are_spread_evenly_from_the_first_to_the_last_real_step() -> None:
    every_step = pictured([*range(10)], [10, 10], 10)
    assert every_step.spread_pictures(4).tolist() == [[0, 3, 6, 9]] * 2
    every_seventh = pictured([0, 7, 14, 21, 28, 35, 42, 49], [50], 50)
    assert every_seventh.spread_pictures(8).tolist() == [[0, 1, 2, 3, 4, 5, 6, 7]]
    assert every_seventh.spread_pictures(3).tolist() == [[0, 4, 7]]  # 3.5 goes to the even one


def test_no_picture_is_taken_from_after_a_shorter_clips_own_end() -> None:
    spread = pictured([0, 3, 6, 9], [10, 9, 7, 4, 3], 10).spread_pictures(4)
    assert spread.tolist() == [
        [0, 1, 2, 3],
        [0, 1, 1, 2],  # ends at step 8, before the picture after step 9
        [0, 1, 1, 2],  # ends at step 6, whose picture is its own
        [0, 0, 1, 1],
        [0, 0, 0, 0],
    ]


def test_a_clip_without_a_picture_up_to_its_end_is_refused() -> None:
    late = pictured([2, 5, 8], [9, 2], 9)
    with pytest.raises(NeedsError, match=r"ends at step 1 has none up to there: .* \[2, 5, 8\] .*"):
        late.spread_pictures(3)
    assert late.take([0]).spread_pictures(3).tolist() == [[0, 1, 2]]


def test_one_picture_is_the_first_and_a_lone_one_is_repeated() -> None:
    assert pictured([0, 1, 2], [3, 2], 3).spread_pictures(1).tolist() == [[0], [0]]
    assert pictured([1], [3], 3).spread_pictures(4).tolist() == [[0, 0, 0, 0]]


def test_the_newest_picture_is_held_until_the_next() -> None:
    assert pictured([0, 3], [5], 5).newest_pictures().tolist() == [0, 0, 0, 1, 1]
    with pytest.raises(NeedsError, match=r"after the steps \[2, 5\]; take one after step 0"):
        pictured([2, 5], [6], 6).newest_pictures()


def test_take_cuts_every_array_and_the_instructions() -> None:
    full = batch(
        3,
        2,
        actions=np.arange(6, dtype=np.float32).reshape(3, 2, 1),
        embeddings=np.arange(3, dtype=np.float32).reshape(3, 1, 1),
        first_frames=np.arange(9, dtype=np.uint8).reshape(3, 1, 1, 3),
        first_embeddings=np.arange(3, dtype=np.float32)[:, None],
        shows_reset=np.array([False, True, True]),
        frame_steps=np.array([1]),
        mask=np.array([[True, False], [True, True], [True, True]]),
        instructions=["a", "b", "c"],
    )
    taken = full.take([2, 0])
    assert taken.actions is not None and taken.actions[..., 0].tolist() == [[4, 5], [0, 1]]
    assert taken.embeddings is not None and taken.embeddings[:, 0, 0].tolist() == [2, 0]
    assert taken.first_frames is not None and taken.first_frames[:, 0, 0, 0].tolist() == [6, 0]
    assert taken.first_embeddings is not None and taken.first_embeddings.tolist() == [[2], [0]]
    assert taken.has_reset.tolist() == [True, False]
    assert taken.instructions == ["c", "a"]
    assert taken.last_steps.tolist() == [1, 0]
    assert taken.picture_steps.tolist() == [1]
    assert full.take(slice(1, None)).instructions == ["b", "c"]
    assert full.take(np.array([False, True, False])).instructions == ["b"]


def test_a_slice_of_a_batch_copies_no_pictures() -> None:
    resets = np.arange(12, dtype=np.uint8).reshape(4, 1, 1, 3)
    full = batch(4, 2, frames=np.zeros((4, 2, 4, 4, 3), np.uint8), first_frames=resets)
    part = full.take(slice(1, 3))
    assert len(part) == 2
    assert part.frames is not None and np.shares_memory(part.frames, full.frames)
    assert part.first_frames is not None and part.first_frames[:, 0, 0, 0].tolist() == [3, 6]


def test_a_batch_shows_shapes_instead_of_numbers() -> None:
    shown = repr(batch(2, 3, frames=np.zeros((2, 3, 4, 5, 3), np.uint8)))
    assert shown == "SegmentBatch(N=2, T=3, frames=(3, 4, 5, 3) uint8, actions=(3, 4) float32)"


def test_a_pair_needs_one_segment_of_each() -> None:
    assert len(SegmentPairs(first=batch(2), second=batch(2))) == 2
    with pytest.raises(ShapeError, match="2 first and 3 second"):
        SegmentPairs(first=batch(2), second=batch(3))
