import math
import subprocess
import sys
from pathlib import Path

import pytest

from vlfeedback.errors import MissingExtraError
from vlfeedback.optional import import_d3rlpy, require


def test_an_installed_module_is_returned() -> None:
    assert require("math", extra="vision", needed_by="a test") is math


def test_a_missing_module_names_who_asked_what_is_missing_and_the_extra() -> None:
    with pytest.raises(MissingExtraError) as caught:
        require("nonexistent_module", extra="vision", needed_by="'clip'")
    assert str(caught.value) == (
        "'clip' needs nonexistent_module, which could not be imported (No module named "
        "'nonexistent_module'). Install it with: pip install \"vlfeedback[vision]\""
    )


def test_the_module_that_a_module_lacks_stays_in_the_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_installed.py").write_text("import nonexistent_part\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtraError, match=r"half_installed.*nonexistent_part") as caught:
        require("half_installed", extra="vision", needed_by="'clip'")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    assert caught.value.__cause__.name == "nonexistent_part"


def test_a_module_that_breaks_for_another_reason_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_inside.py").write_text("1 / 0\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ZeroDivisionError):
        require("broken_inside", extra="vision", needed_by="'clip'")


ADAPTER = """
from vlfeedback.adapters.d3rlpy import to_replay_buffer
to_replay_buffer([Trajectory(np.zeros((4, 3)), np.zeros((3, 2)))], rewards="none")
"""
LEARNER = """
from vlfeedback.offline.iql import IQLConfig
IQLConfig().create()
"""


@pytest.mark.slow
@pytest.mark.parametrize("code", [ADAPTER + LEARNER, LEARNER + ADAPTER])
def test_d3rlpy_prints_nothing_whatever_imports_it_first(code: str, tmp_path: Path) -> None:
    pytest.importorskip("d3rlpy")
    begin = "import numpy as np; from vlfeedback.types import Trajectory"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", begin + code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_d3rlpy_that_is_not_installed_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "d3rlpy", None)
    with pytest.raises(MissingExtraError, match=r"a buffer needs d3rlpy.*vlfeedback\[offline\]"):
        import_d3rlpy(needed_by="a buffer")
