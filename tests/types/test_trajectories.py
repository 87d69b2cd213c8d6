import dataclasses
from typing import Any

import numpy as np
import pytest

from vlfeedback.errors import NeedsError, ShapeError
from vlfeedback.types import ArrayFrames, Frames, SegmentBatch, SourceNeeds, Trajectory

ALL = SourceNeeds(frames=True, observations=True, actions=True, env_rewards=True)


def pictures(n: int) -> np.ndarray:
    """Picture i is filled with i."""
    return np.full((n, 4, 5, 3), np.arange(n).reshape(-1, 1, 1, 1), dtype=np.uint8)


def episode(length: int = 10, stride: int = 1, **changes: Any) -> Trajectory:
    """Row i of every array says i; pictures of the reset and after every stride-th step."""
    times = np.concatenate([[0], np.arange(1, length + 1, stride)])
    fields: dict[str, Any] = {
        "observations": np.arange(length + 1, dtype=np.float32)[:, None],
        "actions": np.arange(length, dtype=np.float32)[:, None],
        "env_rewards": np.arange(length, dtype=np.float32),
        "frames": ArrayFrames(times, pictures(length + 1)[times]),
        "truncated": True,
        "task": "reach",
        "id": "e1",
    }
    return Trajectory(**(fields | changes))


def test_a_segment_cuts_every_array_at_the_same_steps() -> None:
    cut = SegmentBatch.from_segments([episode().segment(2, 3), episode().segment(6, 3)], needs=ALL)
    assert cut.actions is not None and cut.actions[..., 0].tolist() == [[2, 3, 4], [6, 7, 8]]
    assert cut.observations is not None
    assert cut.observations[..., 0].tolist() == [[2, 3, 4], [6, 7, 8]]
    assert cut.env_rewards is not None and cut.env_rewards.tolist() == [[2, 3, 4], [6, 7, 8]]
    assert cut.frames is not None  # the picture of a step is the one taken after it
    assert cut.frames[:, :, 0, 0, 0].tolist() == [[3, 4, 5], [7, 8, 9]]


def test_a_segment_reads_every_stride_th_picture_beginning_after_its_first_step() -> None:
    needs = SourceNeeds(frames=True, granularity="window", context=8, frame_stride=7)
    cut = SegmentBatch.from_segments([episode(30, stride=7).segment(7, 15)], needs=needs)
    assert cut.frames is not None and cut.frames[0, :, 0, 0, 0].tolist() == [8, 15, 22]
    assert cut.picture_steps.tolist() == [0, 7, 14]
    assert cut.n_steps == 15


def test_only_what_is_needed_is_gathered() -> None:
    cut = SegmentBatch.from_segments([episode().segment(0, 2)], needs=SourceNeeds())
    assert cut.frames is None and cut.observations is None and cut.env_rewards is None
    late = ArrayFrames(np.arange(1, 11), pictures(10))  # nobody asks for the reset's picture
    cut = SegmentBatch.from_segments([episode(frames=late).segment(0, 2)], needs=ALL)
    assert cut.first_frames is None


def test_a_segment_from_the_middle_still_knows_the_picture_of_the_reset() -> None:
    needs = SourceNeeds(frames=True, first_frame=True, granularity="window", context=8)
    frames = ArrayFrames(np.arange(11), pictures(20)[9:])
    segments = [episode(frames=frames).segment(2, 3), episode().segment(6, 3)]
    cut = SegmentBatch.from_segments(segments, needs=needs)
    assert cut.first_frames is not None and cut.first_frames.shape == (2, 4, 5, 3)
    assert cut.first_frames[:, 0, 0, 0].tolist() == [9, 0]
    np.testing.assert_array_equal(segments[0].first_frame(), pictures(10)[9])


def test_a_trajectory_without_the_picture_of_the_reset_is_named() -> None:
    needs = SourceNeeds(frames=True, first_frame=True)
    late = episode(frames=ArrayFrames(np.arange(1, 11), pictures(10)))
    for trajectory in (late, episode(frames=None)):
        with pytest.raises(NeedsError, match=r"picture of the reset and trajectory 'e1' has none"):
            trajectory.segment(2, 3).first_frame()
    with pytest.raises(NeedsError, match=r"record it with the picture of state 0"):
        SegmentBatch.from_segments([late.segment(2, 3)], needs=needs)


def test_a_segment_that_starts_between_pictures_says_how_to_sample() -> None:
    needs = SourceNeeds(frames=True, granularity="window", context=8, frame_stride=7)
    with pytest.raises(NeedsError, match=r"State 2 was not rendered.*\[0, 1, 8, 15\].*start_mult"):
        SegmentBatch.from_segments([episode(30, stride=7).segment(1, 8)], needs=needs)


@pytest.mark.parametrize(("start", "length"), [(-1, 2), (0, 0), (9, 2), (0, 11)])
def test_a_segment_outside_its_trajectory_is_refused(start: int, length: int) -> None:
    with pytest.raises(ShapeError, match=r"does not lie in trajectory 'e1' of 10 steps"):
        episode().segment(start, length)


