from __future__ import annotations

import numpy as np
import pytest

from vlfeedback.scoring.live_window import LiveWindow, batch_windows
from vlfeedback.scoring.timing import is_pictured
from vlfeedback.types import SourceNeeds

IDLE = np.zeros(1, np.float32)


def picture(value: int) -> np.ndarray:
    return np.full((2, 2, 3), value, np.uint8)


def filled(needs: SourceNeeds, n_steps: int) -> LiveWindow:
    """Observation, action, reward and picture of step t are all t + 1, those of the reset 0."""
    window = LiveWindow(needs, IDLE)
    window.reset(np.zeros(1), picture(0))
    for t in range(n_steps):
        taken = is_pictured(t, needs.frame_stride, ended=t == n_steps - 1)
        window.push(
            np.full(1, t + 1), t + 1.0, np.full(1, t + 1), picture(t + 1) if taken else None
        )
    return window


def test_pictures_follow_every_stride_steps_and_the_last() -> None:
    assert [t for t in range(6) if is_pictured(t, 2, ended=t == 5)] == [0, 2, 4, 5]


def test_at_a_reset_the_window_is_full_of_the_reset_picture() -> None:
    window = filled(SourceNeeds(frames=True, granularity="window", context=5, frame_stride=2), 0)
    batch = batch_windows([window], [None], embedded=False)
    assert batch.frames is not None
    assert batch.frames.shape == (1, 3, 2, 2, 3)
    assert np.all(batch.frames == 0)
    assert batch.n_steps == 5
    assert batch.picture_steps.tolist() == [0, 2, 4]


def test_the_newest_picture_is_last_and_the_oldest_is_dropped() -> None:
    needs = SourceNeeds(frames=True, granularity="window", context=5, frame_stride=2)
    batch = batch_windows([filled(needs, 8)], [None], embedded=False)
    assert batch.frames is not None
    assert batch.frames[0, :, 0, 0, 0].tolist() == [5, 7, 8]  # steps 4, 6, and 7 as the last


def test_observations_are_those_before_each_action() -> None:
    needs = SourceNeeds(
        observations=True, actions=True, env_rewards=True, granularity="window", context=3
    )
    batch = batch_windows([filled(needs, 2)], [None], embedded=False)
    assert batch.observations is not None
    assert batch.actions is not None
    assert batch.env_rewards is not None
    assert batch.observations[0, :, 0].tolist() == [0, 0, 1]
    assert batch.actions[0, :, 0].tolist() == [0, 1, 2]
    assert batch.env_rewards[0].tolist() == [0, 1, 2]
    assert batch.frames is None


def test_an_episode_is_kept_whole_and_nothing_stands_before_it() -> None:
    needs = SourceNeeds(frames=True, actions=True, granularity="episode", frame_stride=2)
    batch = batch_windows([filled(needs, 6)], [None], embedded=False)
    assert batch.frames is not None
    assert batch.actions is not None
    assert batch.n_steps == 6
    assert batch.picture_steps.tolist() == [0, 2, 4, 5]
    assert batch.frames[0, :, 0, 0, 0].tolist() == [1, 3, 5, 6]
    assert batch.actions[0, :, 0].tolist() == [1, 2, 3, 4, 5, 6]


def test_a_reset_forgets_the_last_episode() -> None:
    needs = SourceNeeds(frames=True, granularity="window", context=3)
    window = filled(needs, 7)
    window.reset(np.zeros(1), picture(9))
    batch = batch_windows([window], [None], embedded=False)
    assert batch.frames is not None
    assert np.all(batch.frames == 9)
    assert window.n_steps == 0


@pytest.mark.parametrize("granularity", ["step", "window", "episode"])
def test_the_picture_of_the_reset_outlives_the_window_and_not_the_episode(granularity: str) -> None:
    context = 3 if granularity == "window" else 1
    needs = SourceNeeds(frames=True, first_frame=True, granularity=granularity, context=context)  # type: ignore[arg-type]
    window = filled(needs, 7)
    batch = batch_windows([window], [None], embedded=False)
    assert batch.frames is not None and batch.frames.min() > 0
    np.testing.assert_array_equal(batch.first_frames, picture(0)[None])
    canvas = picture(9)
    window.reset(np.zeros(1), canvas)
    window.push(IDLE, 0.0, np.zeros(1), picture(3))
    canvas[:] = 2  # environments may draw over it
    batch = batch_windows([window], [None], embedded=False)
    np.testing.assert_array_equal(batch.first_frames, picture(9)[None])
    assert batch.first_embeddings is None


def test_a_window_of_embeddings_keeps_the_one_of_the_reset() -> None:
    needs = SourceNeeds(frames=True, first_frame=True, granularity="window", context=2)
    windows = [LiveWindow(needs, IDLE) for _ in range(2)]
    for row, window in enumerate(windows):
        window.reset(np.zeros(1), np.full(3, row + 0.5, np.float32))
        for _ in range(4):
            window.push(IDLE, 0.0, np.zeros(1), np.full(3, 8.0, np.float32))
    batch = batch_windows(windows, [None, None], embedded=True)
    assert batch.first_frames is None
    assert batch.first_embeddings is not None
    assert batch.first_embeddings.tolist() == [[0.5] * 3, [1.5] * 3]


def test_the_picture_of_the_reset_is_kept_for_those_that_ask() -> None:
    batch = batch_windows([filled(SourceNeeds(frames=True), 2)], [None], embedded=False)
    assert batch.first_frames is batch.first_embeddings is None


def test_pictures_are_copied_since_environments_may_draw_over_them() -> None:
    window = LiveWindow(SourceNeeds(frames=True), IDLE)
    canvas = picture(1)
    window.reset(np.zeros(1), None)
    window.push(IDLE, 0.0, np.zeros(1), canvas)
    canvas[:] = 2
    batch = batch_windows([window], [None], embedded=False)
    assert batch.frames is not None
    assert np.all(batch.frames == 1)


def test_each_row_has_its_own_instruction() -> None:
    needs = SourceNeeds(frames=True, instruction=True)
    batch = batch_windows([filled(needs, 1), filled(needs, 3)], ["go", "stay"], embedded=False)
    assert batch.instructions == ["go", "stay"]
    assert len(batch) == 2


@pytest.mark.parametrize("granularity", ["window", "episode"])
def test_a_source_that_reads_nothing_still_gets_a_length(granularity: str) -> None:
    needs = SourceNeeds(granularity=granularity, context=4 if granularity == "window" else 1)  # type: ignore[arg-type]
    assert batch_windows([filled(needs, 4)], [None], embedded=False).n_steps == 4
