"""Trajectories that end sooner than they were recorded."""

from dataclasses import replace

import numpy as np
import pytest

from vlfeedback.data.cut_off import as_trajectory, cut_off, without_rest
from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.types import ArrayFrames, Trajectory


@pytest.fixture
def trajectory() -> Trajectory:
    """Six steps of states 0 to 6, whose pictures show every second one."""
    times = np.array([0, 2, 4, 6])
    pictures = np.broadcast_to(times[:, None, None, None], (4, 2, 2, 3)).astype(np.uint8)
    return Trajectory(
        np.arange(7.0)[:, None],
        np.arange(6.0)[:, None],
        env_rewards=np.arange(6, dtype=np.float32),
        successes=np.arange(6) > 3,
        terminated=True,
        frames=ArrayFrames(times, pictures),
        id="a",
        info={"stop": 3},
    )


def test_all_arrays_end_together_and_the_end_is_a_truncation(trajectory: Trajectory) -> None:
    cut = cut_off(trajectory, 3)
    np.testing.assert_array_equal(cut.observations[:, 0], [0, 1, 2, 3])
    np.testing.assert_array_equal(cut.actions[:, 0], [0, 1, 2])
    np.testing.assert_array_equal(cut.env_rewards, [0, 1, 2])
    np.testing.assert_array_equal(cut.successes, [False] * 3)
    assert cut.rewards is None
    assert cut.truncated and not cut.terminated
    assert (cut.id, cut.facts()) == ("a", {"stop": 3})


def test_pictures_of_what_is_left_are_read_and_others_are_refused(trajectory: Trajectory) -> None:
    frames = cut_off(trajectory, 3).frames
    assert frames is not None
    np.testing.assert_array_equal(frames.times, [0, 2])
    np.testing.assert_array_equal(frames.read([2, 0])[:, 0, 0, 0], [2, 0])
    with pytest.raises(NeedsError, match="State 4 was not rendered"):
        frames.read([4])


def test_one_that_is_short_enough_is_left_alone(trajectory: Trajectory) -> None:
    assert cut_off(trajectory, 6) is trajectory
    assert cut_off(trajectory, 60) is trajectory


def test_nothing_is_no_trajectory(trajectory: Trajectory) -> None:
    with pytest.raises(InvalidValueError, match="length=0"):
        cut_off(trajectory, 0)


def recorded(*, stop: int | None = None, success: int | None = None) -> Trajectory:
    """Ten recorded steps of an actor that rests from `stop`; the task is done from `success` on."""
    return Trajectory(
        np.arange(11.0)[:, None],
        np.zeros((10, 1)),
        successes=None if success is None else np.arange(10) >= success,
        truncated=True,
        stopped_at=stop,
    )


@pytest.mark.parametrize(
    ("stop", "success", "length", "terminated"),
    [
        (4, None, 4, False),  # stopped half-way: cut off
        (None, 5, 6, True),  # done with step 5: over
        (6, 5, 6, True),  # stopped because it was done
        (3, 5, 3, False),  # done by itself after the stop, such as a drawer that rolls on
        (8, 5, 6, True),
        (None, None, 10, False),  # neither, or not known
        (10, 9, 10, True),
    ],
)
def test_an_episode_ends_at_its_actors_stop_or_with_success(
    stop: int | None, success: int | None, length: int, terminated: bool
) -> None:
    episode = without_rest(recorded(stop=stop, success=success))
    assert len(episode) == length
    assert (episode.terminated, episode.truncated) == (terminated, not terminated)


def test_a_short_episode_keeps_as_much_rest_as_a_segment_needs() -> None:
    episode = without_rest(recorded(success=2), least=5)
    assert len(episode) == 5
    assert episode.truncated and not episode.terminated
    assert len(without_rest(recorded(success=7), least=5)) == 8


def test_a_segment_becomes_an_episode_that_was_cut_off(trajectory: Trajectory) -> None:
    """Steps 2, 3 and 4, and the state after them, which is 5."""
    episode = as_trajectory(trajectory.segment(2, 3), id="b")
    np.testing.assert_array_equal(episode.observations[:, 0], [2, 3, 4, 5])
    np.testing.assert_array_equal(episode.actions[:, 0], [2, 3, 4])
    np.testing.assert_array_equal(episode.successes, [False, False, True])
    assert (episode.id, episode.stopped_at, episode.first_success) == ("b", 1, 2)
    assert episode.truncated and not episode.terminated
    frames = episode.frames
    assert frames is not None
    np.testing.assert_array_equal(frames.times, [0, 2])
    np.testing.assert_array_equal(frames.read([2, 0])[:, 0, 0, 0], [4, 2])
    with pytest.raises(NeedsError, match="State 4 was not rendered"):
        frames.read([4])


def test_only_the_last_segment_may_lack_the_state_after_it(trajectory: Trajectory) -> None:
    known = replace(trajectory, last_observation_repeated=True)
    first, last = (as_trajectory(known.segment(start, 3), id="b") for start in (0, 3))
    assert (first.last_observation_repeated, last.last_observation_repeated) == (False, True)
