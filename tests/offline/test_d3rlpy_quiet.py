import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import sys
import vlfeedback.offline
assert "d3rlpy" not in sys.modules and "torch" not in sys.modules
vlfeedback.offline.train_policy
assert "d3rlpy" not in sys.modules and "torch" not in sys.modules
vlfeedback.offline.IQLConfig().create()
"""


@pytest.mark.slow
def test_importing_prints_nothing_and_brings_d3rlpy_only_when_it_is_used(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CODE], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
