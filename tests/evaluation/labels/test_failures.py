import numpy as np

from vlfeedback.data.pairings import RankedPairs, ShownSegment
from vlfeedback.evaluation.labels.answers import PairAnswers
from vlfeedback.evaluation.labels.failures import surest_mistakes
from vlfeedback.types import PreferenceLabels, Trajectory

EPISODE = Trajectory(np.zeros((9, 1), np.float32), np.zeros((8, 1), np.float32))


def ranked(truth: list[float], returns: list[list[float]] | None) -> RankedPairs:
    segments = tuple(ShownSegment(EPISODE.segment(k, 2), "go") for k in range(len(truth)))
    turned = tuple(ShownSegment(c.segment, "go", reversed=True) for c in segments)
    return RankedPairs(
        segments,
        turned,
        np.array(truth, np.float32),
        None if returns is None else np.array(returns, float),
    )


def test_the_surest_mistakes_come_first_and_ties_are_none() -> None:
    pairs = ranked([1, 0, 1, 0, 0.5], [[1, 2], [4, 3], [5, 6], [8, 7], [0, 0]])
    scores = np.array([[0.5, 0], [0, 9], [0, 1], [2, 2], [0, 50.0]])
    answers = PairAnswers.from_scores(pairs.prefer_second, pairs.returns, {"ours": scores})
    later = ranked([1], None)
    also = PairAnswers.from_scores(later.prefer_second, None, {"ours": np.array([[3.0, 1.0]])})
    mistakes = surest_mistakes(
        {"clustered": pairs, "reversed": later},
        {"clustered": answers, "reversed": also},
        "ours",
        at_most=6,
    )
    assert [(m.pairing, m.better.segment.start) for m in mistakes] == [
        ("clustered", 1),
        ("clustered", 0),
        ("reversed", 0),
    ]
    surest, other, last = mistakes
    assert (surest.score_better, surest.score_worse) == (0, 9)
    assert (surest.return_better, surest.return_worse) == (4, 3)
    assert (surest.better, surest.worse) == (pairs.first[1], pairs.second[1])
    assert other.better is pairs.second[0]
    assert last.return_better is None


def test_no_more_are_given_than_asked_for() -> None:
    pairs = ranked([1, 1, 1], None)
    answers = PairAnswers.from_scores(
        pairs.prefer_second, None, {"ours": np.array([[1.0, 0], [2, 0], [3, 0]])}
    )
    mistakes = surest_mistakes({"random": pairs}, {"random": answers}, "ours", at_most=2)
    assert [(m.score_better, m.score_worse) for m in mistakes] == [(0, 3), (0, 2)]


def test_mistakes_of_a_labeller_come_by_how_sure_it_was_and_have_no_scores() -> None:
    pairs = ranked([1, 1, 1, 1, 0], None)
    labels = PreferenceLabels(
        np.array([0.4, 0.1, 0.5, 0.0, 0.2], np.float32), np.array([True, True, True, False, True])
    )
    answers = PairAnswers(pairs.prefer_second, None, {"ours": labels}, {})
    mistakes = surest_mistakes({"random": pairs}, {"random": answers}, "ours", at_most=6)
    assert [m.worse.segment.start for m in mistakes] == [1, 0]  # a tie and no answer are none
    assert mistakes[0].score_better is mistakes[0].score_worse is None
    assert surest_mistakes({"random": pairs}, {"random": answers}, "other", at_most=6) == []
