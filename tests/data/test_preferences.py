from typing import Any

import numpy as np
import pytest
from tests.data.preferences_by_hand import (
    TRAJECTORIES,
    assert_equal,
    dataset,
    draw,
    ends,
    labels,
    mixed,
)

import vlfeedback
from vlfeedback.data.preferences import LabelRecord, PreferenceDataset
from vlfeedback.errors import ShapeError
from vlfeedback.types import LabelRecord as MovedRecord
from vlfeedback.types import Outcome, PreferenceLabels

# --- what a dataset is


def test_left_out_there_is_no_instruction_no_cost_and_an_unknown_labeller() -> None:
    made = PreferenceDataset(draw(3), labels(0, 1, 1))
    assert made.instructions == ("", "", "")
    assert made.labelled_by == (LabelRecord("unknown"),)
    assert made.record_of.tolist() == [0, 0, 0] and made.cost.tolist() == [0, 0, 0]
    assert made.length == 5 and len(made) == 3


def test_who_and_what_cost_may_be_said_beside_the_labels_and_is_then_part_of_them() -> None:
    made = PreferenceDataset(
        draw(2),
        labels(0, 1),
        labelled_by=(LabelRecord("a:A"), LabelRecord("b:B")),
        record_of=np.array([1, 0]),
        cost=np.array([0.5, 0]),
    )
    assert made.labels.labeller.tolist() == made.record_of.tolist() == [1, 0]
    assert made.labels.cost_usd.tolist() == made.cost.tolist() == [0.5, 0]
    assert LabelRecord is MovedRecord


def test_the_summary_adds_up_what_each_labeller_took() -> None:
    first, person = mixed().summary()
    assert (first.labeller.source, first.pairs) == ("a:A", 5)
    assert first.outcomes == {
        Outcome.UNSURE: 1,
        Outcome.REFUSED: 1,
        Outcome.UNPARSABLE: 1,
        Outcome.FAILED: 1,
        Outcome.SKIPPED: 1,
    }
    assert (first.cost_usd, first.tokens, first.seconds) == (1.0, 1100, 66)
    assert str(person) == "a person: 1 pairs (1 answered), $1.50, 0 tokens, 8 s"
    assert str(first) == (
        "a:A (gpt): 5 pairs (1 unsure, 1 refused, 1 unparsable, 1 failed, 1 skipped), $1.00, "
        "1,100 tokens, 66 s"
    )


def test_a_labeller_without_a_pair_is_not_in_the_summary() -> None:
    assert [totals.labeller.source for totals in mixed().take([5]).summary()] == ["a person"]
    assert mixed().take([]).summary() == ()


def test_segments_of_unequal_length_are_refused_with_the_pair() -> None:
    pairs = [*draw(2), (TRAJECTORIES[0].segment(0, 5), TRAJECTORIES[1].segment(0, 6))]
    with pytest.raises(ShapeError, match="Pair 2 compares segments of 5 and 6 steps; expected 5"):
        PreferenceDataset(pairs, labels(0, 1, 1))


