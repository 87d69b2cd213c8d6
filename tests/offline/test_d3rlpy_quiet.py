import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from d3rlpy.logging import FileAdapterFactory

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.offline import (
    BCConfig,
    CPLConfig,
    IPLConfig,
    IQLConfig,
    PreferenceBuffer,
    SFTConfig,
    TransitionBuffer,
)
from vlfeedback.types import Trajectory

CODE = """
import sys
import vlfeedback.offline
assert "d3rlpy" not in sys.modules and "torch" not in sys.modules
vlfeedback.offline.train_policy
assert "d3rlpy" not in sys.modules and "torch" not in sys.modules
vlfeedback.offline.IQLConfig().create()
"""
STEPS: dict[str, Any] = {"n_steps": 2, "n_steps_per_epoch": 1, "show_progress": False}


@pytest.fixture
def make_fit(make_preferences: Callable[..., PreferenceDataset]) -> Callable[[Any], Any]:
    """A learner of this config, and a buffer for it."""

    def make(config: type) -> Any:
        learner = config(hidden=[4], batch_size=2).create()
        if config in (BCConfig, IQLConfig):
            zeros = Trajectory(np.zeros((4, 3)), np.zeros((3, 2)), truncated=True)
            return learner, TransitionBuffer([zeros], rewards="none")
        return learner, PreferenceBuffer(make_preferences([0.0, 1.0]))

    return make


@pytest.mark.parametrize("config", [BCConfig, CPLConfig, IPLConfig, IQLConfig, SFTConfig])
def test_a_learner_that_is_fitted_prints_nothing_and_writes_nothing(
    config: type,
    make_fit: Callable[[Any], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    learner, buffer = make_fit(config)
    for _ in range(2):  # d3rlpy warns of a second one
        assert [epoch for epoch, _ in learner.fit(buffer, **STEPS)] == [1, 2]
    assert [epoch for epoch, _ in learner.fitter(buffer, **STEPS)] == [1, 2]
    assert tuple(capfd.readouterr()) == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_who_asks_for_a_logger_gets_its_files_and_what_d3rlpy_prints(
    make_fit: Callable[[Any], Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    learner, buffer = make_fit(CPLConfig)
    learner.fit(buffer, **STEPS, logger_adapter=FileAdapterFactory(root_dir=str(tmp_path)))
    assert "bc_loss" in capfd.readouterr().out
    assert list(tmp_path.rglob("bc_loss.csv"))


def test_others_log_while_an_epochs_results_are_looked_at(
    make_fit: Callable[[Any], Any], capfd: pytest.CaptureFixture[str]
) -> None:
    import structlog

    learner, buffer = make_fit(CPLConfig)
    for epoch, _ in learner.fitter(buffer, **STEPS):
        structlog.get_logger().info(f"between {epoch}")
    said = capfd.readouterr().out
    assert "between 1" in said and "between 2" in said and "bc_loss" not in said


@pytest.mark.slow
def test_importing_prints_nothing_and_brings_d3rlpy_only_when_it_is_used(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CODE], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
