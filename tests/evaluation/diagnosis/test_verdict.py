import math
from collections.abc import Mapping

import pytest

from vlfeedback.evaluation.diagnosis.metrics import MetricValue, NotApplicable
from vlfeedback.evaluation.diagnosis.verdict import (
    CHANCE,
    GOOD_AUC,
    GOOD_PAIRS,
    Verdict,
    decide,
    describe_rule,
)
from vlfeedback.evaluation.statistics import Estimate


def between(low: float, high: float) -> Estimate:
    return Estimate((low + high) / 2, low, high, 24)


def judge(metrics: Mapping[str, MetricValue], prior: float = 0.5, **more: MetricValue) -> Verdict:
    return decide({**metrics, **more}, prior=prior)


KNOWING: dict[str, MetricValue] = {
    "random_pairs": between(0.84, 0.98),
    "success_auc": between(0.9, 1.0),
}


def test_what_tells_clips_and_success_is_good() -> None:
    verdict = judge(KNOWING)
    assert verdict.word == "good"
    assert verdict.sentence == "good: worth a training run"
    assert verdict.reasons == (
        "Clearly better than guessing at “better of two random clips”: 91 % [84, 98].",
        "Clearly better than guessing at “success above failure”: 95 % [90, 100].",
    )


def test_what_guesses_at_both_is_useless() -> None:
    verdict = judge({}, random_pairs=between(0.3, 0.6), success_auc=between(0.4, 0.7))
    assert verdict.sentence == "useless: not worth a training run"
    assert verdict.reasons[0] == (
        "No better than guessing at “better of two random clips”: 45 % [30, 60]; guessing gives "
        "50 %."
    )


def test_what_is_wrong_more_often_than_not_is_useless_too() -> None:
    verdict = judge({}, random_pairs=between(0.1, 0.3), success_auc=between(0.0, 0.2))
    assert verdict.word == "useless"
    assert verdict.reasons[0].startswith("Worse than guessing")


@pytest.mark.parametrize(
    "metrics",
    [
        {"random_pairs": between(0.55, 0.6), "success_auc": between(0.4, 0.6)},
        {"random_pairs": between(0.4, 0.6), "success_auc": between(0.9, 1.0)},
        {"random_pairs": between(0.9, 1.0), "success_auc": between(0.55, 0.75)},
    ],
)
def test_what_knows_something_is_weak(metrics: dict[str, MetricValue]) -> None:
    assert judge(metrics).word == "weak"


def test_always_the_same_side_is_guessing_where_it_is_right_more_often() -> None:
    metrics: dict[str, MetricValue] = {
        "random_pairs": between(0.55, 0.62),
        "success_auc": between(0.4, 0.6),
    }
    assert judge(metrics, prior=0.54).word == "weak"
    assert judge(metrics, prior=0.56).word == "useless"


def test_thresholds_are_passed_by_the_lower_end_alone() -> None:
    def at(pairs: float, auc: float) -> str:
        return judge({}, random_pairs=between(pairs, 1.0), success_auc=between(auc, 1.0)).word

    assert at(GOOD_PAIRS + 0.01, GOOD_AUC + 0.01) == "good"
    assert at(GOOD_PAIRS, GOOD_AUC + 0.01) != "good"
    assert at(GOOD_PAIRS + 0.01, GOOD_AUC) != "good"
    assert at(CHANCE, CHANCE) != "good"


@pytest.mark.parametrize(
    "metrics",
    [
        {"random_pairs": between(0.6, 1.0), "success_auc": between(0.9, 1.0)},
        {"random_pairs": between(0.9, 1.0), "success_auc": between(0.45, 0.95)},
        {"random_pairs": between(0.3, 0.7), "success_auc": between(0.3, 0.8)},
        {"random_pairs": between(0.3, 0.6), "success_auc": between(0.3, 0.8)},
        {**KNOWING, "expert_over_rest": between(0.4, 0.9)},
        {},
    ],
)
def test_wide_intervals_are_neither_weak_nor_useless_but_inconclusive(
    metrics: dict[str, MetricValue],
) -> None:
    verdict = judge(metrics)
    assert verdict.word == "inconclusive"
    assert verdict.sentence == ("inconclusive: too few episodes to say; measure with more of them")


