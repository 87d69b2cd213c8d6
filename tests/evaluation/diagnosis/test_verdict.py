import math
from collections.abc import Mapping

import pytest

from vlfeedback.evaluation.diagnosis.metrics import MetricValue, NotApplicable
from vlfeedback.evaluation.diagnosis.verdict import CHANCE, GOOD_AUC, GOOD_PAIRS, Verdict, decide
from vlfeedback.evaluation.statistics import Estimate


def between(low: float, high: float) -> Estimate:
    return Estimate((low + high) / 2, low, high, 24)


def verdict(
    findings: Mapping[str, MetricValue], prior: float = 0.5, **more: MetricValue
) -> Verdict:
    return decide({**findings, **more}, prior=prior)


KNOWING: dict[str, MetricValue] = {
    "random_pairs": between(0.84, 0.98),
    "success_auc": between(0.9, 1.0),
}


def test_what_tells_clips_and_success_is_good() -> None:
    found = verdict(KNOWING)
    assert found.word == "good"
    assert found.sentence == "good: worth a training run"
    assert found.reasons == (
        "Clearly better than guessing at “better of two random clips”: 91 % [84, 98].",
        "Clearly better than guessing at “success above failure”: 95 % [90, 100].",
    )


def test_what_guesses_at_both_is_useless() -> None:
    found = verdict({}, random_pairs=between(0.3, 0.6), success_auc=between(0.4, 0.7))
    assert found.sentence == "useless: not worth a training run"
    assert found.reasons[0] == (
        "No better than guessing at “better of two random clips”: 45 % [30, 60]; guessing gives "
        "50 %."
    )


def test_what_is_wrong_more_often_than_not_is_useless_too() -> None:
    found = verdict({}, random_pairs=between(0.1, 0.3), success_auc=between(0.0, 0.2))
    assert found.word == "useless"
    assert found.reasons[0].startswith("Worse than guessing")


@pytest.mark.parametrize(
    "findings",
    [
        {"random_pairs": between(0.55, 0.6), "success_auc": between(0.4, 0.6)},
        {"random_pairs": between(0.4, 0.6), "success_auc": between(0.9, 1.0)},
        {"random_pairs": between(0.9, 1.0), "success_auc": between(0.55, 0.9)},
    ],
)
def test_what_knows_something_is_weak(findings: dict[str, MetricValue]) -> None:
    assert verdict(findings).word == "weak"


def test_always_the_same_side_is_guessing_where_it_is_right_more_often() -> None:
    findings: dict[str, MetricValue] = {
        "random_pairs": between(0.55, 0.7),
        "success_auc": between(0.4, 0.6),
    }
    assert verdict(findings, prior=0.54).word == "weak"
    assert verdict(findings, prior=0.56).word == "useless"


def test_thresholds_are_passed_by_the_lower_end_alone() -> None:
    def at(pairs: float, auc: float) -> str:
        return verdict({}, random_pairs=between(pairs, 1.0), success_auc=between(auc, 1.0)).word

    assert at(GOOD_PAIRS + 0.01, GOOD_AUC + 0.01) == "good"
    assert at(GOOD_PAIRS, GOOD_AUC + 0.01) == "weak"
    assert at(GOOD_PAIRS + 0.01, GOOD_AUC) == "weak"
    assert at(CHANCE, CHANCE) == "useless"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("expert_over_random", "It pays experts no more than random actions: 50 % [40, 60]."),
        ("right_instruction", "It does not tell the right instruction from a wrong one"),
        ("reversed_clips", "It does not tell forwards from backwards"),
    ],
)
def test_what_fails_another_question_is_not_good(name: str, reason: str) -> None:
    found = verdict({**KNOWING, name: between(0.4, 0.6)})
    assert found.word == "weak"
    assert found.reasons[2].startswith(reason)


def test_what_falls_while_experts_progress_is_not_good() -> None:
    assert verdict(KNOWING, value_order=between(-0.6, -0.1)).word == "weak"
    assert verdict(KNOWING, value_order=between(-0.6, 0.1)).word == "good"


def test_what_changes_its_mind_with_the_camera_is_good_with_a_warning() -> None:
    found = verdict(KNOWING, camera_correlation=between(-0.2, 0.4))
    assert found.word == "good"
    assert found.reasons[2] == (
        "Beware: another camera ranks the same states differently: 0.10 [-0.20, 0.40]."
    )


def test_questions_that_are_not_applicable_do_not_count() -> None:
    not_asked = NotApplicable("It reads no pictures.")
    assert verdict(KNOWING, reversed_clips=not_asked, right_instruction=not_asked).word == "good"


def test_where_success_cannot_be_asked_experts_stand_against_random_actions() -> None:
    findings: dict[str, MetricValue] = {
        "random_pairs": between(0.8, 0.9),
        "success_auc": NotApplicable("24 of 24 episodes succeed."),
    }
    assert verdict(findings, expert_over_random=between(0.8, 1.0)).word == "good"
    assert verdict(findings, expert_over_random=between(0.6, 1.0)).word == "weak"


def test_a_prior_that_is_not_known_is_a_coin() -> None:
    assert verdict(KNOWING, prior=math.nan).word == "good"
