import json
import math

import numpy as np
import pytest

from vlfeedback.evaluation.labels.answers import PairAnswers
from vlfeedback.evaluation.labels.summary import TaskResult, summarise, tidy
from vlfeedback.evaluation.statistics import mean_interval
from vlfeedback.types import Outcome, PreferenceLabels


def answers_of(n_right: int, n_baseline: int, n: int = 10) -> PairAnswers:
    """`n` pairs, the second always right; ours is right in the first `n_right` of them."""

    def scores(right: int) -> np.ndarray:
        second = np.where(np.arange(n) < right, 1.0, -1.0)
        return np.stack([np.zeros(n), second], axis=1)

    returns = np.stack([np.zeros(n), np.arange(1.0, n + 1)], axis=1)
    return PairAnswers.from_scores(
        np.ones(n, np.float32), returns, {"ours": scores(n_right), "energy": scores(n_baseline)}
    )


def repeat(a: int, b: int) -> dict[str, TaskResult]:
    words = {"ours": {"seen": {"itp_loss": a / 10, "pool": {"ilp_loss": float("nan")}}}}
    return {
        "a": TaskResult({"clustered": answers_of(a, 5)}, words),
        "b": TaskResult({"clustered": answers_of(b, 5)}, words),
    }


def test_means_over_tasks_and_repeats_with_students_interval() -> None:
    figures = summarise([repeat(8, 10), repeat(9, 7), repeat(10, 10)], source="ours")
    assert figures["label_accuracy"] == {"a": 0.9, "b": 0.9}
    assert figures["mean_label_accuracy"] == 0.9
    assert figures["clustered_pairs"]["ours"] == {"mean": 0.9, "a": 0.9, "b": 0.9}
    assert figures["clustered_pairs"]["prior"]["mean"] == 1.0
    wanted = mean_interval([0.9, 0.8, 1.0])
    interval = figures["intervals"]["clustered"]["ours"]["mean"]
    assert interval == [round(wanted.low, 4), 1.0]  # cut at 1
    against = figures["comparisons"]["clustered"]["energy"]["mean"]
    assert against["difference"] == 0.4
    assert against["beats"] is True
    assert figures["comparisons"]["clustered"]["prior"]["mean"]["beats"] is False
    assert len(figures["repeats"]) == 3
    assert figures["repeats"][1]["b"]["clustered"]["accuracy"]["ours"] == 0.7
    assert "calibration" not in figures


def test_one_repeat_has_wilsons_interval_and_differences_over_pairs() -> None:
    figures = summarise([repeat(9, 9)], source="ours")
    assert figures["intervals"]["clustered"]["ours"]["a"] == [0.5958, 0.9821]  # 9 of 10
    against = figures["comparisons"]["clustered"]["energy"]["a"]
    wanted = mean_interval([0.0] * 5 + [1.0] * 4 + [0.0])
    assert against["interval"] == [round(wanted.low, 4), round(wanted.high, 4)]


def test_calibration_pools_tasks_and_repeats() -> None:
    figures = summarise([repeat(10, 10), repeat(10, 10)], source="ours", log_odds_scale=100.0)
    calibration = figures["calibration"]["clustered"]
    assert calibration["expected_calibration_error"] == 0.0
    assert calibration["brier_score"] == 0.0
    assert calibration["bins"][-1]["n"] == 40
    far = figures["accuracy_by_gap"]["clustered"]["energy"][-1]
    assert (far["n"], far["accuracy"]) == (8, 0.0)  # gaps 9 and 10 of each


def test_language_keeps_its_tree_and_what_is_not_defined_is_none() -> None:
    figures = summarise([repeat(8, 9), repeat(10, 9)], source="ours")
    row = figures["language"]["seen"]
    assert (row["itp_loss"]["mean"], row["itp_loss"]["a"]) == (0.9, 0.9)
    assert row["pool"]["ilp_loss"]["mean"] is None
    assert figures["correlation"]["clustered"]["label_pearson"]["ours"]["mean"] is None
    json.dumps(figures, allow_nan=False)


