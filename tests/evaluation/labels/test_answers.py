import math
from collections.abc import Iterable

import numpy as np
import pytest

from vlfeedback.data.pairings import RankedPairs, ShownSegment, pair_with_reversed
from vlfeedback.data.sampling import SegmentPairList
from vlfeedback.errors import NeedsError
from vlfeedback.evaluation.labels.answers import (
    PairAnswers,
    ask_sources,
    describe_pairing,
    label_pairs_shown,
)
from vlfeedback.types import PreferenceLabels, SegmentPairs, SourceNeeds, Trajectory


def answers_of(scores: list[list[float]], truth: list[float], returns: bool = False) -> PairAnswers:
    return PairAnswers.from_scores(
        np.array(truth, np.float32),
        np.array(scores, float)[:, ::-1].copy() if returns else None,
        {"ours": np.array(scores, float)},
    )


def labels(*values: float, answered: list[bool] | None = None) -> PreferenceLabels:
    given = np.ones(len(values), bool) if answered is None else np.array(answered)
    return PreferenceLabels(np.array(values, np.float32), given)


class Labeller:
    """Prefers the segment whose last picture is brighter, and notes what it sees."""

    needs = SourceNeeds(frames=True, first_frame=True, instruction=True)

    def __init__(self) -> None:
        self.seen: list[SegmentPairs] = []

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        self.seen.append(pairs)
        assert pairs.first.frames is not None and pairs.second.frames is not None
        first, second = (
            np.asarray(side.frames)[:, -1].mean(axis=(1, 2, 3))
            for side in (pairs.first, pairs.second)
        )
        return PreferenceLabels((second > first).astype(np.float32), np.ones(len(pairs), bool))


def test_right_wrong_and_tied_labels_over_pairs_that_have_an_order() -> None:
    answers = answers_of([[0, 1], [1, 0], [1, 1], [0, 9]], [1, 1, 0, 0.5])
    assert answers.labels["ours"].prefer_second.tolist() == [1, 0, 0.5, 1]
    assert answers.right("ours").tolist() == [1, 0, 0.5]
    assert answers.right("prior").tolist() == [1, 1, 0]


def test_figures_of_a_pairing() -> None:
    figures = describe_pairing(answers_of([[0, 1], [1, 0], [1, 1], [0, 9]], [1, 1, 0, 0.5]))
    assert figures["pairs"] == 4
    assert figures["scripted_ties"] == 0.25
    assert figures["accuracy"] == {"ours": 0.5, "prior": pytest.approx(2 / 3)}
    assert figures["ties"] == {"ours": 0.25}
    # 1, 0, 0.5 about 0.5 is 0.5, -0.5, 0; times 1, 1, 0 that is 0.
    assert figures["label_pearson"]["ours"] == pytest.approx(0.0)
    assert "score_pearson" not in figures


def test_correlation_of_scores_with_returns() -> None:
    answers = answers_of([[0, 1], [2, 3]], [0, 0], returns=True)  # returns: [1, 0], [3, 2]
    figures = describe_pairing(answers)
    assert figures["score_pearson"]["ours"] == pytest.approx(0.6)  # 3 / 5 by hand
    assert figures["score_spearman"]["ours"] == pytest.approx(0.6)
    assert answers.return_gap.tolist() == [1, 1]


def test_labels_on_one_side_only_correlate_in_both_orders_alone() -> None:
    # Three of four right, the truth always 1: 2 * 0.75 - 1 = 0.5.
    figures = describe_pairing(answers_of([[0, 1], [0, 1], [0, 1], [1, 0]], [1, 1, 1, 1]))
    assert math.isnan(figures["label_pearson"]["ours"])
    assert figures["label_pearson_both_orders"]["ours"] == pytest.approx(0.5)


def test_a_pairing_that_returns_do_not_decide_has_no_gaps_of_them() -> None:
    with pytest.raises(NeedsError, match="not ordered by returns"):
        _ = answers_of([[0, 1]], [1]).return_gap


