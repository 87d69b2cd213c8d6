"""Tests that every preference source passes; see `vlfeedback.testing.reward_contract`."""

# ruff: noqa: D102  (the names of tests are sentences)

from __future__ import annotations

import json
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.sampling import SegmentPairList
from vlfeedback.errors import NeedsError
from vlfeedback.scoring.labelling import label_pairs, records_of
from vlfeedback.testing.segments import random_segment_pairs
from vlfeedback.testing.source_contract import ARRAYS, SourceContract, random_states
from vlfeedback.types import (
    DecidesTogether,
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
    SaysHowSure,
    SegmentPairs,
    SeveralLabellers,
    class_and_settings,
)

__all__ = ["PreferenceSourceContract"]


class PreferenceSourceContract(SourceContract):
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
            for name in ARRAYS:
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
        before = random_states()
        source.label(pairs)
        assert random_states() == before
