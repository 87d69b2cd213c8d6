from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.errors import NeedsError, ShapeError
from vlfeedback.models.reward import inputs as reward_inputs
from vlfeedback.models.reward.inputs import SegmentSteps, embed_frames, needs_of, read_steps
from vlfeedback.models.reward.networks import RewardModelConfig
from vlfeedback.testing import BrightnessEmbedder
from vlfeedback.types import ArrayFrames, Segment, SegmentBatch, Trajectory


def numbered(steps: int = 6, size: int = 2, id: str = "a", **changes: object) -> Trajectory:
    """Step t: observation (t, t), action 10 t, and a picture of brightness t before it."""
    time = np.arange(steps + 1)
    trajectory = Trajectory(
        observations=np.repeat(time[:, None], size, axis=1).astype(np.float32),
        actions=(10 * time[:-1, None]).astype(np.float32),
        frames=ArrayFrames(
            time,
            np.broadcast_to(time[:, None, None, None], (steps + 1, 48, 48, 3)).astype(np.uint8),
        ),
        id=id,
    )
    return replace(trajectory, **changes)  # type: ignore[arg-type]


def read(config: RewardModelConfig, *segments: Segment) -> torch.Tensor:
    return read_steps(SegmentBatch.from_segments(segments, needs=needs_of(config)), config)


def test_states_and_actions_are_joined_and_states_are_those_before_the_action() -> None:
    segment = numbered().segment(2, 3)
    joined = read(RewardModelConfig(), segment)
    assert joined.tolist() == [[[2, 2, 20], [3, 3, 30], [4, 4, 40]]]
    assert read(RewardModelConfig(inputs="state"), segment).tolist() == [[[2, 2], [3, 3], [4, 4]]]


def test_observations_of_several_axes_are_flattened_and_discrete_actions_are_one_number() -> None:
    batch = SegmentBatch(
        observations=np.zeros((2, 3, 4, 5), np.float64), actions=np.full((2, 3), 7, np.int64)
    )
    steps = read_steps(batch, RewardModelConfig())
    assert steps.shape == (2, 3, 21)
    assert steps.dtype == torch.float32
    assert (steps[..., -1] == 7).all()


def test_pictures_are_those_after_the_action_at_the_stride_that_was_asked_for() -> None:
    config = RewardModelConfig(inputs="frames", frame_stride=2)
    steps = read(config, numbered().segment(1, 5))
    assert steps.shape == (1, 3, 48, 48, 3)
    assert steps[0, :, 0, 0, 0].tolist() == [2, 4, 6]
    assert steps.dtype == torch.uint8


def test_pictures_are_scaled_to_squares() -> None:
    frames = np.full((2, 1, 60, 90, 3), 77, np.uint8)
    steps = read_steps(SegmentBatch(frames=frames), RewardModelConfig("frames", picture_size=48))
    assert steps.shape == (2, 1, 48, 48, 3)
    assert (steps == 77).all()


def test_embeddings_are_flattened() -> None:
    batch = SegmentBatch(embeddings=np.zeros((2, 3, 4, 5), np.float32))
    assert read_steps(batch, RewardModelConfig(inputs="embeddings")).shape == (2, 3, 20)


def test_clouds_of_points_keep_their_points() -> None:
    config = RewardModelConfig(inputs="points")
    assert read_steps(SegmentBatch(observations=np.zeros((1, 2, 9, 6))), config).shape == (
        1,
        2,
        9,
        6,
    )
    with pytest.raises(ShapeError, match=r"\(1, 2, 9\); expected clouds of points"):
        read_steps(SegmentBatch(observations=np.zeros((1, 2, 9))), config)


@pytest.mark.parametrize(
    ("inputs", "complaint"),
    [
        ("state", "reads observations and this batch has none"),
        ("frames", "reads pictures: give frames"),
        ("embeddings", "reads embeddings and this batch has none"),
    ],
)
def test_what_is_missing_is_named(inputs: str, complaint: str) -> None:
    batch = SegmentBatch(actions=np.zeros((1, 2, 1), np.float32))
    with pytest.raises(NeedsError, match=complaint):
        read_steps(batch, RewardModelConfig(inputs=inputs))


