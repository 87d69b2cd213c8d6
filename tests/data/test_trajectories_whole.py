"""A file of trajectories is there whole or not at all, and what it takes while it is written."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.data.episodes_by_hand import episode

from vlfeedback.data.trajectories import (
    read_trajectories,
    write_trajectories,
)

WRITE = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.types import ArrayFrames, Trajectory

folder, limit, kill = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "kill"
def write(name, n):
    pictures = np.random.default_rng(0).integers(0, 256, (n, 64, 64, 3), dtype=np.uint8)
    frames = ArrayFrames(np.arange(n), pictures)
    actions = np.zeros((n, 1), np.float32)
    write_trajectories(
        folder / name, [Trajectory(np.zeros((n + 1, 1), np.float32), actions, frames=frames)]
    )
write("first.h5", 10)
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
if kill:  # the kernel kills a process at the very byte where its file grows beyond the limit
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
for name in ("first.h5", "second.h5"):
    try:
        write(name, 200)
    except OSError as error:
        print("OSError:", error)
"""
READ = """
import sys
from pathlib import Path
from vlfeedback.data.trajectories import read_trajectories
(trajectory,) = read_trajectories(Path(sys.argv[1]))
print(len(trajectory.frames.read(trajectory.frames.times)), "pictures")
"""


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def n_pictures(path: Path) -> int:
    (trajectory,) = read_trajectories(path)
    assert trajectory.frames is not None
    return len(trajectory.frames.read(trajectory.frames.times))


def test_a_process_killed_while_writing_leaves_no_half_file(tmp_path: Path) -> None:
    done = run([sys.executable, "-c", WRITE, str(tmp_path), "1000000", "kill"])
    assert done.returncode == -signal.SIGXFSZ, done.stderr
    (partial,) = tmp_path.glob("*.partial")
    assert partial.stat().st_size == 1_000_000
    assert n_pictures(tmp_path / "first.h5") == 10  # what was there before
    again = run([sys.executable, "-c", WRITE, str(tmp_path), "0", "run"])
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert n_pictures(tmp_path / "first.h5") == n_pictures(tmp_path / "second.h5") == 200


def test_a_write_that_fails_half_way_says_so_and_loses_nothing(tmp_path: Path) -> None:
    done = run([sys.executable, "-c", WRITE, str(tmp_path), "1000000", "run"])
    assert (done.returncode, done.stderr) == (0, "")
    for line, name in zip(done.stdout.splitlines(), ("first.h5", "second.h5"), strict=True):
        assert line.startswith(f"OSError: Could not write {tmp_path / name}: [Errno 27]")
    assert [path.name for path in tmp_path.iterdir()] == ["first.h5"]
    assert n_pictures(tmp_path / "first.h5") == 10


def test_a_full_disk_says_so_and_loses_nothing(tmp_path: Path) -> None:
    """A disk of one megabyte, mounted where only the child process sees it."""
    mount = f'mount -t tmpfs -o size=1m tmpfs "{tmp_path}"'
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if shutil.which("unshare") is None or run([*namespace, mount]).returncode:
        pytest.skip("this machine lets no process mount a disk of its own")
    script = f'{mount} && "$1" -c "$2" "{tmp_path}" 0 run; ls "{tmp_path}"; '
    script += f'"$1" -c "$3" "{tmp_path}/first.h5"'
    done = run([*namespace, script, "sh", sys.executable, WRITE, READ])
    assert (done.returncode, done.stderr) == (0, "")
    *errors, listed, pictures = done.stdout.splitlines()
    for line, name in zip(errors, ("first.h5", "second.h5"), strict=True):
        assert line == (
            f"OSError: Could not write {tmp_path / name}: the disk is full; free some space. "
            "Nothing of this file was kept and files finished earlier are whole; run the same "
            "command again to go on."
        )
    assert (listed, pictures) == ("first.h5", "10 pictures")


def test_pictures_that_are_gone_leave_nothing_behind(tmp_path: Path) -> None:
    write_trajectories(tmp_path / "a.h5", [episode()])
    (gone,) = read_trajectories(tmp_path / "a.h5")
    (tmp_path / "a.h5").unlink()
    with pytest.raises(FileNotFoundError, match="No trajectory file"):
        write_trajectories(tmp_path / "b.h5", [gone])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_oserror(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Could not write"):
        write_trajectories(tmp_path / "file" / "a.h5", [episode()])
