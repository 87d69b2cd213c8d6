"""Long trainings, each typed in two shells at once: done once, and as by one alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.behaviour.test_chain import check_done_once
from tests.behaviour.test_killed_at_random import (
    COLLECT,
    FIT,
    SWEEP,
    SWEEP_FILE,
    finish,
    untimed,
)

from vlfeedback.models.vlp.weights import load_vlp

pytestmark = pytest.mark.slow


def test_a_preference_model_is_trained_by_one_of_two(tmp_path: Path) -> None:
    pytest.importorskip("metaworld")
    finish(tmp_path, COLLECT)
    check_done_once(tmp_path, FIT)
    by_two = load_vlp(str(tmp_path / "vlp.safetensors"))[0].state_dict()
    (tmp_path / "vlp.safetensors").unlink()
    finish(tmp_path, FIT)
    by_one = load_vlp(str(tmp_path / "vlp.safetensors"))[0].state_dict()
    assert by_one.keys() == by_two.keys()
    for name, tensor in by_one.items():
        assert torch.equal(tensor, by_two[name]), name


def test_a_sweep_is_run_by_one_of_two(tmp_path: Path) -> None:
    def rows(folder: Path) -> dict[str, Any]:
        files = sorted((folder / "sweep" / "runs").glob("*.json"))
        return {path.name: untimed(json.loads(path.read_text())) for path in files}

    twice, once = tmp_path / "twice", tmp_path / "once"
    for folder in (twice, once):
        folder.mkdir()
        (folder / "sweep.toml").write_text(SWEEP_FILE, encoding="utf-8")
        finish(folder, "collect --tasks cart-pole-balance --episodes 4 --workers 1 --out cartpole")
    check_done_once(twice, SWEEP)
    finish(once, SWEEP)
    assert len(rows(once)) == 4
    assert rows(twice) == rows(once)
