"""An output that cannot be written is found out by every command before it does anything."""

import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from vlfeedback.cli import main
from vlfeedback.cli.app import app
from vlfeedback.cli.output_options import file_to_write, folder_to_fill

OUTPUTS = ["--out", "--json", "--page", "--figures", "--failures", "--results"]


def options() -> list[tuple[str, str]]:
    """Every command with every option of it that names an output."""
    found: list[tuple[str, str]] = []

    def walk(command: Any, words: tuple[str, ...]) -> None:
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, (*words, name))
        found.extend(
            (" ".join(words), option)
            for parameter in command.params
            for option in parameter.opts
            if option in OUTPUTS and not getattr(parameter, "is_flag", False)
        )

    walk(typer.main.get_command(app), ())
    return found


REQUIRED = {
    "label": "--data d --labeller teacher",
    "train": "--data d --learner bc",
    "sweep": "f.toml",
    "report": "d",
    "browse": "d",
    "goals": "d",
    "fit vlp": "--data d",
    "fit vlp-clip": "--data d",
    "fit reward": "--data d --labels l.parquet",
    "eval source": "--source vlp",
    "eval labels": "--source vlp --data d",
    "eval progress": "--source vlp --data d",
    "eval bench": "--exam own --source vlp --data d",
    "instructions write": "--model m",
}


@pytest.mark.parametrize(
    ("command", "option"), [pair for pair in options() if pair[0] != "relabel"]
)
def test_a_place_that_takes_nothing_is_said_before_the_other_options_are_looked_at(
    command: str,
    option: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    place = str(tmp_path / "file" / "output")
    words = [*command.split(), *REQUIRED.get(command, "").split(), option, place]
    if option != "--out" and ("fit" in command or command == "explain"):
        words += ["--out", str(tmp_path / "out")]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["vlfeedback", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    message = capsys.readouterr().err
    assert message.startswith(f"WriteError: Could not write {place}: a file is where its folder")


def test_all_of_them_are_known() -> None:
    """A new command's outputs are found by their usual names."""
    assert len(options()) >= 20
    assert {name for name, _ in options()} >= {"collect", "label", "relabel", "train", "explain"}


def test_an_option_that_is_not_given_is_not_tried() -> None:
    assert file_to_write(None) is None and folder_to_fill(None) is None
