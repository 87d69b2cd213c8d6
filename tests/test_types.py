import dataclasses
from typing import Any

import jaxtyping
import numpy as np
import pytest

from vlfeedback.errors import DtypeError, NeedsError, ShapeError
from vlfeedback.types import (
    ArrayFrames,
    EmbeddingSource,
    Frames,
    PreferenceLabels,
    PreferenceSource,
    RewardSource,
    SegmentBatch,
    SegmentPairs,
    SourceNeeds,
    Trajectory,
)


@pytest.fixture(autouse=True)
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check nothing but what the library itself checks, as for a user."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


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


def batch(n: int = 2, t: int = 3, **changes: Any) -> SegmentBatch:
    return SegmentBatch(**({"actions": np.zeros((n, t, 4), np.float32)} | changes))


ALL = SourceNeeds(frames=True, observations=True, actions=True, env_rewards=True)


# --- trajectories and segments


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


# --- pictures in memory


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


# --- batches


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


def test_channels_first_pictures_are_refused() -> None:
    with pytest.raises(ShapeError, match="RGB last"):
        SegmentBatch(frames=np.zeros((1, 2, 3, 4, 4), np.uint8))


def test_one_string_as_instructions_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"one string; expected 2.*\['ab'\] \* 2"):
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


def test_take_cuts_every_array_and_the_instructions() -> None:
    full = batch(
        3,
        2,
        actions=np.arange(6, dtype=np.float32).reshape(3, 2, 1),
        embeddings=np.arange(3, dtype=np.float32).reshape(3, 1, 1),
        first_frames=pictures(3),
        first_embeddings=np.arange(3, dtype=np.float32)[:, None],
        frame_steps=np.array([1]),
        mask=np.array([[True, False], [True, True], [True, True]]),
        instructions=["a", "b", "c"],
    )
    taken = full.take([2, 0])
    assert taken.actions is not None and taken.actions[..., 0].tolist() == [[4, 5], [0, 1]]
    assert taken.embeddings is not None and taken.embeddings[:, 0, 0].tolist() == [2, 0]
    assert taken.first_frames is not None and taken.first_frames[:, 0, 0, 0].tolist() == [2, 0]
    assert taken.first_embeddings is not None and taken.first_embeddings.tolist() == [[2], [0]]
    assert taken.instructions == ["c", "a"]
    assert taken.last_steps.tolist() == [1, 0]
    assert taken.picture_steps.tolist() == [1]
    assert full.take(slice(1, None)).instructions == ["b", "c"]
    assert full.take(np.array([False, True, False])).instructions == ["b"]


def test_a_slice_of_a_batch_copies_no_pictures() -> None:
    full = batch(4, 2, frames=np.zeros((4, 2, 4, 4, 3), np.uint8), first_frames=pictures(4))
    part = full.take(slice(1, 3))
    assert len(part) == 2
    assert part.frames is not None and np.shares_memory(part.frames, full.frames)
    assert part.first_frames is not None and part.first_frames[:, 0, 0, 0].tolist() == [1, 2]


def test_a_batch_shows_shapes_instead_of_numbers() -> None:
    shown = repr(batch(2, 3, frames=np.zeros((2, 3, 4, 5, 3), np.uint8)))
    assert shown == "SegmentBatch(N=2, T=3, frames=(3, 4, 5, 3) uint8, actions=(3, 4) float32)"


def test_a_pair_needs_one_segment_of_each() -> None:
    assert len(SegmentPairs(first=batch(2), second=batch(2))) == 2
    with pytest.raises(ShapeError, match="2 first and 3 second"):
        SegmentPairs(first=batch(2), second=batch(3))


# --- labels


def labels(*values: float, answered: list[bool] | None = None) -> PreferenceLabels:
    return PreferenceLabels(
        np.array(values, np.float32), np.array(answered or [True] * len(values))
    )


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_labels_lie_between_first_and_second(value: float) -> None:
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        labels(0.0, value)


def test_the_label_of_an_unanswered_pair_is_ignored() -> None:
    assert len(labels(0.0, float("nan"), answered=[True, False])) == 2


def test_every_label_says_whether_it_was_answered() -> None:
    with pytest.raises(ShapeError, match=r"\(2,\) and answered \(1,\)"):
        labels(0.0, 1.0, answered=[True])


def test_answers_given_as_numbers_are_refused_instead_of_indexing() -> None:
    with pytest.raises(DtypeError, match="answered is int64; expected bool"):
        PreferenceLabels(np.zeros(2, np.float32), np.array([1, 0]))


def test_labels_show_how_many_there_are() -> None:
    shown = repr(labels(0.0, 0.5, 0.5, answered=[True, True, False]))
    assert shown == "PreferenceLabels(N=3, answered=2, ties=1)"


# --- sources


def test_a_window_of_fifty_steps_with_stride_seven_reads_eight_pictures() -> None:
    needs = SourceNeeds(frames=True, granularity="window", context=50, frame_stride=7)
    assert needs.context_frames == 8
    assert SourceNeeds(frames=True).context_frames == 1


@pytest.mark.parametrize("changes", [{"context": 0}, {"frame_stride": 0}])
def test_context_and_stride_count_steps(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="both must be at least 1"):
        SourceNeeds(granularity="window", **changes)


def test_a_score_of_one_step_has_no_context() -> None:
    with pytest.raises(ValueError, match="granularity='window'"):
        SourceNeeds(granularity="step", context=2)


def test_the_picture_of_the_reset_is_read_beside_others() -> None:
    with pytest.raises(ValueError, match="frames=False reads none; set frames=True"):
        SourceNeeds(first_frame=True)


def test_sources_are_known_by_their_methods() -> None:
    class Reward:
        needs = SourceNeeds()

        def rewards(self, batch: SegmentBatch) -> None: ...

    class Embedding(Reward):
        def embed(self, frames: np.ndarray) -> None: ...

    class Preference:
        needs = SourceNeeds()

        def label(self, pairs: SegmentPairs) -> None: ...

    assert isinstance(Reward(), RewardSource) and not isinstance(Reward(), EmbeddingSource)
    assert isinstance(Embedding(), EmbeddingSource)
    assert isinstance(Preference(), PreferenceSource)
    assert not isinstance(Preference(), RewardSource)
