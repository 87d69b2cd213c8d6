"""Who has a folder or a file to itself, and who is refused."""

import subprocess
import sys
from pathlib import Path

import pytest

from vlfeedback.data.locks import locked, locked_file, locked_output
from vlfeedback.errors import BusyError, WriteError


def test_a_second_process_is_refused_a_locked_folder_and_let_in_afterwards(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from vlfeedback.data.locks import locked\n"
        "with locked(Path(sys.argv[1]), what='writes'): pass"
    )
    with locked(tmp_path, what="writes into"):
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True)
    assert b"Another process writes" in done.stderr
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True)
    assert done.returncode == 0, done.stderr


def test_a_lock_whose_folder_was_removed_with_it_keeps_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl
    import shutil

    original = fcntl.flock

    def late(lock: int, operation: int) -> None:
        monkeypatch.undo()
        shutil.rmtree(tmp_path / "work")  # whoever had it is done, just before we get it
        original(lock, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with (
        locked(tmp_path / "work", what="writes into"),
        pytest.raises(BlockingIOError),
        locked(tmp_path / "work", what="writes into"),
    ):
        pass


def test_a_lock_that_somebody_else_made_meanwhile_is_left_to_them(tmp_path: Path) -> None:
    import shutil

    with locked(tmp_path / "work", what="writes into"):
        shutil.rmtree(tmp_path / "work")
        with locked(tmp_path / "work", what="writes into"):
            pass
        later = locked(tmp_path / "work", what="writes into")
        later.__enter__()
    with pytest.raises(BusyError), locked(tmp_path / "work", what="writes into"):
        pass
    later.__exit__(None, None, None)
    assert list((tmp_path / "work").iterdir()) == []


CALL = """
import sys
from pathlib import Path
from vlfeedback.data.locks import locked_file
with locked_file(Path(sys.argv[1]), what="writes"): print("in")
"""


def test_a_file_has_a_lock_beside_it_that_keeps_other_processes_out(tmp_path: Path) -> None:
    path = tmp_path / "instructions.json"
    command = [sys.executable, "-c", CALL, str(path)]
    with locked_file(path, what="writes"):
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
        with locked_file(tmp_path / "others.json", what="writes"):
            pass
    assert refused.stderr.endswith(
        f"BusyError: Another process writes {path}; wait for it, or choose another place.\n"
    )
    assert subprocess.run(command, capture_output=True, text=True, check=False).stdout == "in\n"
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    code = CALL.replace('print("in")', "import os; os.kill(os.getpid(), 9)")
    path = tmp_path / "a.json"
    killed = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert killed.returncode == -9 and (tmp_path / ".a.json.lock").exists()
    with locked_file(path, what="writes"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written_is_refused_before_the_block_begins(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(WriteError, match=r"Could not write .*a\.json: a file is where its folder"),
        locked_output(tmp_path / "file" / "a.json", what="writes"),
    ):
        pytest.fail("the block was entered")


def test_what_a_killed_writer_left_of_an_output_is_deleted_by_the_next(tmp_path: Path) -> None:
    (tmp_path / f"a.json.{2**22 + 1}-ab.partial").touch()
    with locked_output(tmp_path / "a.json", what="writes"):
        assert [path.name for path in tmp_path.iterdir()] == [".a.json.lock"]
