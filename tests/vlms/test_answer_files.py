"""Answers that are shared: what one has paid for is asked by nobody else."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet
from tests.vlms.questions_by_hand import MODEL, answer, black, question

from vlfeedback.errors import FileFormatError
from vlfeedback.types import Outcome
from vlfeedback.vlms.ledger.answer_rows import AnswerRow, _crc
from vlfeedback.vlms.ledger.store import AnswerStore
from vlfeedback.vlms.ledger.store_totals import Added, Spent

QUESTIONS = [question(str(i)) for i in range(3)]


@pytest.fixture
def store(tmp_path: Path) -> AnswerStore:
    """Answers 0 and 1 of one model and prompt, 2 refused by another at an unknown price."""
    path = tmp_path / "mine.sqlite"
    for i, asked in enumerate(QUESTIONS[:2]):
        scores = ({"Yes": -0.5 - i},)
        AnswerStore(path, model=MODEL).put(asked.key(MODEL), asked, answer(logprobs=scores))
    other = answer("", outcome=Outcome.REFUSED, price_known=False, cost_usd=0.0)
    asked = question("2", prompt="drawer/2")
    AnswerStore(path, model="other").put(asked.key("other"), asked, other)
    return AnswerStore(path, model=MODEL)


def theirs(tmp_path: Path) -> AnswerStore:
    return AnswerStore(tmp_path / "theirs.sqlite", model=MODEL)


def test_another_store_answers_what_this_one_did(store: AnswerStore, tmp_path: Path) -> None:
    file = tmp_path / "shared.parquet"
    assert store.export(file) == 3
    other = theirs(tmp_path)
    assert other.add_from(file) == Added(added=3, already_there=0)
    for asked in QUESTIONS[:2]:
        assert other.get(asked.key(MODEL)) == store.get(asked.key(MODEL))
    refused = other.get(question("2", prompt="drawer/2").key("other"))
    assert refused is not None
    assert (refused.outcome, refused.price_known) == (Outcome.REFUSED, False)
    assert other.totals() == store.totals()
    assert other.check() == 3


def test_answers_that_are_added_twice_are_there_once(store: AnswerStore, tmp_path: Path) -> None:
    file, other = tmp_path / "shared.parquet", theirs(tmp_path)
    other.put(QUESTIONS[0].key(MODEL), QUESTIONS[0], answer("theirs"))
    store.export(file)
    assert other.add_from(file) == Added(added=2, already_there=1)
    assert other.add_from(file) == Added(added=0, already_there=3)
    kept = other.get(QUESTIONS[0].key(MODEL))
    assert kept is not None and kept.text == "theirs"


def test_what_others_paid_counts_towards_no_budget(store: AnswerStore, tmp_path: Path) -> None:
    file, other = tmp_path / "shared.parquet", theirs(tmp_path)
    store.export(file)
    other.add_from(file)
    assert other.spent() == Spent()


@pytest.mark.parametrize(
    ("chosen", "n"),
    [({"prompt": "drawer/1"}, 2), ({"model": "other"}, 1), ({"model": MODEL, "prompt": "x"}, 0)],
)
def test_a_part_is_exported_by_prompt_and_model(
    store: AnswerStore, tmp_path: Path, chosen: dict[str, str], n: int
) -> None:
    file = tmp_path / "shared.parquet"
    assert store.export(file, **chosen) == n
    assert theirs(tmp_path).add_from(file).added == n


def test_the_columns_are_those_that_are_documented_and_no_picture_is_in_them(
    store: AnswerStore, tmp_path: Path
) -> None:
    store.export(tmp_path / "shared.parquet")
    table = parquet.read_table(tmp_path / "shared.parquet")
    assert {field.name: str(field.type) for field in table.schema} == {
        **dict.fromkeys(("key", "model", "prompt", "stage", "outcome", "value"), "string"),
        **dict.fromkeys(("tokens_in", "tokens_out", "crc"), "int64"),
        "cost_usd": "double",
    }
    assert table["cost_usd"].to_pylist() == [0.25, 0.25, None]
    value = json.loads(table["value"][0].as_py())
    assert value["asked"]["turns"] == [["user", [{"sha256": black().digest}, "0"]]]


def test_more_answers_than_are_read_at_once_are_all_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for reader in ("store", "answer_files"):
        monkeypatch.setattr(f"vlfeedback.vlms.ledger.{reader}._AT_ONCE", 2)
    store, asked = AnswerStore(None, model=MODEL), [question(sample=i) for i in range(5)]
    for one in asked:
        store.put(one.key(MODEL), one, answer())
    assert store.export(tmp_path / "shared.parquet") == 5
    other = theirs(tmp_path)
    assert other.add_from(tmp_path / "shared.parquet").added == 5
    assert other.held(one.key(MODEL) for one in asked) == {one.key(MODEL) for one in asked}


# What is wrong with a file ---------------------------------------------------------------------


def changed(store: AnswerStore, file: Path, name: str, value: object) -> None:
    """The file with another value in its second row."""
    store.export(file)
    table = parquet.read_table(file)
    column = table[name].to_pylist()
    column[1] = value
    array = pa.array(column, type=table.schema.field(name).type)
    parquet.write_table(table.set_column(table.schema.names.index(name), name, array), file)


@pytest.mark.parametrize(
    ("name", "value"),
    [("tokens_out", 0), ("key", "0" * 64), ("value", "{}"), ("cost_usd", 0.5), ("model", None)],
)
def test_of_a_file_with_a_changed_answer_nothing_is_added(
    store: AnswerStore, tmp_path: Path, name: str, value: object
) -> None:
    file, other = tmp_path / "shared.parquet", theirs(tmp_path)
    changed(store, file, name, value)
    with pytest.raises(FileFormatError, match=r"shared\.parquet is no readable file of answers"):
        other.add_from(file)
    assert other.totals() == []


def forged(asked_key: str, **value: object) -> AnswerRow:
    """A row whose checksum is right and whose contents are not."""
    row = AnswerRow.of(asked_key, question(), answer(), model=MODEL, server="")
    text = json.dumps({**json.loads(row.value), **value})
    contents = (row.key, row.model, row.prompt, row.stage, row.outcome, 100, 20, 0.25, text)
    return AnswerRow(*contents, crc=_crc(contents))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (forged(question("another").key(MODEL)), "the key of another question"),
        (forged(question().key(MODEL), text=5), "something else than text"),
        (forged(question().key(MODEL), logprobs=[{"Yes": "very"}]), "something else than text"),
        (forged(question().key(MODEL), seconds=-1), "-1 tokens, dollars or seconds"),
    ],
)
def test_an_answer_whose_columns_do_not_agree_is_refused(row: AnswerRow, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        row.check()


def test_a_file_of_a_newer_release_of_something_else_or_none_is_refused(
    store: AnswerStore, tmp_path: Path
) -> None:
    file = tmp_path / "shared.parquet"
    store.export(file)
    header = json.dumps({"format": "vlfeedback-answers", "version": 2})
    table = parquet.read_table(file).replace_schema_metadata({b"vlfeedback": header})
    parquet.write_table(table, file)
    with pytest.raises(FileFormatError, match="has version 2; this release reads up to 1"):
        theirs(tmp_path).add_from(file)
    parquet.write_table(pa.table({"a": [1]}), file)
    with pytest.raises(FileFormatError, match=r"Parquet but no file of answers \(format=None"):
        theirs(tmp_path).add_from(file)
    file.write_bytes(b"PAR1 and no more")
    with pytest.raises(FileFormatError, match="no readable file of answers"):
        theirs(tmp_path).add_from(file)
    with pytest.raises(FileNotFoundError, match="No file of answers"):
        theirs(tmp_path).add_from(tmp_path / "absent.parquet")