def test_a_labeller_sees_each_segment_as_it_is_shown(trajectories: list[Trajectory]) -> None:
    labeller = Labeller()
    segment = trajectories[0].segment(0, 21)  # pictures of 0, 50, 100, 150, 200
    shown = ShownSegment(segment, "right"), ShownSegment(segment, "wrong", reversed=True)
    hidden = ShownSegment(segment, "right", reversed=True, with_reset=False)
    pairs = RankedPairs((shown[0], shown[1]), (shown[1], hidden), np.zeros(2, np.float32))
    given = label_pairs_shown(pairs, labeller)
    assert given.prefer_second.tolist() == [0, 0]  # 200 against 0, 0 against 0
    (seen,) = labeller.seen
    assert seen.first.instructions == ["right", "wrong"]
    assert seen.second.instructions == ["wrong", "right"]
    assert seen.first.frames is not None and seen.second.first_frames is not None
    # A picture after every fifth step was taken, and about every seventh is read: every tenth.
    assert seen.first.picture_steps.tolist() == [0, 10, 20]
    assert seen.first.frames[:, :, 0, 0, 0].tolist() == [[0, 100, 200], [200, 100, 0]]
    # The reset; the segment's own first picture where its episode's is not shown.
    assert seen.second.first_frames[:, 0, 0, 0].tolist() == [0, 200]
    assert seen.second.has_reset.tolist() == [True, False]


def test_labellers_are_asked_batch_by_batch_and_after_they_have_measured_all_pairs(
    trajectories: list[Trajectory],
) -> None:
    class Measured(Labeller):
        measured: SegmentPairList

        def measured_on(self, pairs: SegmentPairList) -> "Measured":
            self.measured = pairs
            return self

    labeller = Measured()
    segments = [trajectories[0].segment(0, 21)] * 40
    pairs = pair_with_reversed(segments, "go", rng=np.random.default_rng(0))
    given = ask_sources(pairs, {"ours": labeller})
    assert given.right("ours").tolist() == [1.0] * 40
    assert [len(seen) for seen in labeller.seen] == [32, 8]
    assert len(labeller.measured) == 40
    assert "ours" not in given.scores


def test_a_labeller_that_decides_together_is_shown_all_segments_as_they_are_shown_later(
    trajectories: list[Trajectory],
) -> None:
    class Decides(Labeller):
        decided: list[int]

        def decided_on(self, questions: Iterable[SegmentPairs]) -> "Decides":
            self.decided = [len(question) for question in questions for _ in [self.label(question)]]
            return self

    labeller = Decides()
    segments = [trajectories[0].segment(0, 21)] * 40
    ask_sources(pair_with_reversed(segments, "go", rng=np.random.default_rng(0)), {"o": labeller})
    assert labeller.decided == [32, 8]
    before, after = labeller.seen[:2], labeller.seen[2:]
    for shown, later in zip(before, after, strict=True):
        assert shown.first.frames is not None and later.first.frames is not None
        np.testing.assert_array_equal(shown.first.frames, later.first.frames)


def test_no_answer_and_a_tie_are_half_right_and_told_apart() -> None:
    truth = np.array([1, 1, 0, 0], np.float32)
    given = labels(1, 0.5, 0, 1, answered=[True, True, False, True])
    answers = PairAnswers(truth, None, {"ours": given}, {})
    assert answers.right("ours").tolist() == [1, 0.5, 0.5, 0]
    assert answers.gap("ours").tolist() == [0.5, 0, 0, 0.5]
    figures = describe_pairing(answers)
    assert figures["accuracy"]["ours"] == 0.5
    assert figures["ties"] == {"ours": 0.25}
    assert figures["skipped"] == {"ours": 0.25}
    assert figures["refused"] == {"ours": 0.0}
    # 1, 0.5, 0.5, 1 about 0.75 against 1, 1, 0, 0: (0.25 - 0.25 + 0.25 - 0.25) / 2 = 0.
    assert figures["label_pearson"]["ours"] == pytest.approx(0.0)


def test_probabilities_are_soft_labels_or_scaled_gaps_of_scores() -> None:
    truth = np.array([1, 0], np.float32)
    soft = PairAnswers(truth, None, {"ours": labels(0.75, 0.25, answered=[True, False])}, {})
    chance = soft.probabilities("ours", None)
    assert chance is not None and chance[0] == 0.75 and math.isnan(chance[1])
    hard = PairAnswers(truth, None, {"ours": labels(1, 0.5)}, {})
    assert hard.probabilities("ours", 1.0) is None
    scored = answers_of([[0, math.log(3)], [1, 1]], [1, 0])
    assert scored.probabilities("ours", 1.0) == pytest.approx([0.75, 0.5])
    assert scored.probabilities("ours", None) is None