def test_a_number_that_is_none_is_refused_with_its_place_and_segment() -> None:
    trajectory = numbered()
    trajectory.observations[4, 1] = np.nan
    segments = [numbered().segment(0, 3), trajectory.segment(2, 3)]
    with pytest.raises(ValueError, match=r"observations hold nan in step 2 of segment 0") as caught:
        SegmentSteps(segments, RewardModelConfig())
    assert "Segment('a', steps 2-5)" in caught.value.__notes__[0]


def test_segments_are_taken_in_the_order_asked_kept_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    segments = [numbered().segment(start, 2) for start in range(4)]
    kept = SegmentSteps(segments, RewardModelConfig("state"))
    monkeypatch.setattr(reward_inputs, "_CACHE_BYTES", 20)  # of 16 a segment: one
    read_again = SegmentSteps(segments, RewardModelConfig("state"))
    for steps in (kept, read_again):
        assert steps.shape == (2,)
        taken = steps.take(np.array([3, 0, 3]))
        assert taken[..., 0].tolist() == [[3, 4], [0, 1], [3, 4]]
    assert [one is None for one in read_again._cache] == [False, True, True, True]


def test_segments_of_two_environments_are_refused() -> None:
    segments = [numbered(size=2).segment(0, 2), numbered(size=3, id="b").segment(0, 2)]
    with pytest.raises(ShapeError, match=r"Segment\('b', steps 0-2\) shows \(4,\) .* \(3,\)"):
        SegmentSteps(segments, RewardModelConfig())


def test_a_trajectory_without_pictures_is_refused_by_name() -> None:
    segments = [numbered(id="seen").segment(0, 2), numbered(id="blind", frames=None).segment(0, 2)]
    with pytest.raises(NeedsError, match="needs frames and trajectory 'blind' has none"):
        SegmentSteps(segments, RewardModelConfig("frames"))


@dataclass
class CountingEmbedder(BrightnessEmbedder):
    n_embedded: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def embed(self, frames: np.ndarray) -> np.ndarray:
        self.n_embedded += len(frames)
        return super().embed(frames)


def test_pictures_are_embedded_once_and_embeddings_all_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reward_inputs, "_CACHE_BYTES", 0)
    encoder = CountingEmbedder()
    segments = [numbered().segment(start, 2) for start in range(4)]
    told: list[tuple[str, int, int]] = []
    steps = SegmentSteps(
        segments,
        RewardModelConfig("embeddings"),
        encoder=encoder,
        report=lambda stage, done, total, _: told.append((stage, done, total)),
    )
    for _ in range(2):
        taken = steps.take(np.array([1, 3]))
        np.testing.assert_allclose(255 * taken[..., 0], [[2, 3], [4, 5]], rtol=1e-6)
    assert encoder.n_embedded == 8
    assert told == [("reading segments", 4, 4)]


def test_embedding_keeps_where_sparse_pictures_were_taken() -> None:
    batch = SegmentBatch(
        frames=np.zeros((1, 2, 8, 8, 3), np.uint8), frame_steps=np.array([0, 3]), length=5
    )
    embedded = embed_frames(batch, BrightnessEmbedder())
    assert embedded.frames is None
    assert embedded.newest_pictures().tolist() == [0, 0, 0, 1, 1]
    assert embed_frames(embedded, BrightnessEmbedder()) is embedded
    with pytest.raises(NeedsError, match="reads pictures: give frames"):
        embed_frames(SegmentBatch(actions=np.zeros((1, 2, 1))), BrightnessEmbedder())


def test_a_dataset_of_states_is_read_as_it_is(planted: PreferenceDataset) -> None:
    segment = planted.pairs[0][0]
    (steps,) = SegmentSteps([segment], RewardModelConfig()).take(np.array([0]))
    np.testing.assert_array_equal(steps[:, :3], segment.read("observations"))
    np.testing.assert_array_equal(steps[:, 3:], segment.read("actions"))
