"""`vlfeedback train --online`, as it is typed."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vlfeedback.cli.app import app
from vlfeedback.data.whole_files import read_json
from vlfeedback.errors import InvalidValueError, UnknownNameError

BRIEF = (
    "--env-id Pendulum-v1 --horizon 20 --steps 100 --max-labels 6 --labels-per-session 3 "
    "--steps-between-sessions 30 --segment-length 5 --random-steps 40 --exploration-steps 0 "
    "--episodes 1 --eval-every 50 --set batch_size=16"
)


def run(line: str) -> str:
    words = [*line.split(), "--instruction", "swing the pendulum up"]
    finished = CliRunner().invoke(app, words, catch_exceptions=False)
    assert finished.exit_code == 0, finished.output
    return " ".join(finished.output.split())


def test_a_policy_is_trained_from_a_teachers_labels_and_judged(tmp_path: Path) -> None:
    said = run(f"train --online --labeller teacher --out {tmp_path / 'run'} {BRIEF}")
    assert "6 pairs asked about" in said
    assert re.search(
        r"\d labels: \d+% of the new ones foreseen, \d+% of all learnt, disagree", said
    )
    assert "correlation with the true reward" in said
    assert "RewardModel.load" in said
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"policy.zip", "reward_model.safetensors", "result.json", "labels"} <= names


def test_nobody_is_asked_where_there_is_no_labeller(tmp_path: Path) -> None:
    said = run(f"train --online --labeller none --out {tmp_path / 'run'} {BRIEF}")
    assert "0 pairs asked about" in said
    assert not (tmp_path / "run" / "reward_model.safetensors").exists()


def test_settings_of_the_labeller_and_a_filter_are_taken(tmp_path: Path) -> None:
    line = f"--set-labeller mistake=0.3 --rime --algorithm td3 --out {tmp_path / 'run'} {BRIEF}"
    assert "6 pairs asked about" in run(f"train --online --labeller teacher {line}")


def test_pairs_without_labels_are_learnt_from(tmp_path: Path) -> None:
    line = f"--out {tmp_path / 'run'} {BRIEF} --surf --segment-length 8"
    assert "6 pairs asked about" in run(f"train --online --labeller teacher {line}")
    settings = read_json(tmp_path / "run" / "settings.json", advice="")
    assert settings["surf"]["threshold"] == 0.99


def test_a_preset_gives_the_numbers_that_are_not_said(tmp_path: Path) -> None:
    line = f"--preset few-labels-100 --labeller teacher --out {tmp_path / 'run'} {BRIEF}"
    run(f"train --online {line}")
    settings = read_json(tmp_path / "run" / "settings.json", advice="")
    assert settings["config"]["max_labels"] == 6  # as it was said
    assert settings["algorithm"][1]["policy_kwargs"] == {"net_arch": [256, 256, 256]}


def test_a_person_is_asked_about_what_the_labeller_leaves_uncertain(tmp_path: Path) -> None:
    more = (
        "--set-labeller mistake=0.3 --person teacher --set-prefvlm human_budget=2 "
        f"--set-prefvlm adapters=false --out {tmp_path / 'run'} {BRIEF}"
    )
    run(f"train --online --labeller teacher {more}")
    result = read_json(tmp_path / "run" / "result.json", advice="")
    assert 0 < result["n_human"] <= 2


def test_the_help_of_training_from_data_names_this_one() -> None:
    for line, said in (
        ("train --help", "vlfeedback train --online --help"),
        ("train --online --help", "Train a policy while its reward is learned"),
    ):
        shown = CliRunner().invoke(app, line.split(), env={"COLUMNS": "120"})
        assert said in " ".join(shown.output.split())


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ("--sampler luck", InvalidValueError, "sampler='luck'"),
        ("--algorithm dqn", UnknownNameError, "No algorithm 'dqn'"),
        ("--algorithm ppo --preset surf", InvalidValueError, "has settings of SAC"),
        ("--steps 30", InvalidValueError, "n_steps=30"),
        ("--surf", InvalidValueError, "segment_length=5, and SURF crops up to 5"),
        ("--surf --rime --segment-length 8", InvalidValueError, "SURF beside RIME's filter"),
    ],
)
def test_what_makes_no_sense_is_refused(
    tmp_path: Path, more: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        run(f"train --online --labeller teacher --out {tmp_path / 'run'} {BRIEF} {more}")
