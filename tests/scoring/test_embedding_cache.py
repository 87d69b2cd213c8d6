"""The file under what happens to files: other processes, sudden stops, damage, other programs."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from vlfeedback.errors import FileFormatError
from vlfeedback.scoring.embedding_cache import EmbeddingCache, open_cache, picture_key


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "embeddings.sqlite"


def row(*numbers: float) -> np.ndarray:
    return np.array(numbers, dtype=np.float32)


# Keys ------------------------------------------------------------------------------------------


def test_a_key_is_the_beginning_of_the_sha_256_of_shape_and_pixels() -> None:
    assert picture_key(np.zeros((2, 1, 3), np.uint8)).hex() == "c1b4cf1179e82b6ffc42f80321a8ed01"


def test_pictures_of_one_content_have_one_key_wherever_they_lie() -> None:
    stack = np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 4, 6, 3)
    spaced = np.zeros((4, 12, 3), np.uint8)
    spaced[:, ::2] = stack[1]
    assert picture_key(spaced[:, ::2]) == picture_key(stack[1]) != picture_key(stack[0])


def test_equal_pixels_in_another_shape_are_another_picture() -> None:
    pixels = np.arange(24, dtype=np.uint8)
    assert picture_key(pixels.reshape(2, 4, 3)) != picture_key(pixels.reshape(4, 2, 3))


# Content ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_memory", [True, False])
def test_what_was_put_is_found_by_encoder_and_picture(path: Path, in_memory: bool) -> None:
    cache = EmbeddingCache(None if in_memory else path)
    tokens = np.arange(6, dtype=np.float32).reshape(2, 3) / 7
    cache.put("clip", {b"a": row(1, 2), b"b": tokens})
    cache.put("r3m", {b"a": row(3)})
    found = cache.get("clip", [b"a", b"b", b"c"])
    assert list(found) == [b"a", b"b"]
    np.testing.assert_array_equal(found[b"a"], [1, 2])
    np.testing.assert_array_equal(found[b"b"], tokens)
    assert found[b"b"].dtype == np.float32
    np.testing.assert_array_equal(cache.get("r3m", [b"a"])[b"a"], [3])
    assert cache.get("vip", [b"a"]) == {}


def test_what_is_there_stays_as_it_is(path: Path) -> None:
    cache = EmbeddingCache(path)
    cache.put("clip", {b"a": row(1)})
    cache.put("clip", {b"a": row(2), b"b": row(3)})
    found = cache.get("clip", [b"a", b"b"])
    assert [float(found[key][0]) for key in (b"a", b"b")] == [1, 3]


def test_a_scalar_an_empty_array_and_numbers_that_are_none_come_back(path: Path) -> None:
    cache = EmbeddingCache(path)
    given = {b"a": np.array(5, np.float32), b"b": row(), b"c": row(np.nan, -np.inf)}
    cache.put("clip", given)
    for key, embedding in cache.get("clip", given).items():
        np.testing.assert_array_equal(embedding, given[key])


def test_the_oldest_are_forgotten_where_room_is_short() -> None:
    cache = EmbeddingCache(max_bytes=400_000)
    keys = [bytes([i]) for i in range(200)]
    for key in keys:  # 4 kB each: about 90 of them fit
        cache.put("clip", {key: np.full(1000, key[0], np.float32)})
    found = cache.get("clip", keys)
    assert 50 < len(found) < 100
    assert list(found) == keys[-len(found) :]
    assert all(embedding[0] == key[0] for key, embedding in found.items())


# Sharing ---------------------------------------------------------------------------------------


def test_one_path_is_opened_once_and_one_memory_is_shared(path: Path) -> None:
    here = open_cache(path)
    assert open_cache(path.parent / "." / path.name) is here
    assert open_cache(path.with_name("other.sqlite")) is not here
    memory = open_cache(None)
    assert open_cache(None) is memory is not here


def test_memory_is_forgotten_with_its_last_holder() -> None:
    open_cache(None).put("a test of forgetting", {b"a": row(1)})
    assert open_cache(None).get("a test of forgetting", [b"a"]) == {}


def test_threads_share_a_cache(path: Path) -> None:
    cache = open_cache(path)
    start = threading.Barrier(4)

    def work(number: int) -> None:
        start.wait(timeout=60)
        for i in range(50):
            cache.put("clip", {b"%d.%d" % (number, i): row(i), b"%d" % i: row(i)})
            assert cache.get("clip", [b"%d" % i])[b"%d" % i] == row(i)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert len(cache.get("clip", [b"%d.%d" % (n, i) for n in range(4) for i in range(50)])) == 200


WRITER = """
import sys
from pathlib import Path
import numpy as np
from vlfeedback.scoring.embedding_cache import EmbeddingCache
path, name, n = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
cache = EmbeddingCache(path)
for i in range(n):
    cache.put("clip", {f"{name} {i}".encode(): np.full(64, i, np.float32)})
    print(i, flush=True)
