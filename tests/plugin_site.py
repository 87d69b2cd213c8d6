"""Python and vlfeedback as they are where a plugin is installed in `site`."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests import warm_python

PLUGIN = Path(__file__).parent / "plugin"
COMMAND = "from vlfeedback.cli import main; main()"


def new_python(*arguments: str, site: Path) -> subprocess.CompletedProcess[str]:
    """Python that starts there, and has imported nothing."""
    run, env = [sys.executable, *arguments], environment(site)
    return subprocess.run(run, env=env, capture_output=True, text=True, check=False)


def python(*arguments: str, site: Path) -> subprocess.CompletedProcess[str]:
    """Python that has imported large libraries, and then looks for plugins."""
    return warm_python.python(*arguments, env=environment(site))


def environment(site: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *filter(None, sys.path)])}


def answer(code: str, *, site: Path, run: Callable[..., Any] = python) -> Any:
    done = run("-c", code, site=site)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def command(*arguments: str | Path, site: Path) -> str:
    """What a command of vlfeedback prints."""
    done = python("-c", COMMAND, *map(str, arguments), site=site)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
