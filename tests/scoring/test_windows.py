"""Windows of a recorded episode are compared with what a wrapper gathers while it happens."""

import numpy as np
import pytest

from vlfeedback.errors import NeedsError
from vlfeedback.scoring.live_window import LiveWindow, batch_windows
from vlfeedback.scoring.timing import is_pictured, states_back_from, states_seen
from vlfeedback.scoring.windows import (
    window_ending_at,
    windows_ending_at,
)
from vlfeedback.types import ArrayFrames, Granularity, SegmentBatch, SourceNeeds, Trajectory

LENGTH = 12


@pytest.fixture(scope="module")
def trajectory() -> Trajectory:
    rng = np.random.default_rng(0)
    return Trajectory(
        observations=rng.normal(size=(LENGTH + 1, 3)).astype(np.float32),
        actions=rng.normal(size=(LENGTH, 2)).astype(np.float32),
        env_rewards=rng.normal(size=LENGTH).astype(np.float32),
        frames=ArrayFrames(
            np.arange(LENGTH + 1), rng.integers(0, 256, (LENGTH + 1, 4, 4, 3), dtype=np.uint8)
        ),
        id="one",
    )


def seen_by_a_wrapper(trajectory: Trajectory, end: int, needs: SourceNeeds) -> SegmentBatch:
    assert trajectory.frames is not None and trajectory.env_rewards is not None
    window = LiveWindow(needs, np.zeros(2, np.float32))
    window.reset(trajectory.observations[0], trajectory.frames.read([0])[0])
    for step in range(end + 1):
        pictured = is_pictured(step, needs.frame_stride, ended=step == end)
        window.push(
            trajectory.actions[step],
            float(trajectory.env_rewards[step]),
            trajectory.observations[step + 1],
            trajectory.frames.read([step + 1])[0] if pictured else None,
        )
    return batch_windows([window], [None], embedded=False)


@pytest.mark.parametrize("end", [0, 2, 4, 10])
@pytest.mark.parametrize(
    ("granularity", "context", "stride"),
    [("step", 1, 1), ("window", 5, 2), ("window", 4, 1), ("episode", 1, 2)],
)
def test_a_window_is_what_a_wrapper_would_have_seen(
    trajectory: Trajectory, granularity: Granularity, context: int, stride: int, end: int
) -> None:
    needs = SourceNeeds(
        frames=True,
        first_frame=True,
        observations=True,
        actions=True,
        env_rewards=True,
        granularity=granularity,
        context=context,
        frame_stride=stride,
    )
    ours = window_ending_at(trajectory, end, needs=needs)
    theirs = seen_by_a_wrapper(trajectory, end, needs)
    assert ours.n_steps == theirs.n_steps
    for name in ("frames", "first_frames", "observations", "actions", "env_rewards", "frame_steps"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)


@pytest.mark.parametrize("end", range(11))
@pytest.mark.parametrize(("context", "stride"), [(5, 2), (7, 3), (9, 4), (3, 1), (1, 5)])
def test_a_last_step_off_the_rhythm_has_the_pictures_that_a_wrapper_took(
    trajectory: Trajectory, context: int, stride: int, end: int
) -> None:
    granularity: Granularity = "window" if context > 1 else "step"
    needs = SourceNeeds(frames=True, granularity=granularity, context=context, frame_stride=stride)
    ends = np.array([end])
    ours = windows_ending_at(trajectory, ends, needs=needs, states=states_seen(ends, needs))
    theirs = seen_by_a_wrapper(trajectory, end, needs)
    assert ours.frames is not None and theirs.frames is not None
    np.testing.assert_array_equal(ours.frames, theirs.frames)


def test_pictures_before_the_episode_are_those_of_the_reset() -> None:
    needs = SourceNeeds(frames=True, granularity="window", context=50, frame_stride=7)
    assert states_back_from(np.array([14]), needs)[0].tolist() == [0, 0, 0, 0, 0, 1, 8, 15]
    assert states_back_from(np.array([49]), needs)[0].tolist() == [1, 8, 15, 22, 29, 36, 43, 50]


def test_a_whole_episode_is_pictured_to_its_last_step() -> None:
    needs = SourceNeeds(frames=True, granularity="episode", frame_stride=4)
    assert states_back_from(np.array([9]), needs)[0].tolist() == [1, 5, 9, 10]


def test_only_what_the_source_reads_is_gathered(trajectory: Trajectory) -> None:
    window = window_ending_at(trajectory, 3, needs=SourceNeeds(frames=True))
    assert window.frames is not None
    assert window.observations is None and window.env_rewards is None


def test_a_missing_picture_is_refused() -> None:
    bare = Trajectory(np.zeros((3, 1), np.float32), np.zeros((2, 1), np.float32), id="bare")
    with pytest.raises(NeedsError, match="'bare' has no pictures"):
        window_ending_at(bare, 1, needs=SourceNeeds(frames=True))
    sparse = Trajectory(
        np.zeros((3, 1), np.float32),
        np.zeros((2, 1), np.float32),
        frames=ArrayFrames(np.array([0, 1]), np.zeros((2, 4, 4, 3), np.uint8)),
    )
    with pytest.raises(NeedsError, match="State 2 was not rendered"):
        window_ending_at(sparse, 1, needs=SourceNeeds(frames=True))
