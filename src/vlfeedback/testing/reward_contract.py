"""Tests that every reward source passes: subclass, and give it a fixture `source`.

Example:
    In the tests of a plugin, named so that pytest collects it::

        class TestMySource(RewardSourceContract):
            @pytest.fixture
            def source(self) -> MySource:
                return MySource()
"""

# ruff: noqa: D102  (the names of tests are sentences)

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vlfeedback.errors import NeedsError
from vlfeedback.testing.segments import with_padding
from vlfeedback.testing.source_contract import ARRAYS, SourceContract, random_states
from vlfeedback.types import (
    AskedAtOnce,
    EmbeddingSource,
    RewardSource,
)

__all__ = ["RewardSourceContract"]


class RewardSourceContract(SourceContract):
    """Tests of a `RewardSource`; the subclass gives a fixture `source`."""

    def test_it_is_a_reward_source(self, source: RewardSource) -> None:
        assert isinstance(source, RewardSource)

    def test_rewards_are_finite_float32_one_a_step(self, source: RewardSource) -> None:
        batch = self.segments(source)
        rewards = source.rewards(batch)
        assert rewards.shape == (len(batch), batch.n_steps)
        assert rewards.dtype == np.float32
        assert np.all(np.isfinite(rewards))

    def test_equal_segments_get_equal_rewards(self, source: RewardSource) -> None:
        batch = self.segments(source)
        np.testing.assert_array_equal(source.rewards(batch), source.rewards(batch))

    def test_a_row_does_not_depend_on_the_others(self, source: RewardSource) -> None:
        batch = self.segments(source)
        alone = [source.rewards(batch.take([row])) for row in range(len(batch))]
        self.assert_close(source.rewards(batch), np.concatenate(alone))

    def test_asked_about_several_batches_at_once_it_gives_the_same(
        self, source: RewardSource
    ) -> None:
        if not isinstance(source, AskedAtOnce):
            pytest.skip("is asked about one batch at a time")
        batch = self.segments(source)
        rows = list(range(len(batch)))
        batches = [batch.take(rows[1:]), batch.take(rows[:1])]
        given = source.rewards_of(batches)
        assert len(given) == len(batches)
        for answer, one in zip(given, batches, strict=True):
            self.assert_close(answer, source.rewards(one))

    def test_padding_is_not_read_and_gets_zero(self, source: RewardSource) -> None:
        batch = self.segments(source)
        ends = np.array([batch.n_steps - row % batch.n_steps for row in range(len(batch))])
        some, other = (with_padding(batch, ends, np.random.default_rng(seed)) for seed in (1, 2))
        rewards = source.rewards(some)
        assert some.mask is not None
        np.testing.assert_array_equal(rewards[~some.mask], 0.0)
        self.assert_close(rewards, source.rewards(other))

    def test_a_score_sits_at_the_last_real_step(self, source: RewardSource) -> None:
        if source.needs.granularity == "step":
            pytest.skip("scores every step")
        batch = self.segments(source)
        ends = np.array([batch.n_steps - row % batch.n_steps for row in range(len(batch))])
        rewards = source.rewards(with_padding(batch, ends, np.random.default_rng(1)))
        rewards[np.arange(len(batch)), ends - 1] = 0.0
        np.testing.assert_array_equal(rewards, 0.0)

    def test_its_input_is_left_as_it_was(self, source: RewardSource) -> None:
        batch, untouched = self.segments(source), self.segments(source)
        source.rewards(batch)
        for name in ARRAYS:
            np.testing.assert_array_equal(getattr(batch, name), getattr(untouched, name))

    def test_pictures_in_floats_are_refused(self, source: RewardSource) -> None:
        batch = self.segments(source)
        if batch.frames is None:
            pytest.skip("reads no pictures")
        with pytest.raises(TypeError):  # DtypeError, or what a run-time type checker raises
            source.rewards(replace(batch, frames=(batch.frames / 255).astype(np.float32)))

    def test_a_missing_instruction_is_refused(self, source: RewardSource) -> None:
        if not source.needs.instruction:
            pytest.skip("reads no instruction")
        with pytest.raises(NeedsError):
            source.rewards(replace(self.segments(source), instructions=None))

    def test_embeddings_and_their_pictures_get_equal_rewards(self, source: RewardSource) -> None:
        batch = self.segments(source)
        if batch.frames is None or not isinstance(source, EmbeddingSource):
            pytest.skip("keeps no embeddings")
        n, f = batch.frames.shape[:2]
        embeddings = source.embed(batch.frames.reshape(n * f, *batch.frames.shape[2:]))
        assert len(embeddings) == n * f
        starts = None if batch.first_frames is None else source.embed(batch.first_frames)
        embedded = replace(
            batch,
            frames=None,
            embeddings=embeddings.reshape(n, f, *embeddings.shape[1:]),
            first_frames=None,
            first_embeddings=starts,
        )
        self.assert_close(source.rewards(embedded), source.rewards(batch))

    def test_no_global_random_generator_is_touched(self, source: RewardSource) -> None:
        batch = self.segments(source)
        before = random_states()
        source.rewards(batch)
        assert random_states() == before

    def assert_close(self, rewards: np.ndarray, expected: np.ndarray) -> None:
        """Equal but for the order in which a batch is summed."""
        np.testing.assert_allclose(rewards, expected, rtol=self.tolerance, atol=self.tolerance)