def test_language_has_the_figures_that_every_repeat_has() -> None:
    # The clips of the first repeat lie in a folder that other tasks were collected into.
    words = {"ours": {"seen": {"itp_loss": 0.8, "pool": {"ilp_loss": 0.7}, "all": {"x": 0.1}}}}
    first = {task: TaskResult({"clustered": answers_of(8, 5)}, words) for task in ("a", "b")}
    for repeats in ([first, repeat(9, 9)], [repeat(9, 9), first]):
        row = summarise(repeats, source="ours")["language"]["seen"]
        assert sorted(row) == ["itp_loss", "pool"]
        assert row["itp_loss"]["mean"] == pytest.approx(0.85)


def test_tidy_rounds_numbers_and_drops_nan() -> None:
    assert tidy({"a": [0.123456, math.nan], "b": (1, "x", True)}) == {
        "a": [0.1235, None],
        "b": [1, "x", True],
    }


def test_a_pairing_that_one_task_lacks_is_averaged_over_the_others() -> None:
    results = {
        "a": TaskResult({"clustered": answers_of(9, 5), "expert": answers_of(6, 5)}),
        "b": TaskResult({"clustered": answers_of(7, 5)}),
    }
    figures = summarise([results], source="ours")
    assert figures["expert_pairs"]["ours"] == {"mean": pytest.approx(0.6), "a": 0.6}


def labelled(*values: float, refused: int = 0) -> PairAnswers:
    """The second is always right; the last `refused` pairs have no answer."""
    n_answered = len(values) - refused
    outcomes = [Outcome.ANSWERED] * n_answered + [Outcome.REFUSED] * refused
    given = PreferenceLabels(np.array(values, np.float32), np.array(outcomes, np.uint8))
    energy = PreferenceLabels(np.ones(len(values), np.float32), np.ones(len(values), np.bool_))
    truth = np.ones(len(values), np.float32)
    return PairAnswers(truth, None, {"ours": given, "energy": energy}, {})


def test_a_labeller_has_outcomes_and_no_figures_of_scores() -> None:
    results = {
        "a": TaskResult({"clustered": labelled(1, 1, 0.5, 0)}),
        "b": TaskResult({"clustered": labelled(1, 1, 0, 1, refused=2)}),
    }
    figures = summarise([results], source="ours")
    assert figures["label_accuracy"] == {"a": 0.625, "b": 0.75}
    outcomes = figures["outcomes"]["clustered"]
    assert outcomes["ties"] == {"mean": 0.125, "a": 0.25, "b": 0.0}
    assert outcomes["refused"] == {"mean": 0.25, "a": 0.0, "b": 0.5}
    assert outcomes["unsure"] == {"mean": 0.0, "a": 0.0, "b": 0.0}
    assert "calibration" not in figures
    assert "score_pearson" not in figures["correlation"]["clustered"]
    assert figures["comparisons"]["clustered"]["energy"]["mean"]["difference"] == -0.3125


def test_soft_labels_are_calibrated_over_the_pairs_that_were_answered() -> None:
    results = {"a": TaskResult({"clustered": labelled(0.9, 0.7, 0.4, 0.1, refused=1)})}
    calibration = summarise([results], source="ours")["calibration"]["clustered"]
    assert sum(b["n"] for b in calibration["bins"]) == 3
    assert calibration["brier_score"] == round((0.01 + 0.09 + 0.36) / 3, 4)


def test_a_pairing_that_a_source_was_not_asked_about_is_left_out_of_its_figures_alone() -> None:
    alone = PairAnswers.from_scores(np.ones(2, np.float32), None, {"energy": np.eye(2)})
    results = {"a": TaskResult({"clustered": answers_of(9, 5), "instruction": alone})}
    assert "instruction_pairs" not in summarise([results], source="ours")
    assert "ours" not in summarise([results], source="energy")["instruction_pairs"]
