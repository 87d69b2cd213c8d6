"""The page of an exam, from figures as its JSON holds them."""

import re
from pathlib import Path
from typing import Any

import pytest
from tests.evaluation.bench.made_sets import made_exam

from vlfeedback.evaluation.bench import TakenExam, take_exam
from vlfeedback.reports.bench_page import bench_page, write_bench_page
from vlfeedback.reports.published import published_figures
from vlfeedback.testing import BrightnessReward

CLIPS = {"good": ("go", 2, 200), "fair": ("go", 1, 100), "poor": ("go", 0, 150)}


def figure(value: float, low: float, high: float) -> dict[str, Any]:
    return {"value": value, "interval": [low, high], "n": 24}


@pytest.fixture
def results() -> dict[str, Any]:
    def row(accuracy: dict[str, Any], mae: dict[str, Any], *, is_rule: bool) -> dict[str, Any]:
        return {
            "class": "pack:Source",
            "settings": {"seed": 1},
            "is_rule": is_rule,
            "figures": {"preference_accuracy": accuracy, "mae": mae},
            "parts": {"preference_accuracy": {"toy_a": 1.0, "toy_b": 0.5}},
        }

    not_there = {"not_applicable": "Its scores do not lie in [0, 1]."}
    return {
        "exam": {
            "name": "roborewardbench",
            "title": "RoboRewardBench",
            "clips": 1234,
            "sets": ["toy_a", "toy_b"],
            "tasks": 7,
            "pairs": 500,
            "rising": 40,
            "tie_credit": 0.5,
            "settings": {"seed": 0},
            "notes": ["A note <of> ours."],
            "unreadable": {"toy_a/x.mp4": "It is truncated."},
        },
        "legend": {
            "preference_accuracy": {
                "title": "better of two clips",
                "unit": "%",
                "chance": 0.5,
                "meaning": "Share.",
            },
            "mae": {"title": "error", "unit": "points", "chance": None, "meaning": "Mean."},
        },
        "sources": {
            "<mine>": row(figure(0.9, 0.8, 1.0), figure(1.234, 1.0, 1.5), is_rule=False),
            "chance": row(figure(0.5, 0.4, 0.6), not_there, is_rule=True),
            "env": {
                "class": "pack:Env",
                "settings": {},
                "is_rule": False,
                "not_asked": "It reads rewards.",
            },
        },
        "clip_score": "last",
        "published": published_figures("roborewardbench"),
        "command": "vlfeedback eval bench",
        "seed": 0,
        "seconds": 9.7,
        "hardware": {"processor": "CPU", "cores": 2},
        "versions": {"vlfeedback": "0.1.0"},
        "commit": "0123abc",
    }


def rows_of(page: str, title: str) -> list[list[str]]:
    """Cells of a table's body, without markup."""
    table = page.partition(f"<h2>{title}</h2>")[2].partition("</table>")[0]
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", table.partition("<tbody>")[2], re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [[re.sub(r"<svg.*?</svg>|<[^>]*>", "", cell).strip() for cell in row] for row in cells]


def test_what_papers_print_stands_in_a_column_of_its_own(results: dict[str, Any]) -> None:
    rows = rows_of(bench_page(results, sheets={}), "better of two clips")
    assert rows[0] == ["&lt;mine&gt;", "90 % [80, 100]", "100", "50", ""]
    assert rows[1] == ["chance", "50 % [40, 60]", "100", "50", ""]
    model, here, *parts, printed = rows[2]
    assert model == "LLM-as-a-Verifier, Qwen3.6-35B"
    assert here == "" and parts == ["", ""]
    assert printed.startswith("87.4 %LLM-as-a-Verifier: Kwok et al. 2026, arXiv 2607.05391")
    assert [row[0] for row in rows[3:]] == [
        "RoboReward-8B",
        "Robometer-4B",
        "TOPReward",
        "LLM judge, whole numbers",
    ]


def test_errors_are_printed_smallest_first_and_need_no_line_to_guessing(
    results: dict[str, Any],
) -> None:
    page = bench_page(results, sheets={})
    rows = rows_of(page, "error")
    assert rows[0][1] == "1.23 [1.00, 1.50]"
    assert rows[1][1].startswith("not applicableIts scores do not lie")
    assert [row[0] for row in rows[2:]] == ["RoboReward-8B", "GPT-5-mini"]
    assert rows[2][-1].startswith("0.665")


def test_rules_are_told_from_sources_and_what_was_left_out_is_said(results: dict[str, Any]) -> None:
    page = bench_page(results, sheets={"<mine>": "data:image/jpeg;base64,CLIPS"})
    assert '<tr class="rule"><th>chance</th>' in page
    assert "<dt>env</dt><dd>It reads rewards.</dd>" in page
    assert "<dt>toy_a/x.mp4</dt><dd>It is truncated.</dd>" in page
    assert "A note &lt;of&gt; ours." in page
    assert "1,234 clips of 7 tasks, 2 data sets, 500 pairs, 40 clips that get on" in page
    assert "a tie of two scores is half right" in page
    assert page.count("src=") == 1 and "data:image/jpeg;base64,CLIPS" in page
    assert "http" not in page
    assert "vlfeedback eval bench; seed 0; 10 s; CPU, 2 cores; vlfeedback 0.1.0" in page


def test_more_parts_than_a_page_has_room_for_are_left_to_the_json(results: dict[str, Any]) -> None:
    many = {f"task {k}": 0.5 for k in range(13)}
    results["sources"]["<mine>"]["parts"] = {"preference_accuracy": many}
    assert "task 3" not in bench_page(results, sheets={})


def test_the_best_and_worst_clips_are_drawn_into_the_page(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    taken: TakenExam = take_exam(made_exam(CLIPS), {"mine": BrightnessReward()})
    results = {**taken.results, "published": [], "command": "vlfeedback eval bench"}
    write_bench_page(tmp_path / "out" / "page.html", taken, results)
    page = (tmp_path / "out" / "page.html").read_text(encoding="utf-8")
    assert page.count('src="data:image/jpeg;base64,') == 1
    assert "Worst and best clips of mine" in page
    assert "printed by papers" not in page


def test_every_published_figure_is_one_that_its_exam_has(tmp_path: Path) -> None:
    from tests.evaluation.bench.made_sets import write_rbm_videos, write_roboreward

    from vlfeedback.evaluation.bench import read_rbm_eval_ood, read_roborewardbench
    from vlfeedback.evaluation.bench.metrics import METRICS

    exams = [
        read_roborewardbench(write_roboreward(tmp_path / "a")),
        read_rbm_eval_ood(write_rbm_videos(tmp_path / "b")),
    ]
    for exam in exams:
        metrics = {row["metric"] for row in published_figures(exam.name)}
        assert metrics and metrics <= set(exam.metrics)
    assert {row["metric"] for row in published_figures("own")} == {"voc_pearson"} <= set(METRICS)
