"""Python programs in processes that begin with the large libraries imported, which takes seconds.

A process of its own imports them once and forks for each program. It has no threads, no simulator
and nothing of vlfeedback: a program imports that, and finds its plugins, as in any new process.
What Python reads as it starts, such as ``PYTHONHASHSEED``, is the first process's, and so is the
order of a set: where the start, a kill or the order is what a test is about, it starts its own.
"""

import atexit
import contextlib
import functools
import gc
import importlib
import io
import json
import os
import runpy
import subprocess
import sys
import tempfile
import types
from collections.abc import Mapping
from pathlib import Path
from typing import IO

# Neither mujoco, which opens a display, nor pyarrow, which starts a thread. torch imports _dynamo
# when the first optimiser is made.
LARGE = (
    *("torch", "torch._dynamo", "torchvision", "sklearn.cluster", "matplotlib.pyplot"),
    *("gymnasium", "h5py", "stable_baselines3", "d3rlpy", "transformers", "open_clip", "openai"),
)


def python(
    *arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """What ``subprocess.run`` gives for Python with ``-c code`` or a script, and what follows.

    pytest runs in a process of its own, for it wants to be there before its plugins.
    """
    process, words = _first_process(), [str(argument) for argument in arguments]
    assert process.stdin is not None and process.stdout is not None
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        job = {
            "arguments": words,
            "cwd": str(cwd or Path.cwd()),
            "env": dict(os.environ if env is None else env),
            "outputs": [f"/proc/{os.getpid()}/fd/{file.fileno()}" for file in (out, errors)],
        }
        print(json.dumps(job), file=process.stdin, flush=True)
        code = int(process.stdout.readline())
        return subprocess.CompletedProcess(words, code, _read(out), _read(errors))


def command_line(
    *arguments: str | Path, cwd: Path | None = None, check: bool = False
) -> subprocess.CompletedProcess[str]:
    """What the command ``vlfeedback`` gives."""
    done = python("-c", "from vlfeedback.cli import main; main()", *arguments, cwd=cwd)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def _read(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


@functools.cache
def _first_process() -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(process.communicate)  # it ends where its input does
    return process


def _serve() -> None:
    """Forks for every line that is read; a program's end is the end of its process."""
    with contextlib.redirect_stderr(io.StringIO()):  # where the old gym says that it is old
        for name in LARGE:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    gc.freeze()  # else the first collection in each child would copy all of it
    for line in sys.stdin:
        child = os.fork()
        if not child:
            return _run(**json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _run(arguments: list[str], cwd: str, env: dict[str, str], outputs: list[str]) -> None:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for number, path in enumerate((os.devnull, *outputs)):
        os.dup2(os.open(path, os.O_RDWR), number)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # else all programs would draw the same
    added = env.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = ["", *filter(None, added)]
    importlib.invalidate_caches()
    match arguments:
        case ["-c", code, *rest]:
            sys.argv = ["-c", *rest]
            main = sys.modules["__main__"] = types.ModuleType("__main__")
            exec(compile(code, "<string>", "exec"), main.__dict__)
        case [script, *rest]:
            sys.path[0] = str(Path(script).parent)
            sys.argv = [script, *rest]
            runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    _serve()
