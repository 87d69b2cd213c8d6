from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from vlfeedback.data.sqlite_files import Layout, SQLiteFile

LAYOUT = Layout(
    what="shelf of notes",
    name="notes.sqlite",
    application=0x6E6F7465,
    version=1,
    tables="CREATE TABLE notes (text TEXT)",
    if_damaged="Delete it.",
)


def test_many_that_open_a_new_file_at_one_moment_all_get_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        for i in range(40):
            path = tmp_path / f"{i}.sqlite"
            files = list(pool.map(lambda _, path=path: SQLiteFile(path, LAYOUT), range(4)))
            for file in files:
                with file.transaction("BEGIN IMMEDIATE") as database:
                    database.execute("INSERT INTO notes VALUES ('here')")
            with files[0].transaction("BEGIN") as database:
                assert database.execute("SELECT count(*) FROM notes").fetchone() == (4,)
