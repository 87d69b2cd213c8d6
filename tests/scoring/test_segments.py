import numpy as np
import pytest

from vlfeedback.data.pairings import ShownSegment
from vlfeedback.errors import NeedsError
from vlfeedback.rewards.picture_energy import PictureEnergyReward
from vlfeedback.rewards.random import RandomReward
from vlfeedback.rewards.vlp import VLPReward
from vlfeedback.scoring.segments import SegmentScorer
from vlfeedback.types import ArrayFrames, SegmentBatch, SourceNeeds, Trajectory


@pytest.fixture
def filmed() -> list[Trajectory]:
    rng = np.random.default_rng(0)
    times = np.r_[0, np.arange(1, 51, 7)]
    return [
        Trajectory(
            observations=np.zeros((51, 3), np.float32),
            actions=rng.normal(size=(50, 4)).astype(np.float32),
            frames=ArrayFrames(times, rng.integers(0, 256, (9, 32, 32, 3), dtype=np.uint8)),
            id=str(k),
        )
        for k in range(3)
    ]


def test_scores_of_cached_embeddings_are_those_of_the_pictures(filmed: list[Trajectory]) -> None:
    source = VLPReward()
    segments = [t.segment(0, 50) for t in filmed]
    texts = ["close the drawer", "open the door", "reach the goal"]
    wanted = source.rewards(SegmentBatch.from_segments(segments, texts, needs=source.needs)).sum(
        axis=1
    )
    scorer = SegmentScorer(source)
    clips = [ShownSegment(s, text) for s, text in zip(segments, texts, strict=True)]
    for _ in range(2):
        assert scorer.scores(clips) == pytest.approx(wanted, abs=1e-4)


def test_each_picture_is_encoded_once(filmed: list[Trajectory]) -> None:
    encoded = []

    class Counting(VLPReward):
        def embed(self, frames: np.ndarray) -> np.ndarray:
            encoded.append(len(frames))
            return super().embed(frames)

    scorer = SegmentScorer(Counting())
    for text in ("close the drawer", "open the drawer"):
        scorer.scores([ShownSegment(filmed[0].segment(0, 50), text)] * 3)
    assert encoded == [9]


def test_a_reversed_clip_shows_its_pictures_backwards() -> None:
    class FirstPicture:
        needs = SourceNeeds(frames=True, granularity="window", context=15, frame_stride=7)

        def rewards(self, batch: SegmentBatch) -> np.ndarray:
            assert batch.frames is not None
            first: np.ndarray = batch.frames[:, 0, 0, 0, :1].astype(np.float32)
            return np.pad(first, ((0, 0), (batch.n_steps - 1, 0)))

    pictures = np.repeat(np.array([0, 10, 20, 30], np.uint8), 12).reshape(4, 2, 2, 3)
    trajectory = Trajectory(
        observations=np.zeros((16, 1), np.float32),
        actions=np.zeros((15, 1), np.float32),
        frames=ArrayFrames(np.array([0, 1, 8, 15]), pictures),
    )
    segment = trajectory.segment(0, 15)
    clips = [ShownSegment(segment, ""), ShownSegment(segment, "", reversed=True)]
    assert SegmentScorer(FirstPicture()).scores(clips).tolist() == [10, 30]


def test_a_clip_that_hides_its_reset_begins_with_itself_and_says_so() -> None:
    class Resets:
        needs = SourceNeeds(
            frames=True, first_frame=True, granularity="window", context=15, frame_stride=7
        )

        def rewards(self, batch: SegmentBatch) -> np.ndarray:
            assert batch.first_frames is not None
            told = batch.first_frames[:, 0, 0, :1] + np.where(batch.has_reset, 100, 0)[:, None]
            return np.pad(told.astype(np.float32), ((0, 0), (batch.n_steps - 1, 0)))

    pictures = np.repeat(np.array([0, 10, 20, 30], np.uint8), 12).reshape(4, 2, 2, 3)
    trajectory = Trajectory(
        observations=np.zeros((17, 1), np.float32),
        actions=np.zeros((16, 1), np.float32),
        frames=ArrayFrames(np.array([0, 2, 9, 16]), pictures),
    )
    segment = trajectory.segment(1, 15)
    shown = [ShownSegment(segment, ""), ShownSegment(segment, "", with_reset=False)]
    assert SegmentScorer(Resets()).scores(shown).tolist() == [100, 10]


def test_sources_without_pictures_are_scored_too(filmed: list[Trajectory]) -> None:
    segment = filmed[0].segment(0, 50)
    wanted = RandomReward().rewards(SegmentBatch(actions=filmed[0].actions[None])).sum(dtype=float)
    assert SegmentScorer(RandomReward()).scores([ShownSegment(segment, "")]) == pytest.approx(
        [wanted]
    )


def test_a_trajectory_without_pictures_is_refused() -> None:
    blind = Trajectory(np.zeros((51, 1), np.float32), np.zeros((50, 1), np.float32), id="blind")
    with pytest.raises(NeedsError, match=r"'blind'.* has no pictures"):
        SegmentScorer(PictureEnergyReward()).scores([ShownSegment(blind.segment(0, 50), "")])