def test_pairs_of_another_length_than_the_first_are_refused() -> None:
    pairs = [*draw(2), (TRAJECTORIES[0].segment(0, 6), TRAJECTORIES[1].segment(0, 6))]
    with pytest.raises(ShapeError, match=r"Pair 2 .* 6 and 6 steps; expected 5, as the first"):
        PreferenceDataset(pairs, labels(0, 1, 1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": labels(0, 1)}, "labels has 2 rows; expected 4"),
        ({"instructions": ("go",)}, "instructions has 1 rows; expected 4"),
        ({"record_of": np.array([0, 1, 0, 2])}, r"labels\.labeller runs from 0 to 2; .* 2 records"),
        ({"cost": np.zeros(3)}, r"cost_usd has shape \(3,\)"),
    ],
)
def test_every_pair_has_its_row(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        dataset(**changes)


def test_a_dataset_shows_counts_instead_of_numbers() -> None:
    shown = repr(dataset())
    assert shown == "PreferenceDataset(T=5, PreferenceLabels(N=4, answered=3, ties=1, skipped=1))"


def test_only_answered_pairs_are_trained_on_and_ties_are_among_them() -> None:
    answered = dataset().answered()
    assert answered.labels.prefer_second.tolist() == [0, 1, 0.5]
    assert answered.instructions == ("go 0", "go 1", "go 2")
    assert ends(answered.pairs) == ends(dataset().pairs[:3])


def test_appending_keeps_who_said_what_and_names_each_labeller_once() -> None:
    one = dataset()
    other = dataset(2, seed=1, labelled_by=(LabelRecord("c:C"), LabelRecord("b:B")))
    both = one.append(other)
    assert [record.source for record in both.labelled_by] == ["a:A", "b:B", "c:C"]
    said = [both.labelled_by[k].source for k in both.labels.labeller]
    assert said == ["b:B", "a:A", "b:B", "a:A", "b:B", "c:C"]
    assert_equal(both.take(slice(4)), one)
    assert_equal(both.take([4, 5]), other)
    assert len(one) == 4


def test_appending_keeps_outcomes_and_costs() -> None:
    both = mixed().append(mixed().take([1, 5]))
    assert_equal(both.take(slice(6)), mixed())
    assert_equal(both.take([6, 7]), mixed().take([1, 5]))
    assert both.labelled_by == mixed().labelled_by


def test_segments_of_another_length_cannot_be_appended() -> None:
    other = PreferenceDataset([(TRAJECTORIES[0].segment(0, 6),) * 2], labels(0))
    with pytest.raises(ShapeError, match="Pair 4 compares segments of 6 and 6 steps; expected 5"):
        dataset().append(other)


def test_nothing_is_learnt_from_refusals() -> None:
    unanswered = dataset(labels=labels(0, 1, 1, 1, answered=[False] * 4))
    with pytest.raises(ValueError, match=r"0 of 4 pairs are answered: .* given by a:A"):
        unanswered.check_trainable()


def test_why_nothing_can_be_learnt_is_said_by_outcome() -> None:
    outcome = np.array([Outcome.REFUSED] * 3 + [Outcome.FAILED], np.uint8)
    unanswered = dataset(labels=PreferenceLabels(np.zeros(4, np.float32), outcome))
    message = r"0 of 4 pairs are answered: .*\(3 of 4 pairs were refused, 1 of 4 pairs failed\)\. "
    with pytest.raises(ValueError, match=message):
        unanswered.check_trainable()
    mixed().check_trainable()
    with pytest.raises(ValueError, match=r"1 of 1 labels are ties: .*\(1 of 2 pairs were unsure\)"):
        ties = PreferenceLabels(np.full(2, 0.5, np.float32), np.array([0, 1], np.uint8))
        PreferenceDataset(draw(2), ties).check_trainable()


def test_nothing_is_learnt_from_ties_alone() -> None:
    tied = dataset(labels=labels(0.5, 0.5, 0.5, 1, answered=[True, True, True, False]))
    with pytest.raises(ValueError, match=r"3 of 3 labels are ties: .*Lower the labeller's tie m"):
        tied.check_trainable()
    dataset(labels=labels(0.5, 0.5, 0.5, 1)).check_trainable()


def test_sources_that_agree_have_equal_digests_whoever_they_are() -> None:
    one = dataset()
    other = dataset(
        labelled_by=(LabelRecord("c:C"),),
        record_of=np.zeros(4, np.int64),
        cost=np.ones(4),
        instructions=("else",) * 4,
        labels=labels(0, 1, 0.5, 0.75, answered=[True, True, True, False]),
    )
    assert one.digest() == other.digest()
    # As in every release so far.
    assert (
        dataset(10).digest() == "63ea692479b31c472bd9a53cb286e11d7b8af50b57b8222b6c3ee5ddd26f6ef7"
    )


def test_why_a_pair_is_unanswered_does_not_change_the_digest() -> None:
    refused = np.array([0, 0, 0, Outcome.REFUSED], np.uint8)
    changed = PreferenceLabels(dataset().labels.prefer_second, refused)
    assert dataset(labels=changed).digest() == dataset().digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": labels(0, 1, 0.5, 0.25)},
        {"labels": labels(1, 1, 0.5, 0.25, answered=[True, True, True, False])},
        {"pairs": [*draw(3), draw(1, seed=9)[0]]},
        {"pairs": [(second, first) for first, second in draw(4)]},
    ],
)
def test_another_pair_or_label_gives_another_digest(changes: dict[str, Any]) -> None:
    assert dataset().digest() != dataset(**changes).digest()


def test_the_public_name_is_this() -> None:
    assert vlfeedback.PreferenceDataset is PreferenceDataset
