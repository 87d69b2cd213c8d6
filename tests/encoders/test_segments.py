from typing import Any

import numpy as np
import pytest

from vlfeedback.encoders.segments import (
    TextCache,
    first_features,
    hold_scores,
    picture_features,
)
from vlfeedback.errors import NeedsError
from vlfeedback.types import SegmentBatch


class Shade:
    """The first number of each picture, twice; remembers how many it got at once."""

    def __init__(self) -> None:
        self.got: list[int] = []

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        self.got.append(len(frames))
        return np.repeat(frames[:, 0, 0, :1], 2, axis=1).astype(np.float32)


def shades(*rows: tuple[int, ...]) -> np.ndarray:
    return np.array(rows, np.uint8)[..., None, None, None].repeat(3, axis=-1)


# Pictures --------------------------------------------------------------------------------------


def test_pictures_of_all_segments_are_encoded_in_one_call() -> None:
    embed = Shade()
    batch = SegmentBatch(frames=shades((1, 2, 3), (4, 5, 6)))
    features = picture_features(batch, embed, source="shade")
    np.testing.assert_array_equal(features[..., 0], [[1, 2, 3], [4, 5, 6]])
    assert features.shape == (2, 3, 2)
    assert embed.got == [6]


def test_embeddings_that_are_there_are_taken_as_they_are() -> None:
    embed = Shade()
    given = np.ones((1, 2, 2), np.float32)
    batch = SegmentBatch(
        frames=shades((1, 2)),
        embeddings=given,
        first_frames=shades((1,))[0],
        first_embeddings=given[:, 0],
    )
    assert picture_features(batch, embed, source="shade") is given
    np.testing.assert_array_equal(first_features(batch, embed, source="shade"), [[1, 1]])
    assert embed.got == []


def test_the_picture_of_the_reset_is_encoded_for_each_segment() -> None:
    batch = SegmentBatch(frames=shades((1,), (2,)), first_frames=shades((7, 8))[0])
    features = first_features(batch, Shade(), source="shade")
    np.testing.assert_array_equal(features, [[7, 7], [8, 8]])


def test_pictures_that_are_lacking_are_named() -> None:
    batch = SegmentBatch(actions=np.zeros((1, 2, 1)))
    with pytest.raises(NeedsError, match=r"'shade' reads pictures: give frames \(N, F, H, W, 3\)"):
        picture_features(batch, Shade(), source="shade")
    with pytest.raises(NeedsError, match=r"'shade' compares .* reset: give first_frames \(N, H"):
        first_features(batch, Shade(), source="shade")


# Texts -----------------------------------------------------------------------------------------


class Length:
    """The number of letters; remembers the texts."""

    def __init__(self) -> None:
        self.got: list[str] = []

    def __call__(self, text: str) -> np.ndarray:
        self.got.append(text)
        return np.array([len(text)], np.float32)


def test_each_text_is_encoded_once_and_by_itself() -> None:
    embed = Length()
    texts = TextCache("length", embed)
    batch = SegmentBatch(actions=np.zeros((3, 1, 1)), instructions=["close", "open", "close"])
    for _ in range(2):
        np.testing.assert_array_equal(texts.of(batch), [[5], [4], [5]])
    np.testing.assert_array_equal(texts("open"), [4])
    assert embed.got == ["close", "open"]


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_instruction_is_refused(text: str) -> None:
    with pytest.raises(NeedsError, match=r"'length' needs an instruction in words; got '"):
        TextCache("length", Length())(text)


def test_missing_instructions_are_asked_for() -> None:
    with pytest.raises(NeedsError, match=r"for every segment: instructions=\[\.\.\.\]"):
        TextCache("length", Length()).of(SegmentBatch(actions=np.zeros((1, 1, 1))))


# Scores ----------------------------------------------------------------------------------------


def scored(n: int, **fields: Any) -> SegmentBatch:
    steps = fields.get("frame_steps")
    n_pictures = fields["length"] if steps is None else len(steps)
    return SegmentBatch(frames=np.zeros((n, n_pictures, 1, 1, 3), np.uint8), **fields)


def test_a_score_is_held_until_the_next_picture() -> None:
    batch = scored(2, frame_steps=np.array([0, 2]), length=5)
    rewards = hold_scores(np.array([[1.0, 2.0], [3.0, 4.0]]), batch)
    np.testing.assert_array_equal(rewards, [[1, 1, 2, 2, 2], [3, 3, 4, 4, 4]])
    assert rewards.dtype == np.float32


def test_padding_gets_zero() -> None:
    batch = scored(1, length=3, mask=np.array([[True, True, False]]))
    np.testing.assert_array_equal(hold_scores(np.array([[1.0, 2.0, 3.0]]), batch), [[1, 2, 0]])


def test_a_first_picture_that_comes_late_is_refused() -> None:
    batch = scored(1, frame_steps=np.array([1]), length=2)
    with pytest.raises(NeedsError, match="after the steps \\[1\\]; take one after step 0 as well"):
        hold_scores(np.array([[1.0]]), batch)
