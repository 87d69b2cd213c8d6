"""A real dataset, as small as one can be, for the commands that read one."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """drawer-close, two episodes of three levels and scattered scenes, with small pictures."""
    pytest.importorskip("metaworld")
    out = tmp_path_factory.mktemp("tiny") / "mtvlp"
    command = [sys.executable, "-c", "from vlfeedback.cli import main; main()", "collect"]
    settings = ["--tasks", "drawer-close", "--episodes", "2", "--horizon", "90"]
    settings += ["--frame-size", "32", "--workers", "1"]
    subprocess.run([*command, "--out", str(out), *settings], check=True, capture_output=True)
    return out
