import numpy as np
import pytest

from vlfeedback.errors import NeedsError
from vlfeedback.scoring.timing import (
    is_pictured,
    pictured_steps,
    scored_steps,
    states_back_from,
    states_seen,
    steps_with_pictures,
)
from vlfeedback.types import ArrayFrames, SourceNeeds, Trajectory


@pytest.mark.parametrize("stride", [1, 2, 3, 7])
@pytest.mark.parametrize("length", [1, 2, 7, 8, 15])
def test_all_pictured_steps_are_those_that_a_wrapper_pictures_one_by_one(
    length: int, stride: int
) -> None:
    taken = [t for t in range(length) if is_pictured(t, stride, ended=t == length - 1)]
    assert pictured_steps(length, stride).tolist() == taken


def test_windows_are_scored_at_each_picture_and_episodes_at_their_end() -> None:
    window = SourceNeeds(frames=True, granularity="window", context=15, frame_stride=7)
    assert scored_steps(16, window).tolist() == [0, 7, 14, 15]
    assert scored_steps(16, SourceNeeds(frames=True, granularity="episode")).tolist() == [15]
    assert scored_steps(3, SourceNeeds(actions=True)).tolist() == [0, 1, 2]


def test_on_the_rhythm_of_the_episode_both_ways_to_count_back_agree() -> None:
    needs = SourceNeeds(frames=True, granularity="window", context=15, frame_stride=7)
    ends = np.arange(0, 50, 7)
    assert states_seen(ends, needs).tolist() == states_back_from(ends, needs).tolist()
    assert states_seen(np.array([16]), needs).tolist() == [[8, 15, 17]]
    assert states_back_from(np.array([16]), needs).tolist() == [[3, 10, 17]]


def test_steps_with_pictures_leave_out_the_reset_and_other_rhythms() -> None:
    recorded = Trajectory(
        np.zeros((8, 1)),
        np.zeros((7, 1)),
        frames=ArrayFrames(np.array([0, 1, 3, 4, 7]), np.zeros((5, 2, 2, 3), np.uint8)),
        id="a",
    )
    assert steps_with_pictures(recorded).tolist() == [0, 2, 3, 6]
    assert steps_with_pictures(recorded, stride=3).tolist() == [0, 3, 6]
    with pytest.raises(NeedsError, match="'b' has no pictures of its steps"):
        steps_with_pictures(Trajectory(np.zeros((3, 1)), np.zeros((2, 1)), id="b"))
