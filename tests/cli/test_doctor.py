import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from vlfeedback.cli import doctor as module
from vlfeedback.cli.doctor import Check
from vlfeedback.models.vlp.weights import bundled_weights


def use(monkeypatch: pytest.MonkeyPatch, working: set[str]) -> None:
    """Pretend that pictures come out under these values of MUJOCO_GL alone."""

    def run(code: str, environment: Mapping[str, str] | None = None) -> tuple[bool, str]:
        backend = (environment or {}).get("MUJOCO_GL", "egl")
        return (True, "(224, 224, 3)") if backend in working else (False, "RenderError: no EGL")

    monkeypatch.setenv("MUJOCO_GL", "egl")
    monkeypatch.setattr(module, "_run", run)


def test_a_picture_that_comes_out_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, {"egl"})
    assert module.check_rendering() == Check(
        "off-screen picture", "ok", "(224, 224, 3) with MUJOCO_GL=egl"
    )


def test_another_backend_that_works_is_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, {"osmesa"})
    found = module.check_rendering()
    assert (found.state, found.fix) == ("broken", "export MUJOCO_GL=osmesa")
    assert found.detail == "RenderError: no EGL"


def test_without_any_backend_the_fix_names_the_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, set())
    assert module.check_rendering().fix.startswith("sudo apt-get install libegl1 libosmesa6")


def test_extras_are_reported_with_versions_and_how_to_install_the_rest() -> None:
    checks = {check.subject: check for check in module.check_extras()}
    assert checks["extra vision"].state == "ok"
    assert "torch 2" in checks["extra vision"].detail
    absent = [f for f in checks.values() if f.state == "absent"]
    assert all(f.fix == f'pip install "vlfeedback[{f.subject[6:]}]"' for f in absent)
    assert not {"extra dev", "extra all"} & checks.keys()


def test_a_process_reports_its_last_line_its_error_or_its_signal() -> None:
    assert module._run("print('a'); print('b')") == (True, "b")
    assert module._run("raise ValueError('no screen')") == (False, "ValueError: no screen")
    assert module._run("import os; os.kill(os.getpid(), 11)") == (False, "killed by signal 11")
    assert module._run("import os; print(os.environ['X'])", {"X": "1"}) == (True, "1")


def test_bundled_weights_that_changed_are_broken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert module.check_weights().state == "ok"
    shutil.copytree(bundled_weights()["mt45"].parent, tmp_path / "weights")
    path = tmp_path / "weights" / "vlp.mt45.safetensors"
    contents = bytearray(path.read_bytes())
    contents[-1] ^= 1
    path.write_bytes(contents)
    monkeypatch.setattr("importlib.resources.files", lambda _: tmp_path)
    found = module.check_weights()
    assert found.state == "broken"
    assert "vlp.mt45.safetensors is damaged: its contents are not those" in found.detail
    assert found.fix == "pip install --force-reinstall vlfeedback"


@pytest.mark.parametrize(("state", "status"), [("ok", 0), ("absent", 0), ("broken", 1)])
def test_the_exit_status_tells_whether_something_is_broken(
    monkeypatch: pytest.MonkeyPatch, state: str, status: int
) -> None:
    for check in ("check_rendering", "check_torch", "check_weights"):
        monkeypatch.setattr(module, check, lambda: Check("it", state, "[x] seen", "fix [it]"))  # type: ignore[arg-type]
    app = typer.Typer()
    app.command()(module.doctor)
    result = CliRunner().invoke(app)
    assert result.exit_code == status
    assert "[x] seen" in result.output