"""


def writer(path: Path, name: str, n: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), name, str(n)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_several_processes_make_and_write_one_file_at_a_time(path: Path) -> None:
    processes = [writer(path, f"process {i}", 40) for i in range(3)]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in processes:
        process.communicate("go\n", timeout=60)
        assert process.returncode == 0
    keys = [f"process {p} {i}".encode() for p in range(3) for i in range(40)]
    assert list(EmbeddingCache(path).get("clip", keys)) == keys


def test_a_process_killed_while_it_writes_leaves_all_that_it_had_put(path: Path) -> None:
    process = writer(path, "killed", 100_000)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    while process.stdout.readline() != "50\n":
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    said = process.communicate()[0].split()
    done = int(said[-2 if len(said) > 1 else -1]) if said else 50  # the last line may be cut
    found = EmbeddingCache(path).get("clip", [b"killed %d" % i for i in range(done + 1)])
    assert len(found) == done + 1
    np.testing.assert_array_equal(found[b"killed 50"], np.full(64, 50))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_process_opens_the_file_for_itself(path: Path) -> None:
    cache = open_cache(path)
    cache.put("clip", {b"parent": row(1)})
    child = os.fork()
    if child == 0:  # pragma: no cover
        seen = set(cache.get("clip", [b"parent"]))
        cache.put("clip", {b"child": row(2)})
        os._exit(0 if seen == {b"parent"} else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert set(cache.get("clip", [b"parent", b"child"])) == {b"parent", b"child"}


# What is wrong with a file ---------------------------------------------------------------------


def test_a_file_of_something_else_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b"no database, but longer than the header of one" * 10)
    before = path.read_bytes()
    with pytest.raises(FileFormatError, match=r"no readable cache .*not a database.* Delete it"):
        EmbeddingCache(path)
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE recipes (name TEXT)")
    database.close()
    before = path.read_bytes()
    with pytest.raises(FileFormatError, match="of another program; choose another path"):
        EmbeddingCache(path)
    assert path.read_bytes() == before


def test_a_file_of_a_newer_release_is_refused(path: Path) -> None:
    EmbeddingCache(path)
    change(path, "PRAGMA user_version = 3")
    with pytest.raises(FileFormatError, match=r"layout 3; this release reads up to 2\. Update"):
        EmbeddingCache(path)


def test_a_file_of_an_earlier_release_is_refused_with_what_to_do(path: Path) -> None:
    EmbeddingCache(path)
    change(path, "PRAGMA user_version = 1")
    with pytest.raises(FileFormatError, match=r"layout 1, of an earlier release\)\. Delete it"):
        EmbeddingCache(path)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE embeddings ADD COLUMN more TEXT",
        "DROP TABLE embeddings",
        "CREATE TABLE others (name TEXT)",
    ],
)
def test_a_file_with_other_tables_than_its_own_is_refused_when_it_is_opened(
    path: Path, statement: str
) -> None:
    EmbeddingCache(path).put("clip", {b"a": row(1)})
    change(path, statement)
    with pytest.raises(
        FileFormatError, match=r"its tables are others than were made\)\. Delete it"
    ):
        EmbeddingCache(path)


def test_a_truncated_file_is_refused(path: Path) -> None:
    cache = EmbeddingCache(path)
    cache.put("clip", {bytes([i]): np.zeros(1000, np.float32) for i in range(100)})
    change(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    del cache
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(FileFormatError, match=r"all that is lost is the time to encode again"):
        EmbeddingCache(path).get("clip", [bytes([i]) for i in range(100)])


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE embeddings SET numbers = x'0000803f00000041'",
        "UPDATE embeddings SET shape = '3'",
        "UPDATE embeddings SET numbers = x'00'",
    ],
)
def test_an_embedding_that_is_not_as_it_was_written_is_refused(path: Path, damage: str) -> None:
    cache = EmbeddingCache(path)
    cache.put("clip", {b"a": row(1, 2)})
    change(path, damage)
    with pytest.raises(FileFormatError, match=r"embeddings\.sqlite is no .*not as it was written"):
        cache.get("clip", [b"a"])


def test_the_embedding_of_another_picture_is_refused(path: Path) -> None:
    cache = EmbeddingCache(path)
    cache.put("clip", {b"a": row(1, 2)})
    change(path, "UPDATE embeddings SET picture = x'62'")  # as a damaged index would find it
    with pytest.raises(FileFormatError, match="not as it was written"):
        cache.get("clip", [b"b"])


@pytest.mark.parametrize(
    "value", ["shape = 'two'", "shape = x'00'", "numbers = 'text'", "crc = 'a'"]
)
def test_an_embedding_of_another_type_is_refused(path: Path, value: str) -> None:
    cache = EmbeddingCache(path)
    cache.put("clip", {b"a": row(1, 2)})
    change(path, f"UPDATE embeddings SET {value}")
    with pytest.raises(FileFormatError, match=r"embeddings\.sqlite is no readable cache"):
        cache.get("clip", [b"a"])


@pytest.mark.parametrize("table", ["embeddings", "encoders"])
def test_a_view_in_place_of_a_table_is_refused_and_never_asked(path: Path, table: str) -> None:
    EmbeddingCache(path).put("clip", {b"a": row(1)})
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    change(path, f"DROP TABLE {table}")
    change(path, f"CREATE VIEW {table} AS {endless}")
    with pytest.raises(FileFormatError, match="its tables are others than were made"):
        EmbeddingCache(path)


def test_a_trigger_is_refused(path: Path) -> None:
    EmbeddingCache(path).put("clip", {b"a": row(1)})
    change(path, "CREATE TRIGGER t AFTER INSERT ON embeddings BEGIN DELETE FROM embeddings; END")
    with pytest.raises(FileFormatError, match="its tables are others than were made"):
        EmbeddingCache(path)


@pytest.mark.parametrize("sql", ["CAST(sql AS BLOB)", "CAST(x'437265e9' AS TEXT)"])
def test_a_description_of_a_table_that_is_no_text_is_damage(path: Path, sql: str) -> None:
    EmbeddingCache(path).put("clip", {b"a": row(1)})
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA writable_schema = ON")
        database.execute(f"UPDATE sqlite_master SET sql = {sql} WHERE name = 'embeddings'")
    with pytest.raises((FileFormatError, OSError), match="cache of embeddings"):
        EmbeddingCache(path)


def test_a_full_disk_is_said_and_what_was_there_stays(path: Path) -> None:
    cache = EmbeddingCache(path)
    cache.put("clip", {b"a": row(1)})
    cache._file.database.execute("PRAGMA max_page_count = 10")  # what a full disk does to SQLite
    with pytest.raises(OSError, match=r"database or disk is full.*Choose a path on a local disk"):
        cache.put("clip", {bytes([i]): np.zeros(1000, np.float32) for i in range(100)})
    assert set(cache.get("clip", [b"a", bytes([0])])) == {b"a"}


def test_a_folder_or_a_file_in_the_way_is_named(path: Path) -> None:
    with pytest.raises(IsADirectoryError, match=r"is a folder; .*embeddings\.sqlite, say"):
        EmbeddingCache(path.parent)
    path.touch()
    with pytest.raises(OSError, match=r"exists|Not a directory"):
        EmbeddingCache(path / "below.sqlite")


def test_an_empty_file_and_folders_that_are_not_there_are_filled(path: Path) -> None:
    path.touch()
    for place in (path, path.parent / "new" / "folders" / path.name):
        EmbeddingCache(place).put("clip", {b"a": row(1)})
        assert set(EmbeddingCache(place).get("clip", [b"a"])) == {b"a"}


def change(path: Path, statement: str) -> None:
    database = sqlite3.connect(path)
    database.execute(statement)
    database.commit()
    database.close()
