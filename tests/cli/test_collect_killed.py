"""`vlfeedback collect` whose processes are killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vlfeedback.data.collection import Collection
from vlfeedback.errors import IncompleteCollectionWarning

COMMAND = [sys.executable, "-c", "from vlfeedback.cli import main; main()", "collect"]
SMALL = ["--tasks", "reach", "--horizon", "20", "--workers", "1", "--frame-size", "16"]


def worker_of(process: subprocess.Popen[str]) -> int | None:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for child in children:
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):  # it has ended since it was listed
            continue
        if b"spawn_main" in command:
            return int(child)
    return None


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it has not ended yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_no_worker_outlives_a_killed_collection(tmp_path: Path, sent: int, code: int) -> None:
    pytest.importorskip("metaworld")
    arguments = ["--out", str(tmp_path / "out"), *SMALL, "--episodes", "1000"]
    with subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        worker = None
        while process.poll() is None and worker is None:
            time.sleep(0.01)
            worker = worker_of(process)
        assert worker is not None
        while b"libmujoco" not in Path(f"/proc/{worker}/maps").read_bytes():
            time.sleep(0.01)  # it is at work once it has its simulator
        process.send_signal(sent)
        # The pipe closes when the last process that inherited it has ended.
        _, message = process.communicate(timeout=60)
    assert process.returncode == code
    assert not is_running(worker)
    assert "Traceback" not in message


def test_a_killed_worker_is_reported_and_finished_files_are_kept(tmp_path: Path) -> None:
    pytest.importorskip("metaworld")
    out = tmp_path / "out"
    arguments = ["--out", str(out), *SMALL, "--episodes", "40"]
    with subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None and not (out / "reach" / "expert.h5").exists():
            time.sleep(0.01)
        worker = worker_of(process)
        assert worker is not None
        os.kill(worker, signal.SIGKILL)
        _, message = process.communicate()
    assert process.returncode == 1
    assert message.startswith("ChildProcessError: A worker was killed, most likely because memory")
    assert len(message.splitlines()) == 1
    assert [path.name for path in (out / "reach").glob("*.h5")] == ["expert.h5"]
    with pytest.warns(IncompleteCollectionWarning, match="it lacks reach/"):
        collection = Collection.open(out)
    assert len(collection.load("reach")) == 40
