"""`vlfeedback answers`: what is kept, what it cost, and how it is shared."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.vlms.questions_by_hand import MODEL, answer, question
from typer.testing import CliRunner

from vlfeedback.cli.app import app
from vlfeedback.errors import FileFormatError, NeedsError
from vlfeedback.types import Outcome
from vlfeedback.vlms.ledger.store import AnswerStore, store_path


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["answers", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two answers and a failure."""
    store = AnswerStore(tmp_path / "mine.sqlite", model=MODEL)
    for text in ("a", "b"):
        store.put(question(text).key(MODEL), question(text), answer())
        store.book(answer())
    store.book(answer("", outcome=Outcome.FAILED, tokens_in=5, tokens_out=0, cost_usd=0.0))
    assert store.path is not None
    return store.path


def test_totals_and_spending_are_shown(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    printed = run("show", "--store", str(path))
    assert "some-model │ drawer/1 │ answered │ 2 │ 200 │ 40 │ $0.5000" in printed
    assert "in 3 requests of which 1 failed: $0.5000, and 245 tokens." in printed
    assert str(path) in printed


def test_an_unknown_price_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    store = AnswerStore(path, model="new-model")
    unpriced = answer(cost_usd=0.0, price_known=False)
    store.put(question().key("new-model"), question(), unpriced)
    store.book(unpriced)
    printed = run("show", "--store", str(path))
    assert "new-model │ drawer/1 │ answered │ 1 │ 100 │ 20 │ unknown" in printed
    assert "$0.5000, beside 1 at an unknown price, and 365 tokens." in printed


def test_programs_get_json(path: Path) -> None:
    printed = json.loads(run("show", "--store", str(path), "--json"))
    assert printed["store"] == str(path)
    assert printed["answers"][0]["cost_usd"] == 0.5
    assert (printed["spent"]["requests"], printed["spent"]["failed"]) == (3, 1)


def test_answers_are_shared_by_a_file(path: Path, tmp_path: Path) -> None:
    file, theirs = tmp_path / "shared.parquet", tmp_path / "theirs.sqlite"
    said = run("export", str(file), "--store", str(path), "--model", MODEL)
    assert said.startswith("2 answers are in ")
    said = run("import", str(file), "--store", str(theirs))
    assert said == f"2 answers are added to {theirs}, and 0 were there."
    assert AnswerStore(theirs).held([question("a").key(MODEL)])
    assert "0 answers are added" in run("import", str(file), "--store", str(theirs))


def test_the_store_of_the_cache_folder_is_the_default(tmp_path: Path, path: Path) -> None:
    run("export", str(tmp_path / "shared.parquet"), "--store", str(path))
    run("import", str(tmp_path / "shared.parquet"))
    default = store_path("")
    assert default is not None and default.is_file()
    assert json.loads(run("show", "--json"))["store"] == str(default)


def test_a_check_finds_what_is_damaged(path: Path) -> None:
    said = run("check", "--store", str(path))
    assert said.endswith(f"All 2 answers in {path} are as they were written.")
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE answers SET tokens_in = 1 WHERE number = 2")
    with pytest.raises(FileFormatError, match="an answer is not as it was written"):
        run("check", "--store", str(path))


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"No store of answers .*absent\.sqlite: no model"):
        run("show", "--store", str(tmp_path / "absent.sqlite"))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NeedsError, match="--store none keeps no answers"):
        run("show", "--store", "none")
