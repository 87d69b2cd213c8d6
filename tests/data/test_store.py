import subprocess
import sys
from pathlib import Path

import pytest

from vlfeedback.data.store import ResumableFolder, check_same_settings, locked
from vlfeedback.errors import FileFormatError


def begin(root: Path, **settings: object) -> ResumableFolder:
    return ResumableFolder.begin(root, settings, manifest="rewards.json", holds="rewards")


def test_a_folder_goes_on_with_the_settings_it_was_begun_with(tmp_path: Path) -> None:
    begin(tmp_path / "new", seed=1, levels=("a", "b")).write("0.bin", b"part")
    again = begin(tmp_path / "new", seed=1, levels=["a", "b"])
    assert again.has("0.bin") and not again.has("1.bin")
    assert again.settings == {"seed": 1, "levels": ["a", "b"]}


def test_other_settings_are_refused_and_every_difference_is_named(tmp_path: Path) -> None:
    begin(tmp_path, seed=1, source={"id": "vlp", "config": {"weights": "mt45"}})
    with pytest.raises(
        FileFormatError,
        match=r"seed was 1 and is 2, source config weights was 'mt45' and is 'mt50'\. Use the same",
    ):
        begin(tmp_path, seed=2, source={"id": "vlp", "config": {"weights": "mt50"}})


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(FileFormatError, match="is not empty and holds no rewards"):
        begin(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_what_a_killed_process_left_does_not_keep_a_folder_from_being_begun(tmp_path: Path) -> None:
    (tmp_path / "rewards.json.17-ab.partial").touch()
    assert begin(tmp_path, seed=1).settings == {"seed": 1}


def test_a_damaged_manifest_is_refused_with_what_to_do(tmp_path: Path) -> None:
    begin(tmp_path)
    (tmp_path / "rewards.json").write_text("{", encoding="utf-8")
    with pytest.raises(FileFormatError, match=r"Delete .* and start again"):
        begin(tmp_path)


def test_equal_settings_pass_whatever_their_sequences_are_called() -> None:
    check_same_settings({"a": (1, 2)}, {"a": [1, 2]}, where="it", advice="")


def test_a_second_process_is_refused_a_locked_folder_and_let_in_afterwards(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from vlfeedback.data.store import locked\n"
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
