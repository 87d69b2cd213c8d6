"""The store under what happens to it: other processes, sudden stops, damage, other releases."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from tests.vlms.questions_by_hand import MODEL, answer, black, question

from vlfeedback.errors import FileFormatError, InvalidValueError
from vlfeedback.types import Outcome
from vlfeedback.vlms.ledger.answer_rows import AnswerRow
from vlfeedback.vlms.ledger.store import AnswerStore, open_store, store_path
from vlfeedback.vlms.ledger.store_totals import Spent, Total
from vlfeedback.vlms.settings import VLMSettings

KEY = question().key(MODEL)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers.sqlite"


def store_at(path: Path) -> AnswerStore:
    return AnswerStore(path, model=MODEL, server="http://localhost:8000/v1")


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(statement)


# Content ---------------------------------------------------------------------------------------


def test_an_answer_comes_back_as_it_was_and_costs_nothing_more(path: Path) -> None:
    scores = ({"Yes": -0.1, "No": -2.5}, {".": -0.0})
    given = answer(logprobs=scores, finish="stop", model="some-model-2026", problem="")
    store_at(path).put(KEY, question(), given)
    found = store_at(path).get(KEY)
    assert found == answer(
        logprobs=scores, model="some-model-2026", cost_usd=0.0, seconds=0.0, stored=True
    )


def test_a_whole_number_of_dollars_is_one_too(path: Path) -> None:
    free = answer()
    object.__setattr__(free, "cost_usd", 0)
    store_at(path).put(KEY, question(), free)
    assert store_at(path).get(KEY) is not None


def test_what_was_not_asked_is_not_there(path: Path) -> None:
    store = store_at(path)
    store.put(KEY, question(), answer())
    for other in (
        question("Is the drawer closed?").key(MODEL),
        question(sample=1).key(MODEL),
        question(temperature=1.0).key(MODEL),
        question(prompt="drawer/2").key(MODEL),
        question().key("another-model"),
    ):
        assert store.get(other) is None


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.UNPARSABLE])
def test_an_answer_that_is_none_is_kept_so_that_it_is_not_paid_for_again(
    path: Path, outcome: Outcome
) -> None:
    store = store_at(path)
    store.put(KEY, question(), answer("", outcome=outcome, problem="filtered", finish="length"))
    found = store.get(KEY)
    assert found is not None
    assert (found.outcome, found.problem, found.finish) == (outcome, "filtered", "length")


def test_what_failed_is_never_served_and_what_it_cost_is_noted(path: Path) -> None:
    store = store_at(path)
    failed = answer("", outcome=Outcome.FAILED, problem="no answer in 120 s")
    store.put(KEY, question(), failed)
    store.book(failed)
    assert store.get(KEY) is None
    assert store.spent() == Spent(0.25, 120, requests=1, failed=1, last=1)


def test_what_is_there_stays_as_it_is(path: Path) -> None:
    store = store_at(path)
    for text in ("first", "second"):
        store.put(KEY, question(), answer(text))
    found = store.get(KEY)
    assert found is not None and found.text == "first"


def test_words_digests_and_circumstances_are_kept_and_pictures_are_not(path: Path) -> None:
    short = question(max_tokens=5)
    store_at(path).put(short.key(MODEL), short, answer(model="some-model-2026"))
    with closing(sqlite3.connect(path)) as database:
        (text,) = database.execute("SELECT value FROM answers").fetchone()
    value = json.loads(text)
    assert value["asked"]["turns"] == [
        ["user", [{"sha256": black().digest}, "Is the drawer open?"]]
    ]
    assert (value["asked"]["prompt"], value["asked"]["max_tokens"]) == ("drawer/1", 5)
    assert (value["text"], value["reported_model"]) == ("Yes.", "some-model-2026")
    assert (value["server"], value["seconds"]) == ("http://localhost:8000/v1", 1.5)
    assert value["time"].endswith("+00:00")


def test_totals_are_by_model_prompt_and_outcome(path: Path) -> None:
    store = store_at(path)
    for text in ("a", "b"):
        store.put(question(text).key(MODEL), question(text), answer())
    refused = answer(outcome=Outcome.REFUSED, price_known=False, cost_usd=0.0)
    store.put(question("c").key(MODEL), question("c"), refused)
    assert store.totals() == [
        Total(MODEL, "drawer/1", "answered", 2, 200, 40, 0.5, unpriced=0),
        Total(MODEL, "drawer/1", "refused", 1, 100, 20, 0.0, unpriced=1),
    ]


def test_spending_is_told_since_any_request(path: Path) -> None:
    store = store_at(path)
    for cost in (0.25, 0.5):
        store.book(answer(cost_usd=cost))
    store.book(answer(price_known=False, cost_usd=0.0))
    assert store.spent() == Spent(0.75, 360, requests=3, unpriced=1, last=3)
    assert store.spent(after=1) == Spent(0.5, 240, requests=2, unpriced=1, last=3)
    assert store.spent(after=3) == Spent(last=3)


# Place -----------------------------------------------------------------------------------------


def test_answers_are_in_the_cache_folder_where_no_place_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLFEEDBACK_CACHE", str(tmp_path / "mine"))
    assert store_path("") == tmp_path / "mine" / "answers.sqlite"
    store = open_store(VLMSettings(model=MODEL))
    assert store is not None and store.server == "https://api.openai.com/v1"
    store.put(KEY, question(), answer())
    assert (tmp_path / "mine" / "answers.sqlite").is_file()


def test_none_keeps_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_store(VLMSettings(model=MODEL, store="none")) is None
    assert list(tmp_path.iterdir()) == []


def test_no_credentials_are_written_down(path: Path) -> None:
    address = "https://me:secret@models.example/v1?key=secret"
    store = open_store(VLMSettings(model=MODEL, base_url=address, store=str(path)))
    assert store is not None
    store.put(KEY, question(), answer())
    store.book(answer())
    written = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert b"models.example/v1" in written
    assert b"secret" not in written


# Sharing ---------------------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from tests.vlms.questions_by_hand import MODEL, answer, question
from vlfeedback.vlms.ledger.store import AnswerStore
path, name, n = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
store = AnswerStore(path, model=MODEL)
for i in range(n):
    for text in (f"{name} {i}", f"of all {i}"):
        store.book(answer())
        store.put(question(text).key(MODEL), question(text), answer(f"{text}."))
    print(i, flush=True)
"""


