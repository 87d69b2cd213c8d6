"""Relabelled rewards are compared with those of a wrapper stepping the same environment."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.scoring.recorded_walks import (
    CONFIGS,
    Recorder,
    by_a_wrapper,
    rewards_of,
    with_pictures_of,
)

from vlfeedback.errors import NeedsError, SourceAnswerError
from vlfeedback.rewards import make_reward_source
from vlfeedback.scoring.relabel import relabel
from vlfeedback.testing import BrightnessConfig, BrightnessEmbedder, BrightnessReward
from vlfeedback.types import SegmentBatch, SourceNeeds, Trajectory


@pytest.mark.parametrize("batch_size", [1, 3, 1024])
@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize("kind", [BrightnessReward, BrightnessEmbedder])
def test_rewards_are_those_of_a_wrapper(
    recorded: list[Trajectory], kind: Any, config: BrightnessConfig, batch_size: int
) -> None:
    relabelled = rewards_of(relabel(recorded, kind(config), batch_size=batch_size))
    for ours, theirs in zip(relabelled, by_a_wrapper(kind(config), recorded), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("name", ["env", "random", "picture-energy"])
def test_sources_of_other_needs_give_a_wrappers_rewards_too(
    recorded: list[Trajectory], name: str
) -> None:
    source = make_reward_source(name)
    relabelled = rewards_of(relabel(recorded, source))
    for ours, theirs in zip(relabelled, by_a_wrapper(source, recorded), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_state_windows_of_several_episodes_are_scored_in_one_call(
    recorded: list[Trajectory],
) -> None:
    source = Recorder(observations=True, actions=True, granularity="window", context=3)
    relabelled = list(relabel(recorded, source))
    (batch,) = source.batches
    assert len(batch) == sum(map(len, recorded)) and batch.n_steps == 3
    assert batch.observations is not None and batch.actions is not None
    first = recorded[0]
    np.testing.assert_array_equal(batch.observations[0], first.observations[[0, 0, 0]])
    np.testing.assert_array_equal(batch.actions[0, :2], 0)
    np.testing.assert_array_equal(batch.observations[3], first.observations[1:4])
    np.testing.assert_array_equal(batch.actions[3], first.actions[1:4])
    assert {t.rewards.dtype for t in relabelled if t.rewards is not None} == {np.dtype("f4")}


def test_each_picture_is_encoded_once_and_short_episodes_together(
    recorded: list[Trajectory],
) -> None:
    source = BrightnessEmbedder(BrightnessConfig("window", context=7, frame_stride=1))
    list(relabel(recorded, source))
    assert source.embedded == [sum(len(t) + 1 for t in recorded)]


def test_no_more_is_given_to_the_source_at_a_time_than_asked(recorded: list[Trajectory]) -> None:
    source = BrightnessEmbedder(BrightnessConfig("window", context=7, frame_stride=2))
    list(relabel(recorded, source, batch_size=8))
    assert max(source.embedded) <= 8
    assert max(source.batch_sizes) == 2  # windows of 4 pictures


def test_the_input_is_untouched_and_all_else_is_shared(recorded: list[Trajectory]) -> None:
    before = recorded[0].observations.copy()
    relabelled = next(relabel(recorded, BrightnessReward()))
    assert recorded[0].rewards is None
    np.testing.assert_array_equal(recorded[0].observations, before)
    for name in ("observations", "actions", "env_rewards", "frames", "id"):
        assert getattr(relabelled, name) is getattr(recorded[0], name)


def test_old_rewards_are_replaced(recorded: list[Trajectory]) -> None:
    once = list(relabel(recorded, Recorder(actions=True)))
    twice = list(relabel(once, BrightnessReward()))
    assert rewards_of(twice) == rewards_of(relabel(recorded, BrightnessReward()))
    assert rewards_of(once)[0][0] == 7


def test_the_instruction_is_the_one_given_or_the_trajectorys_own(
    recorded: list[Trajectory],
) -> None:
    source = Recorder(actions=True, instruction=True)
    own = [replace(t, info={"instruction": f"go to {t.id}"}) for t in recorded[:2]]
    list(relabel(own, source))
    list(relabel(own, source, instruction="go"))
    assert source.batches[0].instructions is not None and source.batches[1].instructions is not None
    assert set(source.batches[0].instructions) == {"go to point/0", "go to point/1"}
    assert set(source.batches[1].instructions) == {"go"}
    with pytest.raises(NeedsError, match="'point/2' has none of its own; pass instruction="):
        list(relabel(recorded[2:], source))


# Pictures that are lacking ----------------------------------------------------------------------


def test_a_lacking_picture_is_refused_and_the_ways_out_are_named(line: Trajectory) -> None:
    sparse = with_pictures_of(line, [0, 1, 4, 7, 10])
    with pytest.raises(
        NeedsError, match=r"state 2, and trajectory 'line'.*4 of 10 scores.*between='hold'"
    ):
        list(relabel([sparse], BrightnessReward()))


def test_a_score_is_held_where_pictures_are_lacking(line: Trajectory) -> None:
    sparse = with_pictures_of(line, [0, 3, 6])
    (held,) = rewards_of(relabel([sparse], BrightnessReward(), between="hold"))
    np.testing.assert_allclose(held, [0.3] * 5 + [0.6] * 5, atol=0.002)


def test_a_straight_line_is_drawn_where_pictures_are_lacking(line: Trajectory) -> None:
    sparse = with_pictures_of(line, [1, 5, 9])
    (drawn,) = rewards_of(relabel([sparse], BrightnessReward(), between="interpolate"))
    np.testing.assert_allclose(
        drawn, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.9], atol=0.002
    )


def test_nothing_is_held_where_all_pictures_are_there(line: Trajectory) -> None:
    sparse = with_pictures_of(line, [0, 1, 4, 7, 10])
    source = BrightnessReward(BrightnessConfig("window", context=4, frame_stride=3))
    options = [rewards_of(relabel([sparse], source, between=b)) for b in ("refuse", "hold")]
    assert options[0] == options[1]


def test_a_window_of_another_rhythm_than_the_recording_is_refused(line: Trajectory) -> None:
    sparse = with_pictures_of(line, [0, 1, 5, 9])
    source = BrightnessReward(BrightnessConfig("window", context=9, frame_stride=2))
    with pytest.raises(
        NeedsError, match=r"enough for 1 of 6 scores\. Record pictures of the reset and after"
    ):
        list(relabel([sparse], source, between="hold"))


def test_a_dataset_without_pictures_is_refused(line: Trajectory) -> None:
    with pytest.raises(NeedsError, match="'line' has no pictures; record it with frames"):
        list(relabel([replace(line, frames=None)], BrightnessReward()))


def test_a_source_of_states_needs_no_pictures(line: Trajectory) -> None:
    (rewards,) = rewards_of(relabel([replace(line, frames=None)], Recorder(observations=True)))
    assert rewards == [7.0] * 10


# Bad input --------------------------------------------------------------------------------------


def test_a_reward_that_is_no_number_is_named(recorded: list[Trajectory]) -> None:
    class Broken(BrightnessReward):
        def rewards(self, batch: SegmentBatch) -> np.ndarray:
            rewards = super().rewards(batch)
            rewards[-1, -1] = np.nan
            return rewards

    last = len(recorded[4]) - 1
    with pytest.raises(
        SourceAnswerError, match=f"Broken gave nan for step {last} of trajectory 'point/4'"
    ):
        list(relabel(recorded, Broken()))


def test_rewards_of_another_shape_are_refused(recorded: list[Trajectory]) -> None:
    class Flat(BrightnessReward):
        def rewards(self, batch: SegmentBatch) -> Any:
            return super().rewards(batch)[:, 0]

    with pytest.raises(SourceAnswerError, match=r"Flat.rewards returned shape \(\d+,\)"):
        list(relabel(recorded, Flat()))


def test_an_impossible_batch_size_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="batch_size=0; expected at least 1"):
        relabel([], BrightnessReward(), batch_size=0)


# Size and sudden stops --------------------------------------------------------------------------


def test_memory_does_not_grow_with_the_dataset() -> None:
    def episodes(n: int) -> Iterator[Trajectory]:
        for index in range(n):
            observations = np.zeros((201, 50), np.float32)
            yield Trajectory(observations, np.zeros((200, 4), np.float32), id=str(index))

    def peak(n: int) -> int:
        tracemalloc.start()
        try:
            for _ in relabel(episodes(n), SumOfState()):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)
    assert peak(100) < 1.2 * peak(20)


class SumOfState:
    """Reads observations, and keeps nothing."""

    needs = SourceNeeds(observations=True)

    def rewards(self, batch: SegmentBatch) -> np.ndarray:
        assert batch.observations is not None
        return np.asarray(batch.observations.sum(axis=2))


def test_progress_is_reported(recorded: list[Trajectory]) -> None:
    calls: list[Any] = []
    list(relabel(recorded, BrightnessReward(), report=lambda *args: calls.append(args[:3])))
    assert calls == [("relabel", done, 5) for done in range(1, 6)]
