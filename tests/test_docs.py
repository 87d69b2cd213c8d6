import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_every_figure_in_the_pages_comes_from_a_committed_result_file() -> None:
    run = subprocess.run(
        [sys.executable, "docs/write_results.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