def writer(path: Path, name: str, n: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), name, str(n)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def texts_of(path: Path, texts: list[str]) -> list[str]:
    store = store_at(path)
    found = [store.get(question(text).key(MODEL)) for text in texts]
    return [one.text for one in found if one is not None]


def test_several_processes_make_and_fill_one_store_at_a_time(path: Path) -> None:
    processes = [writer(path, f"process {i}", 10) for i in range(3)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    asked = [f"process {p} {i}" for p in range(3) for i in range(10)]
    asked += [f"of all {i}" for i in range(10)]
    assert texts_of(path, asked) == [f"{text}." for text in asked]
    assert store_at(path).check() == 40
    assert store_at(path).spent() == Spent(60 * 0.25, 60 * 120, requests=60, last=60)


def test_a_process_killed_in_the_middle_has_lost_nothing_and_the_next_one_goes_on(
    path: Path,
) -> None:
    process = writer(path, "killed", 100_000)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    while process.stdout.readline() != "20\n":
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    said = process.communicate()[0].split()
    done = int(said[-2 if len(said) > 1 else -1]) if said else 20  # the last line may be cut
    asked = [f"killed {i}" for i in range(done + 1)]
    assert texts_of(path, asked) == [f"{text}." for text in asked]
    n_answers, n_booked = store_at(path).check(), store_at(path).spent().requests
    assert n_booked - n_answers in (0, 1)  # booked, and killed before it was kept
    next_one = writer(path, "next", 3)
    next_one.communicate("go\n", timeout=60)
    assert next_one.returncode == 0
    assert texts_of(path, ["next 0", "next 2"]) == ["next 0.", "next 2."]


def test_threads_share_a_store(path: Path) -> None:
    store = store_at(path)

    def work(number: int) -> None:
        for i in range(10):
            text = f"{number} {i}"
            store.put(question(text).key(MODEL), question(text), answer(text))
            found = store.get(question(text).key(MODEL))
            assert found is not None and found.text == text

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert store.check() == 40


# What is wrong with a file ---------------------------------------------------------------------


def test_a_corrupt_file_is_refused_with_where_it_is_and_what_to_do_and_stays(path: Path) -> None:
    path.write_bytes(b"no database, but longer than the header of one" * 10)
    before = path.read_bytes()
    with pytest.raises(FileFormatError) as refused:
        store_at(path)
    assert str(refused.value) == (
        f"{path} is no readable store of answers (file is not a database). Nothing was deleted. "
        "Move it away, and the files -wal and -shm beside it, or name another file; "
        "`sqlite3 FILE .recover` reads what is left of it."
    )
    assert path.read_bytes() == before


def test_a_truncated_file_is_refused(path: Path) -> None:
    store = store_at(path)
    for i in range(40):
        store.put(question(str(i)).key(MODEL), question(str(i)), answer("long " * 200))
    change(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    del store
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(FileFormatError, match=r"no readable store .*Nothing was deleted"):
        store_at(path).check()


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (0, r"has layout 0, of an earlier release; this one reads layout 1\. Nothing was changed"),
        (2, r"has layout 2; this release reads up to 1\. Update vlfeedback"),
    ],
)
def test_a_store_of_another_version_is_refused_and_left_alone(
    path: Path, version: int, message: str
) -> None:
    store_at(path).put(KEY, question(), answer())
    change(path, f"PRAGMA user_version = {version}")
    with pytest.raises(FileFormatError, match=message):
        store_at(path)
    change(path, "PRAGMA user_version = 1")
    assert store_at(path).get(KEY) is not None