@pytest.mark.parametrize("name", ["env_rewards", "frames"])
def test_a_trajectory_that_lacks_what_a_source_needs_is_named(name: str) -> None:
    changes: dict[str, Any] = {name: None}
    segment = episode(**changes).segment(0, 2)
    with pytest.raises(NeedsError, match=f"needs {name} and trajectory 'e1' has none"):
        SegmentBatch.from_segments([segment], needs=ALL)


@pytest.mark.parametrize("lengths", [(), (2, 3)])
def test_segments_of_a_batch_are_equally_long(lengths: tuple[int, ...]) -> None:
    segments = [episode().segment(0, length) for length in lengths]
    with pytest.raises(ShapeError, match="must be equally long"):
        SegmentBatch.from_segments(segments, needs=SourceNeeds())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"actions": np.zeros((0, 1), np.float32)}, "at least one action"),
        ({"observations": np.zeros((10, 1), np.float32)}, "10 actions and 10 observations.*11"),
        ({"env_rewards": np.zeros(9, np.float32)}, "env_rewards has 9 rows; expected 10"),
        ({"successes": np.zeros(11, bool)}, "successes has 11 rows; expected 10"),
        ({"frames": ArrayFrames(np.array([11]), pictures(1))}, "states 11 to 11; 10 actions"),
        ({"frames": ArrayFrames(np.array([-1]), pictures(1))}, "states -1 to -1; 10 actions"),
    ],
)
def test_arrays_of_a_trajectory_must_fit_each_other(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        episode(**changes)


def test_a_trajectory_shows_shapes_instead_of_numbers() -> None:
    assert repr(episode(10, stride=7)) == (
        "Trajectory(id='e1', task='reach', L=10, observations=(1,), frames=3, truncated)"
    )
    assert repr(episode(frames=None, truncated=False)).endswith("frames=0, open)")
    assert repr(episode(terminated=True)).endswith("terminated)")
    assert repr(episode().segment(2, 3)) == "Segment('e1', steps 2-5)"


def test_a_trajectory_is_frozen_and_equal_only_to_itself() -> None:
    one, other = episode(), episode()
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.id = "e2"  # type: ignore[misc]
    assert one == one and one != other
    assert len({one.segment(0, 2), one.segment(0, 2), other.segment(0, 2)}) == 2


def test_pictures_come_in_the_order_asked() -> None:
    frames = ArrayFrames(np.array([0, 3, 5]), pictures(3))
    assert isinstance(frames, Frames)
    assert frames.read([5, 0, 5])[:, 0, 0, 0].tolist() == [2, 0, 2]
    assert frames.read([]).shape == (0, 4, 5, 3)


@pytest.mark.parametrize("missing", [-1, 1, 6])
def test_a_state_that_was_never_rendered_is_named(missing: int) -> None:
    frames = ArrayFrames(np.array([0, 3, 5]), pictures(3))
    with pytest.raises(NeedsError, match=f"State {missing} was not rendered"):
        frames.read([0, missing])


def test_frames_without_pictures_still_say_what_is_missing() -> None:
    frames = ArrayFrames(np.array([], dtype=np.int64), pictures(0))
    with pytest.raises(NeedsError, match="State 0 was not rendered"):
        frames.read([0])


def test_pictures_match_their_times_one_to_one() -> None:
    with pytest.raises(ShapeError, match="pictures has 3 rows; expected 2"):
        ArrayFrames(np.array([0, 1]), pictures(3))
    with pytest.raises(ShapeError, match="each state once, ascending"):
        ArrayFrames(np.array([0, 2, 1]), pictures(3))


def test_facts_given_in_info_become_fields_and_files_find_them_under_their_old_keys() -> None:
    old = Trajectory(
        np.zeros((3, 1)),
        np.zeros((2, 1)),
        info={"level": "medium", "seed": 7, "stop": 1, "last_observation": "repeated", "gain": 2.0},
    )
    new = Trajectory(
        np.zeros((3, 1)),
        np.zeros((2, 1)),
        level="medium",
        seed=7,
        stopped_at=1,
        last_observation_repeated=True,
        info={"gain": 2.0},
    )
    assert old.facts() == new.facts()
    assert (old.level, old.seed, old.stopped_at, old.info) == ("medium", 7, 1, {"gain": 2.0})
    assert old.facts() == {
        "level": "medium",
        "seed": 7,
        "stop": 1,
        "last_observation": "repeated",
        "gain": 2.0,
    }


def test_the_first_success_and_the_rest_are_known_where_the_data_tells() -> None:
    done = np.array([False, True, True])
    said = Trajectory(np.zeros((4, 1)), np.zeros((3, 1)), successes=done, stopped_at=2)
    assert (said.first_success, said.rests_from) == (1, 2)
    silent = Trajectory(np.zeros((4, 1)), np.zeros((3, 1)), successes=done & False, stopped_at=3)
    assert (silent.first_success, silent.rests_from) == (None, None)
