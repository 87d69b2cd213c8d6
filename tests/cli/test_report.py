"""`vlfeedback report` on folders that need no training; tests of `sweep` report real ones."""

import json
import sys
from pathlib import Path

import pytest

from vlfeedback.cli import main
from vlfeedback.sweeps.folder import SweepFolder

TABLE = {"claim": "none", "tasks": ["reach"], "seeds": [0], "learners": {"bc": {}}}


def report(
    *arguments: Path | str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["vlfeedback", "report", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def test_page_table_and_json_lie_where_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sweep"
    SweepFolder(folder).begin(TABLE, name="small", command="vlfeedback sweep small.toml")
    page, kept = tmp_path / "pages" / "small.html", tmp_path / "kept" / "small.json"
    code, said, _ = report(
        folder, "--out", page, "--results", kept, monkeypatch=monkeypatch, capsys=capsys
    )
    assert code == 0
    assert said.startswith("0 of 1 runs are finished.")
    assert "<h1>small</h1>" in page.read_text(encoding="utf-8")
    assert page.with_suffix(".md").is_file()
    figures = json.loads(kept.read_text(encoding="utf-8"))
    assert figures["missing"] == ["reach_bc_0"] and figures["runs"] == {}


def test_a_folder_without_a_sweep_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = report(tmp_path, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 1
    assert error.startswith("FileNotFoundError: No sweep in") and len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())
