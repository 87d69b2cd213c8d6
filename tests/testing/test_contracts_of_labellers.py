"""The contract of labellers: what it lets pass, and the faults that it finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.testing.test_contracts import NoConfig

from vlfeedback.testing import (
    KnownCascade,
    KnownLabeller,
    PreferenceSourceContract,
)
from vlfeedback.types import (
    CostForecast,
    LabelRecord,
    Outcome,
    PreferenceLabels,
    SegmentBatch,
    SegmentPairs,
    SourceNeeds,
)


class BrighterClip:
    """Prefers the brighter clip, and calls equal ones a tie."""

    needs = SourceNeeds(frames=True)

    def __init__(self) -> None:
        self.config = NoConfig()

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        assert pairs.first.frames is not None
        assert pairs.second.frames is not None
        gap = pairs.second.frames.mean(axis=(1, 2, 3, 4)) - pairs.first.frames.mean((1, 2, 3, 4))
        prefer_second = ((np.sign(gap) + 1) / 2).astype(np.float32)
        return PreferenceLabels(prefer_second, np.ones(len(pairs), np.bool_))


class TestBrighterClip(PreferenceSourceContract):
    @pytest.fixture
    def source(self) -> BrighterClip:
        return BrighterClip()


class TestKnownLabeller(PreferenceSourceContract):
    instructions = ("go", "go unsure", "go refused", "it failed")

    @pytest.fixture
    def source(self) -> KnownLabeller:
        return KnownLabeller()


class TestKnownCascade(PreferenceSourceContract):
    instructions = ("go", "go unsure", "go skipped", "go unparsable")

    @pytest.fixture
    def source(self) -> KnownCascade:
        return KnownCascade()


class MeasuredClip(BrighterClip):
    """Counts the pairs it will be asked about; its answers have a price."""

    cost_per_pair = 0.5

    def measured_on(self, pairs: Any) -> BrighterClip:
        return MeasuredClip()


class TestMeasuredClip(PreferenceSourceContract):
    @pytest.fixture
    def source(self) -> MeasuredClip:
        return MeasuredClip()


class Moody:
    """A person who answers as the mood is, the second time otherwise."""

    needs = SourceNeeds()

    def __init__(self) -> None:
        self.config = NoConfig()
        self._times = 0

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        self._times += 1
        n = len(pairs)
        return PreferenceLabels(np.full(n, self._times % 2, np.float32), np.ones(n, np.bool_))


class TestMoody(PreferenceSourceContract):
    mirrored = False
    repeatable = False

    @pytest.fixture
    def source(self) -> Moody:
        return Moody()


class AlwaysSecond(BrighterClip):
    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        return PreferenceLabels(np.ones(len(pairs), np.float32), np.ones(len(pairs), np.bool_))


def test_the_contract_finds_a_source_that_always_says_second() -> None:
    with pytest.raises(AssertionError):
        PreferenceSourceContract().test_swapping_the_pair_mirrors_the_labels(AlwaysSecond())


class FirstOfTheBatch(KnownLabeller):
    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        labels = super().label(pairs)
        return replace(labels, outcome=(np.arange(len(pairs)) > 0).astype(np.uint8))


class SomebodyElse(KnownLabeller):
    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        return replace(super().label(pairs), labeller=np.ones(len(pairs), np.int64))


class OneTwice(KnownLabeller):
    records = (LabelRecord("one"), LabelRecord("one"))


class NoJson(KnownLabeller):
    records = (LabelRecord("one", config="seed 3"),)


class InDebt(KnownLabeller):
    cost_per_pair = -1.0


class Unpriced(KnownLabeller):
    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        labels = super().label(pairs)
        labels.cost_usd[0] = np.nan
        return labels


class Nameless(KnownLabeller):
    model: Any = object()


class Restless(KnownLabeller):
    def measured_on(self, pairs: Any) -> KnownLabeller:
        self.config = replace(self.config, tokens=len(pairs))
        return self


class Hesitant(KnownLabeller):
    def decided_on(self, questions: Any) -> KnownLabeller:
        return KnownLabeller(replace(self.config, tokens=7))


class Darker(BrighterClip):
    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        return super().label(SegmentPairs(pairs.second, pairs.first))


class OtherwiseSure(BrighterClip):
    def as_probabilities(self) -> Darker:
        return Darker()


class Terse(KnownLabeller):
    def explain(self, pairs: SegmentPairs) -> list[list[tuple[str, str]]]:
        return [[("?", "1")]]


class Earns(KnownLabeller):
    def foresee(self, pairs: SegmentPairs) -> CostForecast:
        return CostForecast(cost_usd=-1.0)


@pytest.mark.parametrize(
    ("faulty", "test"),
    [
        (Hesitant, "test_deciding_leaves_the_labeller_as_it_was_and_goes_by_the_same_records"),
        (OtherwiseSure, "test_as_probabilities_its_labels_prefer_the_same_sides"),
        (Terse, "test_it_explains_every_pair_in_words"),
        (Earns, "test_what_it_foresees_is_not_negative"),
        (Moody, "test_equal_pairs_get_equal_labels"),
        (FirstOfTheBatch, "test_a_label_does_not_depend_on_the_other_pairs"),
        (FirstOfTheBatch, "test_label_pairs_gets_the_same_labels_in_batches_of_any_size"),
        (SomebodyElse, "test_every_label_is_of_a_labeller_that_has_a_record"),
        (OneTwice, "test_records_of_several_labellers_are_json_and_differ"),
        (NoJson, "test_records_of_several_labellers_are_json_and_differ"),
        (InDebt, "test_its_price_is_an_amount_of_money"),
        (Unpriced, "test_every_pair_has_an_outcome_and_what_it_took"),
        (Nameless, "test_its_model_and_prompt_have_names"),
        (Restless, "test_measuring_pairs_gives_a_labeller_and_leaves_the_first_as_it_was"),
    ],
)
def test_the_contract_finds_a_faulty_labeller(faulty: Callable[[], Any], test: str) -> None:
    contract: Any = PreferenceSourceContract()
    with pytest.raises((AssertionError, ValueError)):
        getattr(contract, test)(faulty())


def test_what_a_person_answers_otherwise_is_no_fault_where_that_is_expected() -> None:
    with pytest.raises(pytest.skip.Exception):
        TestMoody().test_equal_pairs_get_equal_labels(Moody())


def test_known_labellers_answer_refuse_and_cost_as_their_instructions_say() -> None:
    texts = ["go", "go unsure", "refused", "unparsable", "failed", "skipped", "go"]
    actions = np.ones((7, 2, 1), np.float32)
    second = actions * np.array([2, 2, 2, 2, 2, 2, 1], np.float32)[:, None, None]
    pairs = SegmentPairs(
        SegmentBatch(actions=actions, instructions=texts),
        SegmentBatch(actions=second, instructions=texts),
    )
    labels = KnownLabeller().label(pairs)
    assert labels.outcome.tolist() == [
        Outcome.ANSWERED,
        Outcome.UNSURE,
        Outcome.REFUSED,
        Outcome.UNPARSABLE,
        Outcome.FAILED,
        Outcome.SKIPPED,
        Outcome.ANSWERED,
    ]
    assert labels.prefer_second.tolist() == [1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
    assert labels.cost_usd.tolist() == [0.25] * 5 + [0, 0.25]
    assert labels.tokens.tolist() == [100] * 5 + [0, 100]
    assert labels.seconds.tolist() == [2] * 5 + [0, 2]

    labels = KnownCascade().label(pairs)
    assert labels.answered.tolist() == [True] * 5 + [False, True]
    assert labels.prefer_second.tolist() == [1, 1, 1, 1, 1, 0.5, 0.5]
    assert labels.labeller.tolist() == [0, 1, 1, 1, 1, 0, 0]
    assert labels.cost_usd.tolist() == [0.25, 1.25, 1.25, 1.25, 1.25, 0, 0.25]
    assert labels.seconds.tolist() == [2, 10, 10, 10, 10, 0, 2]


def test_padding_does_not_count_for_known_labellers() -> None:
    first = SegmentBatch(
        actions=np.array([[[1], [100]]], np.float32),
        mask=np.array([[True, False]]),
        instructions=["go"],
    )
    second = SegmentBatch(actions=np.array([[[2], [0]]], np.float32), instructions=["go"])
    assert KnownLabeller().label(SegmentPairs(first, second)).prefer_second.tolist() == [1]
