import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from vlfeedback.cli.app import app
from vlfeedback.data.collection import Collection
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.types import ArrayFrames, Trajectory

TIMES = np.r_[0, np.arange(1, 65, 7)]


@pytest.fixture
def collected(tmp_path: Path) -> Path:
    """drawer-close and a task that is not registered: the more reward, the brighter it gets."""
    collection = Collection.create(tmp_path / "data", {})
    for task in ("drawer-close", "stack-cups"):
        for level, reward in (("expert", 4), ("random", 0)):
            trajectories = [
                Trajectory(
                    observations=np.full((65, 3), reward + index / 100, np.float32),
                    actions=np.zeros((64, 2), np.float32),
                    env_rewards=np.linspace(0, reward, 64, dtype=np.float32),
                    frames=ArrayFrames(
                        TIMES,
                        np.repeat(
                            np.linspace(0, 50 * reward, 11).astype(np.uint8), 32 * 32 * 3
                        ).reshape(11, 32, 32, 3),
                    ),
                    task=task,
                    id=f"{task}/{level}/{index}",
                    level=level,
                )
                for index in range(3)
            ]
            write_trajectories(collection.path(task, level), trajectories)
    return collection.root


def run(data: Path, options: str) -> Result:
    command = f"eval labels --data {data} --pairs 12 {options}"
    return CliRunner().invoke(app, command.split())


def test_sources_and_labellers_are_compared_in_one_table(collected: Path, tmp_path: Path) -> None:
    result = run(
        collected,
        "--tasks drawer-close --source energy=picture-energy --source teacher "
        f"--source wrong=teacher --set wrong.mistake=1.0 --json {tmp_path}/labels.json "
        f"--figures {tmp_path}/plots --failures {tmp_path}/mistakes",
    )
    assert result.exit_code == 0, f"{result.output}{result.exception}"
    written = json.loads((tmp_path / "labels.json").read_text())
    sources = written["sources"]
    assert [sources[name]["mean_label_accuracy"] for name in ("energy", "teacher", "wrong")] == [
        1.0,
        1.0,
        0.0,
    ]
    assert sources["wrong"]["settings"]["mistake"] == 1.0
    assert sources["wrong"]["class"].endswith(":ScriptedTeacher")
    assert {"command", "commit", "hardware", "versions"} <= set(written)
    assert "n/a" in result.output
    assert "teacher, reversed pairs: not applicable. It reads no pictures." in result.output
    assert "Next" in result.output
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {"energy", "teacher", "wrong"}
    sheets = list((tmp_path / "mistakes" / "wrong").iterdir())
    assert len(sheets) == 6
    assert not list((tmp_path / "mistakes" / "teacher").iterdir())


def test_a_source_whose_name_looks_like_markup_is_compared(collected: Path) -> None:
    result = run(collected, "--tasks drawer-close --source [/b]x=teacher --source [red]=teacher")
    assert result.exit_code == 0, f"{result.output}{result.exception}"
    assert "[/b]x" in result.output
    assert "[red], reversed pairs: not applicable. It reads no pictures." in result.output


def test_a_task_of_ones_own_is_measured_with_the_words_that_are_given(
    collected: Path, tmp_path: Path
) -> None:
    refused = run(collected, "--source teacher --tasks stack-cups")
    assert "'stack-cups' is not registered" in str(refused.exception)
    out = tmp_path / "labels.json"
    words = ["--instruction", "stack the cups", "--json", str(out)]
    options = ["eval", "labels", "--source", "teacher", "--pairs", "6", "--data"]
    result = CliRunner().invoke(app, [*options, str(collected), *words])
    assert result.exit_code == 0, f"{result.output}{result.exception}"
    teacher = json.loads(out.read_text())["sources"]["teacher"]
    assert teacher["label_accuracy"] == {"drawer-close": 1.0, "stack-cups": 1.0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--source vpl", "Did you mean 'vlp'"),
        ("--source teacher.mistaken", "mistaken"),
        ("--source teacher --tasks door-open", "no episodes of door-open"),
        ("--source prior=teacher", "called 'prior', like a baseline"),
        ("", "Missing option '--source'"),
        (
            "--source ../out=teacher --source teacher --figures plots --json /dev/null",
            "names the path '../out', which lies outside of plots",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused(collected: Path, options: str, message: str) -> None:
    result = run(collected, options)
    assert result.exit_code != 0
    said = "".join(f"{result.output}{result.stderr}{result.exception}".split())
    assert "".join(message.split()) in said
