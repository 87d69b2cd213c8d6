"""Outputs that cannot be written: found out first, and said with the file's name."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vlfeedback.data.whole_files import new_file, new_folder
from vlfeedback.data.writable import check_writable
from vlfeedback.errors import WriteError


def test_a_trial_leaves_nothing_behind_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("before", encoding="utf-8")
    check_writable(tmp_path / "a.json")
    check_writable(str(tmp_path / "new" / "deep" / "b.json"))
    check_writable(tmp_path / "new" / "folder", folder=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == "before"


def test_a_folder_where_the_file_is_to_be_and_a_file_where_the_folder_is_are_refused(
    tmp_path: Path,
) -> None:
    with pytest.raises(WriteError, match="there is a folder; choose a place"):
        check_writable(tmp_path)
    (tmp_path / "file").touch()
    for path, folder in ((tmp_path / "file", True), (tmp_path / "file" / "x", False)):
        with pytest.raises(WriteError, match=rf"Could not write {path}: .*choose a place"):
            check_writable(path, folder=folder)


DISK = """
import sys
from pathlib import Path
from vlfeedback.data.whole_files import new_file, write_json
from vlfeedback.data.writable import check_writable
root = Path(sys.argv[1])

def write_as_torch_does():
    with new_file(root / "a.json") as partial:
        try:
            partial.write_bytes(bytes(100_000))
        except OSError:
            raise RuntimeError("PytorchStreamWriter failed writing file data/0") from None

for act in (
    lambda: check_writable(root / "a.json"),
    lambda: write_json(root / "a.json", {"long": "x" * 100_000}),
    write_as_torch_does,
):
    try:
        act()
        print("written")
    except (OSError, RuntimeError) as error:
        print(type(error).__name__, error)
print(sorted(path.name for path in root.iterdir()))
"""


def on_disk(folder: Path, options: str, before: str) -> list[str]:
    """What `DISK` prints on a disk of its own, mounted where only that process sees it."""
    mount = f'mount -t tmpfs -o size=64k tmpfs "{folder}"'
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if shutil.which("unshare") is None or subprocess.run([*namespace, mount]).returncode:
        pytest.skip("this machine lets no process mount a disk of its own")
    script = f'{mount} && cd "{folder}" && {before} && mount -o remount,{options} "{folder}" '
    script += '&& "$1" -c "$2" "$3"'
    done = subprocess.run(
        [*namespace, script, "sh", sys.executable, DISK, str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_a_full_disk_is_noticed_before_the_work_and_named(tmp_path: Path) -> None:
    fill = "head -c 65536 /dev/zero > big"
    for line in (lines := on_disk(tmp_path, "rw", fill))[:3]:
        assert line == (
            f"WriteError Could not write {tmp_path}/a.json: the disk is full; free some space. "
            "Nothing of this file was kept and files finished earlier are whole; run the same "
            "command again to go on."
        )
    assert lines[3] == "['big']"


def test_a_disk_that_fills_up_while_a_file_is_written_leaves_what_was_there(
    tmp_path: Path,
) -> None:
    first, second, third, files = on_disk(tmp_path, "rw", "echo 1 > a.json")
    assert first == "written"
    for line in (second, third):
        assert line.startswith(f"WriteError Could not write {tmp_path}/a.json: the disk is full;")
    assert files == "['a.json']"


def test_a_read_only_disk_is_noticed_before_the_work_and_named(tmp_path: Path) -> None:
    lines = on_disk(tmp_path, "ro", "echo 1 > a.json")
    for line in lines[:3]:
        assert line.startswith(
            f"WriteError Could not write {tmp_path}/a.json: read-only file system; choose a place"
        )
    assert lines[3] == "['a.json']"


def test_a_file_that_may_not_be_read_meanwhile_is_not_called_unwritable(tmp_path: Path) -> None:
    private = str(tmp_path / "private.h5")
    with (
        pytest.raises(PermissionError, match=r"private\.h5") as refused,
        new_file(tmp_path / "copy.h5"),
    ):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), private)
    assert not isinstance(refused.value, WriteError)


def test_a_full_disk_within_a_folder_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match=r"copy: the disk is full"), new_folder(tmp_path / "copy"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert list(tmp_path.iterdir()) == []
