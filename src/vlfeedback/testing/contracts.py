"""Tests that every source passes: subclass one, and give it a fixture `source`.

Example:
    In the tests of a plugin, named so that pytest collects it::

        class TestMySource(RewardSourceContract):
            @pytest.fixture
            def source(self) -> MySource:
                return MySource()
"""

# ruff: noqa: D102  (the names of tests are sentences)

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from vlfeedback.errors import NeedsError
from vlfeedback.testing.segments import random_segments, with_padding
from vlfeedback.types import (
    EmbeddingSource,
    PreferenceLabels,
    PreferenceSource,
    RewardSource,
    SegmentBatch,
    SegmentPairs,
)

__all__ = ["PreferenceSourceContract", "RewardSourceContract"]

_ARRAYS = (
    "frames",
    "first_frames",
    "observations",
    "actions",
    "env_rewards",
    "frame_steps",
    "mask",
)


class _SourceContract:
    """What both contracts can be told: override these in the subclass."""

    picture_size: ClassVar[int] = 64  # pixels
    observation_size: ClassVar[int] = 39
    action_size: ClassVar[int] = 4
    instructions: ClassVar[Sequence[str]] = ("close the drawer", "open the window")
    tolerance: ClassVar[float] = 1e-4  # absolute and relative: batching reorders sums

    @pytest.fixture
    def source(self) -> Any:
        """The source under test."""
        pytest.fail(f"{type(self).__name__} gives no fixture `source`.")

    def segments(self, source: Any, *, n: int = 4, seed: int = 0) -> SegmentBatch:
        """Segments to score; override where noise will not do."""
        return random_segments(
            source.needs,
            np.random.default_rng(seed),
            n=n,
            picture_size=self.picture_size,
            observation_size=self.observation_size,
            action_size=self.action_size,
            instructions=self.instructions,
        )

    def test_its_config_survives_json(self, source: Any) -> None:
        config = source.config
        assert is_dataclass(config)
        assert not isinstance(config, type)
        text = json.dumps(asdict(config))
        rebuilt = type(config)(**json.loads(text))
        assert json.dumps(asdict(rebuilt)) == text


class RewardSourceContract(_SourceContract):
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
        for name in _ARRAYS:
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
        before = _random_states()
        source.rewards(batch)
        assert _random_states() == before

    def assert_close(self, rewards: np.ndarray, expected: np.ndarray) -> None:
        """Equal but for the order in which a batch is summed."""
        np.testing.assert_allclose(rewards, expected, rtol=self.tolerance, atol=self.tolerance)


class PreferenceSourceContract(_SourceContract):
    """Tests of a `PreferenceSource`; the subclass gives a fixture `source`."""

    mirrored: ClassVar[bool] = True  # False: order bias or noise is measured, not forbidden

    def pairs(self, source: PreferenceSource) -> SegmentPairs:
        """Pairs to compare; override where noise will not do."""
        return SegmentPairs(self.segments(source, seed=0), self.segments(source, seed=1))

    def test_it_is_a_preference_source(self, source: PreferenceSource) -> None:
        assert isinstance(source, PreferenceSource)

    def test_it_answers_every_pair_with_a_number_from_zero_to_one(
        self, source: PreferenceSource
    ) -> None:
        pairs = self.pairs(source)
        labels = source.label(pairs)
        assert isinstance(labels, PreferenceLabels)
        assert labels.prefer_second.shape == labels.answered.shape == (len(pairs),)
        assert labels.prefer_second.dtype == np.float32
        assert labels.answered.dtype == np.bool_
        given = labels.prefer_second[labels.answered]
        assert np.all((given >= 0) & (given <= 1))

    def test_swapping_the_pair_mirrors_the_labels(self, source: PreferenceSource) -> None:
        if not self.mirrored:
            pytest.skip("may be biased by order")
        pairs = self.pairs(source)
        labels = source.label(pairs)
        swapped = source.label(SegmentPairs(pairs.second, pairs.first))
        np.testing.assert_array_equal(swapped.answered, labels.answered)
        given = labels.answered
        np.testing.assert_allclose(
            swapped.prefer_second[given],
            1 - labels.prefer_second[given],
            rtol=self.tolerance,
            atol=self.tolerance,
        )

    def test_its_input_is_left_as_it_was(self, source: PreferenceSource) -> None:
        pairs, untouched = self.pairs(source), self.pairs(source)
        source.label(pairs)
        for side in ("first", "second"):
            for name in _ARRAYS:
                np.testing.assert_array_equal(
                    getattr(getattr(pairs, side), name), getattr(getattr(untouched, side), name)
                )

    def test_a_missing_instruction_is_refused(self, source: PreferenceSource) -> None:
        if not source.needs.instruction:
            pytest.skip("reads no instruction")
        pairs = self.pairs(source)
        with pytest.raises(NeedsError):
            source.label(
                SegmentPairs(
                    replace(pairs.first, instructions=None),
                    replace(pairs.second, instructions=None),
                )
            )

    def test_no_global_random_generator_is_touched(self, source: PreferenceSource) -> None:
        pairs = self.pairs(source)
        before = _random_states()
        source.label(pairs)
        assert _random_states() == before


def _random_states() -> list[Any]:
    states: list[Any] = [
        part.tolist() if isinstance(part, np.ndarray) else part
        for part in np.random.get_state(legacy=True)
    ]
    if "torch" in sys.modules:
        states.append(sys.modules["torch"].random.get_rng_state().tolist())
    return states
