"""A real dataset, as small as one can be, for the commands that read one."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.warm_python import command_line


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """drawer-close, two episodes of three levels and scattered scenes, with small pictures."""
    pytest.importorskip("metaworld")
    out = tmp_path_factory.mktemp("tiny") / "mtvlp"
    settings = ["--tasks", "drawer-close", "--episodes", "2", "--horizon", "90"]
    settings += ["--frame-size", "32", "--workers", "1"]
    command_line("collect", "--out", out, *settings, check=True)
    return out


_KILLED = """
import importlib, os, signal, sys
module, (owner, name) = importlib.import_module(sys.argv[1]), sys.argv[2].split(".")
number = int(sys.argv[3])
call, calls = getattr(getattr(module, owner), name), []

def counted(*args, **kwargs):
    answer = call(*args, **kwargs)
    calls.append(answer)
    if len(calls) == number:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer

setattr(getattr(module, owner), name, counted)
sys.argv = ["vlfeedback", *sys.argv[4:]]
from vlfeedback.cli import main
main()
"""


@pytest.fixture(scope="session")
def kill() -> Callable[[list[str], str, str, int], None]:
    """Runs a command in a process that is killed, as by ``kill -9``, after the n-th call of a
    method: ``kill(arguments, module, "Class.method", n)``.
    """

    def run(arguments: list[str], module: str, method: str, number: int) -> None:
        command = [sys.executable, "-c", _KILLED, module, method, str(number), *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == -signal.SIGKILL, ended.stdout + ended.stderr

    return run