def test_a_database_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    change(path, "CREATE TABLE recipes (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(FileFormatError, match="another program; choose another path for the store"):
        store_at(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "damage",
    [
        "value = replace(value, 'Yes.', 'No. ')",
        "value = '{}'",
        "value = x'00'",
        "outcome = 'refused'",
        "tokens_out = 21",
        "key = 'another'",
    ],
)
def test_an_answer_that_is_not_as_it_was_written_is_not_served(path: Path, damage: str) -> None:
    store_at(path).put(KEY, question(), answer())
    change(path, f"UPDATE answers SET {damage}")
    key = "another" if damage.startswith("key") else KEY
    with pytest.raises(FileFormatError, match=r"answers\.sqlite is no readable store of answers"):
        store_at(path).get(key)
    with pytest.raises(FileFormatError, match=r"answers\.sqlite is no readable store of answers"):
        store_at(path).check()


@pytest.mark.parametrize("key", [question("another").key(MODEL), question().key("another-model")])
def test_an_answer_is_not_kept_under_the_key_of_another_question_or_model(
    path: Path, key: str
) -> None:
    with pytest.raises(InvalidValueError, match=r"is not the key of this question to 'some-model'"):
        store_at(path).put(key, question(), answer())


def test_an_answer_under_the_key_of_another_question_is_found_by_the_check(path: Path) -> None:
    store = store_at(path)
    row = AnswerRow.of("0" * 64, question(), answer(), model=MODEL, server="")
    store._insert([row])
    with pytest.raises(FileFormatError, match="the key of another question"):
        store_at(path).check()


def test_a_full_disk_is_said_and_what_was_there_stays(path: Path) -> None:
    store = store_at(path)
    store.put(KEY, question(), answer())
    store._file.database.execute("PRAGMA max_page_count = 10")  # what a full disk does to SQLite
    other = question("another")
    with pytest.raises(OSError, match=r"store of answers .*database or disk is full"):
        store.put(other.key(MODEL), other, answer("long " * 20_000))
    assert store.get(other.key(MODEL)) is None
    assert store.get(KEY) is not None


def test_a_folder_in_its_place_is_named(path: Path) -> None:
    with pytest.raises(IsADirectoryError, match=r"the store is a file: name it .*answers\.sqlite"):
        AnswerStore(path.parent)
