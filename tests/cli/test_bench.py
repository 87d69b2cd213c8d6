"""`vlfeedback eval bench`, from a downloaded set to figures and a page."""

import json
from pathlib import Path

import pytest
from tests.evaluation.bench.made_sets import write_rbm_videos, write_roboreward
from typer.testing import CliRunner

from vlfeedback.cli.app import app
from vlfeedback.errors import InvalidValueError, UnknownNameError


def bench(*arguments: str) -> str:
    """What is printed."""
    run = CliRunner().invoke(app, ["eval", "bench", *arguments], env={"COLUMNS": "200"})
    if run.exception is not None:
        raise run.exception
    return " ".join(run.output.split())


def test_a_public_exam_ends_in_tables_json_and_a_page(tmp_path: Path) -> None:
    data = write_roboreward(tmp_path / "RoboReward")
    figures, page = tmp_path / "out" / "results.json", tmp_path / "out" / "page.html"
    output = bench(
        *("--exam", "roborewardbench", "--data", str(data)),
        *("--source", "moves=picture-energy", "--source", "env", "--pairs", "3"),
        *("--out", str(figures), "--out", str(page), "--answers", str(tmp_path / "answers")),
    )
    assert "RoboRewardBench" in output and "(length)" in output
    assert "Printed by papers, not measured here" in output and "87.4 %" in output
    assert "env was left out. It reads the environment's own rewards" in output
    results = json.loads(figures.read_text())
    assert results["exam"]["pairs"] == 3
    assert results["sources"]["moves"]["class"].endswith(":PictureEnergyReward")
    assert results["published"][0]["title"] == "LLM-as-a-Verifier"
    assert results["command"].startswith("vlfeedback")
    assert "RoboReward-8B" in page.read_text(encoding="utf-8")
    assert (tmp_path / "answers" / "moves" / "answers.jsonl").read_text().count("\n") == 5


def test_pictures_and_pairs_may_be_asked_for(tmp_path: Path) -> None:
    data, out = write_rbm_videos(tmp_path / "rbm"), tmp_path / "results.json"
    bench(
        *("--exam", "rbm-eval-ood", "--data", str(data), "--source", "picture-energy"),
        *("--pictures", "4", "--score", "mean", "--out", str(out)),
    )
    results = json.loads(out.read_text())
    assert "pictures=4" in results["exam"]["settings"]["pictures"]
    assert results["clip_score"] == "mean" and results["exam"]["pairs"] == 5


def test_clips_of_our_own_can_be_asked_about_by_any_source(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results.json"
    output = bench(
        *("--exam", "own", "--data", str(tiny_dataset), "--tasks", "drawer-close"),
        *("--source", "env", "--source", "teacher", "--out", str(out)),
    )
    assert "left out" not in output
    results = json.loads(out.read_text())
    assert results["exam"]["clips"] == 6 and results["exam"]["pairs"] == 12
    assert results["sources"]["env"]["figures"]["preference_accuracy"]["value"] > 0.9
    assert "voc" in results["sources"]["env"]["figures"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--exam", "own", "--fps", "2"], "--fps and --pictures are of videos"),
        (["--exam", "rbm-eval-ood", "--tasks", "reach"], "tasks='reach' are of the exam 'own'"),
        (["--exam", "rbm-eval-ood", "--fps", "2", "--pictures", "4"], "expected one of the two"),
        (["--exam", "own", "--out", "figures.csv"], r"out='figures\.csv'; expected a name in"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    arguments: list[str], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidValueError, match=complaint):
        bench("--data", str(tmp_path), "--source", "picture-energy", *arguments)


def test_an_unknown_source_is_refused_before_a_clip_is_read(tmp_path: Path) -> None:
    data = write_roboreward(tmp_path)
    with pytest.raises(UnknownNameError, match="vlpp"):
        bench("--exam", "roborewardbench", "--data", str(data), "--source", "vlpp")


@pytest.mark.slow
def test_the_bundled_model_ranks_experts_above_random_actions(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results.json"
    bench(
        *("--exam", "own", "--data", str(tiny_dataset), "--source", "vlp", "--out", str(out)),
    )
    figures = json.loads(out.read_text())["sources"]["vlp"]["figures"]
    assert figures["kendall_tau"]["value"] > 0.3
