import numpy as np
import pytest

from vlfeedback.errors import NeedsError, SourceAnswerError
from vlfeedback.scoring.paced import PacedSource, pace_of, paced
from vlfeedback.testing.brightness import BrightnessConfig, BrightnessEmbedder, BrightnessReward
from vlfeedback.types import SegmentBatch, SourceNeeds


def pictures(*brightness: int) -> np.ndarray:
    """One clip, a picture of each of these brightnesses: (1, F, 2, 2, 3)."""
    return np.repeat(np.array(brightness, np.uint8), 12).reshape(1, -1, 2, 2, 3)


@pytest.mark.parametrize(
    ("needs", "stride", "pace"),
    [
        (SourceNeeds(actions=True), 7, 1),
        (SourceNeeds(frames=True), 7, 7),
        (SourceNeeds(frames=True), 1, 7),
        (SourceNeeds(frames=True), 5, 10),
        (SourceNeeds(frames=True, frame_stride=20), 7, 21),
        (SourceNeeds(frames=True, granularity="window", context=9, frame_stride=6), 3, 6),
    ],
)
def test_single_pictures_are_thinned_out_and_windows_keep_their_rhythm(
    needs: SourceNeeds, stride: int, pace: int
) -> None:
    assert pace_of(needs, stride) == pace


def test_a_window_in_another_rhythm_than_the_pictures_is_refused() -> None:
    needs = SourceNeeds(frames=True, granularity="window", context=9, frame_stride=4)
    with pytest.raises(NeedsError, match=r"every 4 steps and one was taken every 3.*stride 4"):
        pace_of(needs, 3)


def test_a_source_that_expects_a_picture_a_step_is_asked_so_and_its_scores_are_held() -> None:
    class PictureAStep:
        """As many plugins are: it returns one number a picture, and knows of no gaps."""

        needs = SourceNeeds(frames=True)

        def rewards(self, batch: SegmentBatch) -> np.ndarray:
            assert batch.frames is not None
            given: np.ndarray = batch.frames[..., 0, 0, 0].astype(np.float32)
            return given

    batch = SegmentBatch(
        frames=pictures(10, 20), frame_steps=np.array([0, 3]), actions=np.zeros((1, 5, 2))
    )
    assert PacedSource(PictureAStep(), 3).rewards(batch).tolist() == [[10, 10, 10, 20, 20]]


def test_scores_that_are_no_numbers_are_refused_by_the_name_of_the_source() -> None:
    class Broken:
        needs = SourceNeeds(actions=True)

        def rewards(self, batch: SegmentBatch) -> np.ndarray:
            return np.array([[0.0, np.nan, np.nan]], np.float32)

    with pytest.raises(SourceAnswerError, match=r"Broken gave nan for step 1 .*\(2 of 3"):
        PacedSource(Broken(), 1).rewards(SegmentBatch(actions=np.zeros((1, 3, 2))))


def test_an_answer_of_another_shape_is_refused() -> None:
    class OneNumber:
        needs = SourceNeeds(actions=True)

        def rewards(self, batch: SegmentBatch) -> np.ndarray:
            return np.zeros(len(batch), np.float32)

    with pytest.raises(SourceAnswerError, match=r"OneNumber.* shape \(1,\).*\(1, 3\)"):
        PacedSource(OneNumber(), 1).rewards(SegmentBatch(actions=np.zeros((1, 3, 2))))


def test_no_picture_is_encoded_twice_not_even_an_equal_one() -> None:
    source = BrightnessEmbedder(BrightnessConfig())
    paced_source = paced(source, 1)
    first = paced_source.embed(pictures(51, 102, 51)[0])  # type: ignore[attr-defined]
    again = paced_source.embed(pictures(102, 153)[0])  # type: ignore[attr-defined]
    assert first.ravel().tolist() == pytest.approx([0.2, 0.4, 0.2])
    assert again.ravel().tolist() == pytest.approx([0.4, 0.6])
    assert source.embedded == [2, 1]


def test_a_source_without_embeddings_stays_one() -> None:
    assert not hasattr(paced(BrightnessReward(), 1), "embed")
