"""The contract of reward sources: what it lets pass, and the faults that it finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from vlfeedback.errors import NeedsError
from vlfeedback.testing import (
    BrightnessConfig,
    BrightnessEmbedder,
    BrightnessReward,
    RewardSourceContract,
)
from vlfeedback.types import (
    SegmentBatch,
    SourceNeeds,
)


class TestBrightnessOfSteps(RewardSourceContract):
    @pytest.fixture
    def source(self) -> BrightnessReward:
        return BrightnessReward()


class TestBrightnessOfSparseSteps(RewardSourceContract):
    @pytest.fixture
    def source(self) -> BrightnessReward:
        return BrightnessReward(BrightnessConfig(frame_stride=3))


class TestBrightnessOfWindows(RewardSourceContract):
    @pytest.fixture
    def source(self) -> BrightnessEmbedder:
        return BrightnessEmbedder(BrightnessConfig("window", context=15, frame_stride=7))


class TestBrightnessOfEpisodes(RewardSourceContract):
    @pytest.fixture
    def source(self) -> BrightnessEmbedder:
        return BrightnessEmbedder(BrightnessConfig("episode", frame_stride=2))


class Brightening(BrightnessEmbedder):
    """How much brighter the pictures are than the reset that the episode began with."""

    def __init__(self) -> None:
        super().__init__(BrightnessConfig("window", context=15, frame_stride=7))
        self.needs = replace(self.needs, first_frame=True)

    def rewards(self, batch: SegmentBatch) -> np.ndarray:
        rewards = super().rewards(batch)
        rewards[np.arange(len(batch)), batch.last_steps] -= self._start(batch)
        return rewards

    def _start(self, batch: SegmentBatch) -> np.ndarray:
        if batch.first_embeddings is not None:
            return batch.first_embeddings[:, 0]
        assert batch.first_frames is not None
        return self.embed(batch.first_frames)[:, 0]


class TestBrightening(RewardSourceContract):
    @pytest.fixture
    def source(self) -> Brightening:
        return Brightening()


@dataclass(frozen=True)
class NoConfig:
    pass


class WordCount:
    """Reads observations, actions, rewards and texts, so that the contract has to give them."""

    needs = SourceNeeds(
        observations=True,
        actions=True,
        env_rewards=True,
        instruction=True,
        granularity="window",
        context=3,
    )

    def __init__(self) -> None:
        self.config = NoConfig()

    def rewards(self, batch: SegmentBatch) -> np.ndarray:
        if batch.instructions is None:
            raise NeedsError("word-count reads an instruction")
        assert batch.observations is not None
        assert batch.actions is not None
        assert batch.env_rewards is not None
        rewards = np.zeros((len(batch), batch.n_steps), np.float32)
        for row, last in enumerate(batch.last_steps):
            total = batch.observations[row, : last + 1].sum()
            total += batch.actions[row, : last + 1].sum() + batch.env_rewards[row, last]
            rewards[row, last] = total + len(batch.instructions[row].split())
        return rewards


class TestWordCount(RewardSourceContract):
    @pytest.fixture
    def source(self) -> WordCount:
        return WordCount()


def _doubles(rewards: np.ndarray, batch: SegmentBatch) -> np.ndarray:
    return rewards.astype(np.float64)


def _reads_its_neighbours(rewards: np.ndarray, batch: SegmentBatch) -> np.ndarray:
    return np.asarray(rewards - rewards.mean(axis=0))


def _scores_the_padding(rewards: np.ndarray, batch: SegmentBatch) -> np.ndarray:
    return rewards + 1


def _draws_noise(rewards: np.ndarray, batch: SegmentBatch) -> np.ndarray:
    return (rewards + np.random.rand(*rewards.shape)).astype(np.float32)


def _writes_into_its_input(rewards: np.ndarray, batch: SegmentBatch) -> np.ndarray:
    assert batch.frames is not None
    batch.frames[:] = 0
    return rewards


@pytest.mark.parametrize(
    ("fault", "test"),
    [
        (_doubles, "test_rewards_are_finite_float32_one_a_step"),
        (_reads_its_neighbours, "test_a_row_does_not_depend_on_the_others"),
        (_scores_the_padding, "test_padding_is_not_read_and_gets_zero"),
        (_scores_the_padding, "test_a_score_sits_at_the_last_real_step"),
        (_draws_noise, "test_equal_segments_get_equal_rewards"),
        (_draws_noise, "test_no_global_random_generator_is_touched"),
        (_writes_into_its_input, "test_its_input_is_left_as_it_was"),
    ],
)
def test_the_contract_finds_a_fault(
    fault: Callable[[np.ndarray, SegmentBatch], np.ndarray], test: str
) -> None:
    class Faulty:
        def __init__(self) -> None:
            self._sound = BrightnessReward(BrightnessConfig("window", context=4))
            self.needs = self._sound.needs

        def rewards(self, batch: SegmentBatch) -> np.ndarray:
            return fault(self._sound.rewards(batch), batch)

    contract: Any = RewardSourceContract()
    with pytest.raises(AssertionError):
        getattr(contract, test)(Faulty())


def test_the_contract_finds_embeddings_that_score_differently() -> None:
    class Forgetful(BrightnessEmbedder):
        def embed(self, frames: np.ndarray) -> np.ndarray:
            return np.zeros((len(frames), 1), np.float32)

    with pytest.raises(AssertionError):
        RewardSourceContract().test_embeddings_and_their_pictures_get_equal_rewards(Forgetful())


def test_the_contract_finds_a_source_that_does_not_read_the_embedded_reset() -> None:
    class Hasty(Brightening):
        def _start(self, batch: SegmentBatch) -> np.ndarray:
            if batch.embeddings is not None:
                return np.asarray(batch.embeddings[:, 0, 0])
            return super()._start(batch)

    with pytest.raises(AssertionError):
        RewardSourceContract().test_embeddings_and_their_pictures_get_equal_rewards(Hasty())


def test_the_contract_finds_a_source_that_writes_into_the_reset() -> None:
    class Vandal(Brightening):
        def rewards(self, batch: SegmentBatch) -> np.ndarray:
            rewards = super().rewards(batch)
            assert batch.first_frames is not None
            batch.first_frames[:] = 0
            return rewards

    with pytest.raises(AssertionError):
        RewardSourceContract().test_its_input_is_left_as_it_was(Vandal())
