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

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.sampling import SegmentPairList
from vlfeedback.errors import NeedsError
from vlfeedback.scoring.labelling import label_pairs, records_of
from vlfeedback.testing.segments import random_segment_pairs, random_segments, with_padding
from vlfeedback.types import (
    AskedAtOnce,
    DecidesTogether,
    EmbeddingSource,
    ExplainsLabels,
    ForeseesCost,
    LabelRecord,
    MeasuresPairs,
    NamesItsModel,
    NamesItsPrompt,
    Outcome,
    PreferenceLabels,
    PreferenceSource,
    PricedPerPair,
    RewardSource,
    SaysHowSure,
    SegmentBatch,
    SegmentPairs,
    SeveralLabellers,
    class_and_settings,
)

__all__ = ["PreferenceSourceContract", "RewardSourceContract"]

_ARRAYS = (
    "frames",
    "first_frames",
    "observations",
    "actions",
    "env_rewards",
    "successes",
    "frame_steps",
    "mask",
)


class _SourceContract:
    """Settings of both contracts: override these in the subclass."""

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
    """Tests of a `PreferenceSource`; the subclass gives a fixture `source`.

    Of one that has to measure pairs before it answers, `source` is what ``measured_on`` gave.
    """

    mirrored: ClassVar[bool] = True  # False: order bias or noise is measured, not forbidden
    repeatable: ClassVar[bool] = True  # False: asked again, it may answer otherwise, as people do

    def pairs(self, source: PreferenceSource) -> SegmentPairs:
        """Pairs to compare; override where noise will not do."""
        return SegmentPairs(self.segments(source, seed=0), self.segments(source, seed=1))

    def pair_list(self, source: PreferenceSource) -> SegmentPairList:
        """Pairs as `label_pairs` takes them; override where noise will not do."""
        return random_segment_pairs(
            source.needs,
            np.random.default_rng(0),
            picture_size=self.picture_size,
            observation_size=self.observation_size,
            action_size=self.action_size,
        )

    def test_it_is_a_preference_source(self, source: PreferenceSource) -> None:
        assert isinstance(source, PreferenceSource)

    def test_it_answers_every_pair_with_a_number_from_zero_to_one(
        self, source: PreferenceSource
    ) -> None:
        pairs = self.pairs(source)
        labels = source.label(pairs)
        assert isinstance(labels, PreferenceLabels)
        assert labels.prefer_second.shape == labels.outcome.shape == (len(pairs),)
        assert labels.prefer_second.dtype == np.float32
        answers = labels.prefer_second[labels.answered]
        assert np.all((answers >= 0) & (answers <= 1))

    def test_every_pair_has_an_outcome_and_what_it_took(self, source: PreferenceSource) -> None:
        pairs = self.pairs(source)
        labels = source.label(pairs)
        assert labels.outcome.dtype == np.uint8
        assert set(labels.outcome.tolist()) <= set(Outcome)
        for array in (labels.cost_usd, labels.tokens, labels.seconds):
            assert array.shape == (len(pairs),)
            assert np.all(np.isfinite(array) & (array >= 0))

    def test_every_label_is_of_a_labeller_that_has_a_record(self, source: PreferenceSource) -> None:
        labels = source.label(self.pairs(source))
        records = source.records if isinstance(source, SeveralLabellers) else (None,)
        assert np.all((labels.labeller >= 0) & (labels.labeller < len(records)))

    def test_records_of_several_labellers_are_json_and_differ(
        self, source: PreferenceSource
    ) -> None:
        if not isinstance(source, SeveralLabellers):
            pytest.skip("is one labeller")
        for record in source.records:
            assert isinstance(record, LabelRecord)
            assert isinstance(json.loads(record.config), dict)
        assert len(set(source.records)) == len(source.records)

    def test_equal_pairs_get_equal_labels(self, source: PreferenceSource) -> None:
        if not self.repeatable:
            pytest.skip("may answer otherwise")
        pairs = self.pairs(source)
        self.assert_same_labels(source.label(pairs), source.label(pairs))

    def test_a_label_does_not_depend_on_the_other_pairs(self, source: PreferenceSource) -> None:
        if not self.repeatable:
            pytest.skip("may answer otherwise")
        pairs = self.pairs(source)
        alone = [
            source.label(SegmentPairs(pairs.first.take([row]), pairs.second.take([row])))
            for row in range(len(pairs))
        ]
        self.assert_same_labels(source.label(pairs), PreferenceLabels.concatenate(alone))

    def test_swapping_the_pair_mirrors_the_labels(self, source: PreferenceSource) -> None:
        if not self.mirrored:
            pytest.skip("may be biased by order")
        pairs = self.pairs(source)
        labels = source.label(pairs)
        swapped = source.label(SegmentPairs(pairs.second, pairs.first))
        mirrored = replace(swapped, prefer_second=1 - swapped.prefer_second)
        self.assert_same_labels(mirrored, labels)

    def test_measuring_pairs_gives_a_labeller_and_leaves_the_first_as_it_was(
        self, source: PreferenceSource
    ) -> None:
        if not isinstance(source, MeasuresPairs):
            pytest.skip("needs no pairs before it answers")
        before = class_and_settings(source)
        measured = source.measured_on(self.pair_list(source))
        assert isinstance(measured, PreferenceSource)
        assert class_and_settings(source) == before

    def test_deciding_leaves_the_labeller_as_it_was_and_goes_by_the_same_records(
        self, source: PreferenceSource
    ) -> None:
        if not isinstance(source, DecidesTogether):
            pytest.skip("decides about each pair alone")
        before = records_of(source)
        decided = source.decided_on([self.pairs(source)])
        assert isinstance(decided, PreferenceSource)
        assert records_of(decided) == records_of(source) == before

    def test_as_probabilities_its_labels_prefer_the_same_sides(
        self, source: PreferenceSource
    ) -> None:
        if not isinstance(source, SaysHowSure):
            pytest.skip("has one kind of label")
        pairs = self.pairs(source)
        sides, soft = (
            np.sign(labeller.label(pairs).prefer_second - 0.5)
            for labeller in (source, source.as_probabilities())
        )
        np.testing.assert_array_equal(sides, soft)

    def test_it_explains_every_pair_in_words(self, source: PreferenceSource) -> None:
        if not isinstance(source, ExplainsLabels):
            pytest.skip("asks nothing in words")
        pairs = self.pairs(source)
        source.label(pairs)
        said = source.explain(pairs)
        assert len(said) == len(pairs)
        assert {type(text) for pair in said for both in pair for text in both} <= {str}

    def test_what_it_foresees_is_not_negative(self, source: PreferenceSource) -> None:
        if not isinstance(source, ForeseesCost):
            pytest.skip("foresees nothing")
        forecast = source.foresee(self.pairs(source))
        assert min(forecast.questions, forecast.tokens, forecast.cost_usd or 0.0) >= 0

    def test_its_price_is_an_amount_of_money(self, source: PreferenceSource) -> None:
        if not isinstance(source, PricedPerPair):
            pytest.skip("has no price per pair")
        assert np.isfinite(source.cost_per_pair)
        assert source.cost_per_pair >= 0

    def test_its_model_and_prompt_have_names(self, source: PreferenceSource) -> None:
        if isinstance(source, NamesItsModel):
            assert isinstance(source.model, str)
        if isinstance(source, NamesItsPrompt):
            assert isinstance(source.prompt, str)

    def test_label_pairs_gets_the_same_labels_in_batches_of_any_size(
        self, source: PreferenceSource
    ) -> None:
        if not self.repeatable:
            pytest.skip("may answer otherwise")
        one, other = (self.labelled(source, batch_size=size) for size in (1, 3))
        self.assert_same_labels(one.labels, other.labels)
        assert one.labelled_by == other.labelled_by

    def test_what_is_not_answered_is_not_trained_on(self, source: PreferenceSource) -> None:
        dataset = self.labelled(source, batch_size=3)
        trained_on = dataset.answered().labels
        assert np.all(trained_on.outcome == Outcome.ANSWERED)
        assert len(trained_on) == np.sum(dataset.labels.outcome == Outcome.ANSWERED)
        assert len(dataset) == len(self.pair_list(source))

    def labelled(self, source: PreferenceSource, *, batch_size: int) -> PreferenceDataset:
        """Labels of `pair_list` by `label_pairs`, under the instructions in turn."""
        pairs = self.pair_list(source)
        texts = [self.instructions[row % len(self.instructions)] for row in range(len(pairs))]
        return label_pairs(pairs, source, instruction=texts, batch_size=batch_size)

    def assert_same_labels(self, labels: PreferenceLabels, expected: PreferenceLabels) -> None:
        """Equal outcomes by the same labellers; answers but for how sums are batched."""
        np.testing.assert_array_equal(labels.outcome, expected.outcome)
        np.testing.assert_array_equal(labels.labeller, expected.labeller)
        np.testing.assert_allclose(
            labels.prefer_second[expected.answered],
            expected.prefer_second[expected.answered],
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
