"""Two collections at once, a place that takes nothing, and workers that die."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.warm_python import command_line, python

from vlfeedback.collecting import collect
from vlfeedback.data.collection import Collection
from vlfeedback.data.locks import locked_file
from vlfeedback.errors import BusyError, WriteError
from vlfeedback.tasks import TaskSpec, own_task

SMALL = {"episodes": 2, "frame_stride": 2}


def test_a_second_process_is_refused_the_tasks_of_the_first_and_may_collect_others(
    walk: TaskSpec, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    other = own_task("walk_world:Walk-v0", "walk", success_key="there", name="stroll")
    n_refused = 0

    def meanwhile(*_: object) -> None:
        nonlocal n_refused
        with pytest.raises(BusyError, match=r"Another process collects episodes into .*out/walk"):
            collect(out, [other, walk], settings=SMALL, workers=0)
        n_refused += 1
        assert collect(str(out), [other], settings=SMALL, workers=0) == 2 * (n_refused == 1)

    assert collect(out, [walk], settings=SMALL, workers=0, report=meanwhile) == 2
    assert n_refused == 1
    assert Collection.open(out).tasks() == ["stroll", "walk"]
    assert not list(out.glob(".*"))


def test_the_command_is_refused_in_a_sentence(tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["--tasks", "cart-pole-balance", "--episodes", "1", "--out", str(out)]
    with locked_file(out / "cart-pole-balance", what="collects episodes into"):
        done = command_line("collect", *arguments)
    assert done.returncode == 1
    assert done.stderr.endswith(
        f"BusyError: Another process collects episodes into {out}/cart-pole-balance; wait for it, "
        "or choose another place.\n"
    )
    assert not list(out.rglob("*.h5"))


def test_a_place_that_cannot_be_written_is_found_out_before_anything_is_acted(
    walk: TaskSpec, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(WriteError, match=f"Could not write {out}: a file is"):
            collect(out, [walk], settings=SMALL, workers=0, policies={"expert": pytest.fail})


BROKEN = """
import os, sys
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from vlfeedback.collecting.worker_pool import worker_pool

def job(number):
    if number == 3:
        os.kill(os.getpid(), 9)

if __name__ == "__main__":
    sys.setswitchinterval(1e-6)  # as on a busy machine: threads take turns at any moment
    try:
        with worker_pool(1) as pool:
            for future in as_completed([pool.submit(job, number) for number in range(3000)]):
                future.result()
    except BrokenProcessPool:
        print("said in a sentence")
"""


def test_a_worker_that_dies_with_much_to_do_ends_in_no_trace(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    for _ in range(3):
        done = python(tmp_path / "broken.py")
        assert (done.returncode, done.stdout, done.stderr) == (0, "said in a sentence\n", "")