def test_more_episodes_with_the_same_mean_make_an_inconclusive_verdict_a_weak_one() -> None:
    """66 and 70 % are not good; of eight episodes nobody knows."""
    few = judge({}, random_pairs=between(0.45, 0.87), success_auc=between(0.52, 0.88))
    many = judge({}, random_pairs=between(0.63, 0.69), success_auc=between(0.66, 0.74))
    assert (few.word, many.word) == ("inconclusive", "weak")
    assert few.reasons == (
        "Too few episodes to say anything of “better of two random clips”: 66 % [45, 87]; "
        "guessing gives 50 %, good begins above 62 %.",
        "Better than guessing at “success above failure”: 70 % [52, 88]; too few episodes to say "
        "whether it is good, above 75 %.",
    )
    assert many.reasons == (
        "Clearly better than guessing at “better of two random clips”: 66 % [63, 69].",
        "Better than guessing at “success above failure”: 70 % [66, 74]; good begins above 75 %.",
    )


def test_what_is_too_wide_to_be_a_failing_is_named_after_the_failings() -> None:
    verdict = judge(
        {**KNOWING, "expert_over_half": between(0.3, 0.9), "reversed_clips": between(0.4, 0.6)}
    )
    assert verdict.word == "weak"
    assert verdict.reasons[2:] == (
        "It does not tell forwards from backwards: 50 % [40, 60].",
        "Too few episodes to say whether it pays experts no more than half of their work and then "
        "nothing: 60 % [30, 90].",
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("expert_over_rest", "It pays experts no more than doing nothing: 50 % [40, 60]."),
        ("expert_over_half", "It pays experts no more than half of their work and then nothing"),
        ("expert_over_random", "It pays experts no more than random actions: 50 % [40, 60]."),
        ("right_instruction", "It does not tell the right instruction from a wrong one"),
        ("reversed_clips", "It does not tell forwards from backwards"),
    ],
)
def test_what_fails_another_figure_is_not_good(name: str, reason: str) -> None:
    verdict = judge({**KNOWING, name: between(0.4, 0.6)})
    assert verdict.word == "weak"
    assert verdict.reasons[2].startswith(reason)


def test_what_falls_while_experts_progress_is_not_good() -> None:
    assert judge(KNOWING, value_order=between(-0.6, -0.1)).word == "weak"
    assert judge(KNOWING, value_order=between(-0.6, 0.1)).word == "good"


def test_what_changes_its_mind_with_the_camera_is_good_with_a_warning() -> None:
    verdict = judge(KNOWING, camera_correlation=between(-0.2, 0.4))
    assert verdict.word == "good"
    assert verdict.reasons[2] == (
        "Beware: another camera ranks the same states differently: 0.10 [-0.20, 0.40]."
    )


def test_figures_that_are_not_applicable_do_not_count() -> None:
    no_pictures = NotApplicable("It reads no pictures.")
    assert judge(KNOWING, reversed_clips=no_pictures, right_instruction=no_pictures).word == "good"


def test_where_success_cannot_be_measured_experts_stand_against_random_actions() -> None:
    metrics: dict[str, MetricValue] = {
        "random_pairs": between(0.8, 0.9),
        "success_auc": NotApplicable("24 of 24 episodes succeed."),
    }
    assert judge(metrics, expert_over_random=between(0.8, 1.0)).word == "good"
    assert judge(metrics, expert_over_random=between(0.6, 0.75)).word == "weak"


def test_a_prior_that_is_not_known_is_a_coin() -> None:
    assert judge(KNOWING, prior=math.nan).word == "good"


def test_the_rule_in_words_has_the_thresholds_it_is_given() -> None:
    thresholds = {
        "chance": 0.5,
        "good_random_pairs": 0.7,
        "good_success_auc": 0.8,
        "steady_correlation": 0.25,
    }
    rule = describe_rule(thresholds)
    assert "has its whole interval above 50 %" in rule["useless"]
    assert "the former's interval lies above 70 %, the latter's above 80 %" in rule["good"]
    assert "below 0.25 is a warning" in rule["beware"]
    assert "62.5 %" in describe_rule()["good"] and "75 %" in describe_rule()["good"]


@pytest.mark.parametrize(
    "name",
    [
        "expert_over_random",
        "expert_over_rest",
        "expert_over_half",
        "right_instruction",
        "reversed_clips",
        "value_order",
    ],
)
def test_the_rule_in_words_names_all_that_holds_a_source_back(name: str) -> None:
    (*_, reason) = judge({**KNOWING, name: between(-0.6, -0.1)}).reasons
    assert reason.removeprefix("It ").partition(":")[0] in describe_rule()["good"]
