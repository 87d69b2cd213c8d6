"""Python and vlfeedback as they are where a plugin is installed in `site`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PLUGIN = Path(__file__).parent / "plugin"
COMMAND = "from vlfeedback.cli import main; main()"


def python(*arguments: str, site: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(site), *filter(None, sys.path)])
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def answer(code: str, *, site: Path) -> Any:
    done = python("-c", code, site=site)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def command(*arguments: str | Path, site: Path) -> str:
    """What a command of vlfeedback prints."""
    done = python("-c", COMMAND, *map(str, arguments), site=site)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
