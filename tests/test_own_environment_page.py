"""The commands of the page on one's own environment, one after the other as they stand there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "own_environment.md").read_text(encoding="utf-8")
LESS_WORK = {
    "--episodes 20": "--episodes 4 --workers 1",
    "--pairs 100": "--pairs 8",
    "--steps 2000 --eval-every 1000": "--steps 4 --eval-every 2 --episodes 1",
    "sweep sweep.toml": "sweep sweep.toml --steps 2 --seeds 0 --workers 1",
    "count = 100": "count = 8",
    "every = 1000\nepisodes = 5": "every = 1\nepisodes = 1",
}


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def less(text: str) -> str:
    for printed, small in LESS_WORK.items():
        text = text.replace(printed, small)
    return text


def test_less_work_is_the_work_of_the_page() -> None:
    assert [text for text in LESS_WORK if text not in PAGE] == []


@pytest.mark.slow
def test_the_commands_lead_from_a_class_to_a_comparison(tmp_path: Path) -> None:
    (tmp_path / "slide_block.py").write_text(block("python"))
    (tmp_path / "sweep.toml").write_text(less(block("toml")))
    commands = re.findall(r"^vlfeedback .*$", PAGE, re.MULTILINE)
    assert [shlex.split(command)[1] for command in commands] == [
        "doctor", "collect", "label", "fit", "relabel", "train", "sweep", "report",
    ]  # fmt: skip
    main = "from vlfeedback.cli import main; main()"
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-c", main, *shlex.split(less(command))[1:]],
            cwd=tmp_path,
            env={**os.environ, "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])
    made = ("doctor.png", "slides", "labels.parquet", "reward.safetensors", "relabelled", "policy")
    assert [name for name in made if not (tmp_path / name).exists()] == []
    assert list((tmp_path / "compared").glob("*.html"))
