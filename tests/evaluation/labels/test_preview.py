"""A look at some pairs of a job: figures and advice, with labellers whose faults are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vlfeedback.data.sampling import SegmentPairList
from vlfeedback.errors import InvalidValueError
from vlfeedback.evaluation.labels.preview import Advice, LabelPreview, preview_labels
from vlfeedback.preferences.cascade import Cascade, CascadeConfig
from vlfeedback.testing import KnownLabeller
from vlfeedback.types import (
    CostForecast,
    Outcome,
    PreferenceLabels,
    Segment,
    SegmentPairs,
    SourceNeeds,
    Trajectory,
)


def pairs(n: int, reward: float | None = 1.0) -> SegmentPairList:
    """Pair i compares actions that sum to less with some that sum to more where i is even.

    Else the other way round; rewards are the actions times `reward`. No two pairs are equal.
    """

    def side(value: float) -> Segment:
        return Trajectory(
            observations=np.zeros((3, 1), np.float32),
            actions=np.full((2, 1), value, np.float32),
            env_rewards=None if reward is None else np.full(2, reward * value, np.float32),
            id=f"moves {value}",
        ).segment(0, 2)

    both = [(side(i / 1000), side(1 + i / 1000)) for i in range(n)]
    return [(less, more) if i % 2 == 0 else (more, less) for i, (less, more) in enumerate(both)]


def preview(labeller: Any = None, n: int = 100, words: Sequence[str] = ("go",), **more: Any) -> Any:
    job = pairs(n, **more)
    texts = [words[i % len(words)] for i in range(n)]
    return preview_labels(job, labeller or KnownLabeller(), instructions=texts)


class First(KnownLabeller):
    """Always prefers the segment that is shown first."""

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        return replace(super().label(pairs), prefer_second=np.zeros(len(pairs), np.float32))


class Wrong(KnownLabeller):
    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        labels = super().label(pairs)
        return replace(labels, prefer_second=1 - labels.prefer_second)


class Explains(KnownLabeller):
    def explain(self, pairs: SegmentPairs) -> list[list[tuple[str, str]]]:
        return [[("which?", f"{text}!")] for text in pairs.first.instructions or ()]


# --- what is asked


def test_twenty_pairs_spread_over_the_job_are_asked_about_in_both_orders() -> None:
    labeller = KnownLabeller()
    made: LabelPreview = preview(labeller, n=400)
    assert labeller.batch_sizes == [20, 20]
    assert made.rows == [0, *(round(k * 21) for k in range(1, 19)), 399]
    assert made.labels.prefer_second.tolist() == [1 - row % 2 for row in made.rows]
    assert made.turned.prefer_second.tolist() == made.labels.prefer_second.tolist()


def test_a_small_job_is_looked_at_whole_and_none_is_refused() -> None:
    assert preview(n=3).rows == [0, 1, 2]
    with pytest.raises(InvalidValueError, match="20 of 0 pairs to look at; expected at least one"):
        preview_labels([], KnownLabeller())


def test_raw_answers_of_both_orders_are_kept_where_the_labeller_has_some() -> None:
    assert preview().said is None
    asked, turned = preview(Explains(), n=2, words=("go", "stop")).said
    assert asked == turned == [[("which?", "go!")], [("which?", "stop!")]]


# --- figures


def test_a_good_labeller_is_right_and_minds_no_order() -> None:
    made = preview()
    for share, n in ((made.answered, 40), (made.right, 20), (made.alike, 20)):
        assert (share.mean, share.n) == (1.0, n)
    assert made.alike.low == pytest.approx(20 / (20 + 1.959964**2))  # Wilson, by hand
    assert (made.first_shown.mean, made.first_shown.n) == (0.5, 40)
    assert made.advice() == []


def test_one_who_prefers_what_is_shown_first_is_found_out() -> None:
    made = preview(First())
    assert (made.alike.mean, made.first_shown.mean, made.right.mean) == (0.0, 1.0, 0.5)
    truth, order = made.advice()
    assert truth.urgency == order.urgency == "stop"
    assert "10 of 20 labels are right by the task's own reward, which is near" in truth.text
    assert "0 of 20 pairs get the same answer when the two change places." in order.text
    assert "prefers what is shown first in 100 % of its answers" in order.text


def test_one_who_is_wrong_is_told_from_one_who_guesses() -> None:
    (advice,) = preview(Wrong()).advice()
    assert advice.urgency == "stop"
    assert advice.text.startswith("0 of 20 labels are right") and "wrong way round" in advice.text


def test_a_few_right_labels_are_not_taken_for_many() -> None:
    made = preview(n=3)
    assert made.right.mean == 1.0 and made.right.low < 0.5
    assert {advice.urgency for advice in made.advice()} == {"look"}


def test_without_rewards_nothing_is_said_of_the_truth_and_eyes_are_asked_for() -> None:
    made = preview(reward=None)
    assert made.truth is None and made.right.n == 0
    assert made.advice() == [
        Advice(
            "look",
            "Nothing is known of the truth here, as the data has no rewards of its own: "
            "compare the labels with the pictures yourself.",
        )
    ]


@pytest.mark.parametrize(
    ("word", "urgency"), [("unparsable", "stop"), ("failed", "stop"), ("unsure", "look")]
)
def test_many_answers_that_are_none_are_said_with_what_to_do(word: str, urgency: str) -> None:
    made = preview(words=("go", "go", f"go {word}"))
    assert made.answered.n == 40 and made.answered.mean == 0.7
    advice = made.advice()[0]
    assert advice.urgency == urgency and word in advice.text
    assert not [a for a in preview(words=["go"] * 30 + [f"go {word}"]).advice() if word in a.text]


def test_nothing_answered_leaves_figures_open_and_says_stop() -> None:
    made = preview(words=("refused",))
    assert made.alike.n == made.first_shown.n == 0 and np.isnan(made.alike.mean)
    assert made.advice()[0].text.startswith("40 refused of 40 answers")


def test_ties_alone_teach_nothing() -> None:
    still = [(first, first) for first, _ in pairs(30)]
    made = preview_labels(still, KnownLabeller(), instructions=["go"] * 30)
    assert made.alike.mean == 1.0  # two ties are alike
    assert made.advice()[0] == Advice(
        "stop", "All answers are ties, and nothing can be learnt from those."
    )


# --- what the rest will take


def test_costs_of_the_job_are_those_of_its_pairs_at_the_same_rate() -> None:
    made = preview(n=400)
    assert made.spent == CostForecast(40.0, 4000.0, 10.0)
    assert made.job == CostForecast(400.0, 40_000.0, 100.0)
    assert made.job_seconds == 800.0


class Foresees(KnownLabeller):
    price: float | None = 0.5

    def foresee(self, pairs: SegmentPairs) -> CostForecast:
        return CostForecast(2.0, 150.0, self.price).times(float(len(pairs)))


def test_what_the_labeller_foresees_comes_before_what_was_measured() -> None:
    assert preview(Foresees(), n=400).job == CostForecast(800.0, 60_000.0, 200.0)
    without_price = Foresees()
    without_price.price = None
    assert preview(without_price, n=400).job == CostForecast(800.0, 60_000.0, 100.0)


def test_a_budget_for_the_job_is_shared_out_to_the_pairs_that_are_looked_at() -> None:
    class Doubts(KnownLabeller):
        needs = SourceNeeds(actions=True)

        def label(self, pairs: SegmentPairs) -> PreferenceLabels:
            half = np.full(len(pairs), 0.5, np.float32)
            return PreferenceLabels(half, np.full(len(pairs), Outcome.ANSWERED, np.uint8))

    source = Cascade(CascadeConfig([{}, {"max_pairs": 100}]), labellers=[Doubts(), First()])
    made = preview(source, n=400)  # 100 of 400: 10 of 40
    assert made.both.labeller.sum() == 10
    assert len(made.labelled_by) == 3
