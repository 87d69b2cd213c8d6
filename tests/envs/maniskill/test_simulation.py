"""What a user is told who has no ManiSkill, no driver, no GPU, or has misspelt something."""

import os
import subprocess
import sys
from typing import Any

import gymnasium as gym
import pytest

from vlfeedback.errors import (
    InvalidValueError,
    MissingExtraError,
    NeedsError,
    RenderError,
    UnknownNameError,
)
from vlfeedback.tasks import get_task
from vlfeedback_envs.maniskill.data import roll_out
from vlfeedback_envs.maniskill.environment import ManiSkillView
from vlfeedback_envs.maniskill.simulation import make_worlds

PICTURE = """
from vlfeedback_envs.maniskill.environment import ManiSkillView
ManiSkillView("pick-cube", render_mode="rgb_array", render_backend="cpu")
"""


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"obs_mode": "rgb"}, UnknownNameError, "obs_mode='rgb'; expected one of state, image"),
        ({"control_mode": "pd"}, UnknownNameError, "control_mode='pd'; expected one of pd_ee_del"),
        ({"render_backend": "x"}, UnknownNameError, "render_backend='x'; expected one of auto"),
        ({"render_mode": "human"}, RenderError, "render_mode='human'; this view renders 'rgb_arr"),
        ({"size": 0}, InvalidValueError, "size=0; expected at least one pixel"),
        (
            {"render_mode": "rgb_array", "render_backend": "none"},
            RenderError,
            "render_backend='none' renders nothing.*Take 'auto', or render_mode=None",
        ),
        (
            {"obs_mode": "image", "render_backend": "none"},
            RenderError,
            "pictures of 'pick-cube' are asked for",
        ),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ManiSkillView("pick-cube", **options)


def test_without_maniskill_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mani_skill", None)  # as if it were not installed
    named = r"Task 'pick-cube' needs mani_skill.*pip install \"vlfeedback\[maniskill\]\""
    for make in (lambda: ManiSkillView("pick-cube"), lambda: make_worlds("pick-cube", 1)):
        with pytest.raises(MissingExtraError, match=named):
            make()
    with pytest.raises(MissingExtraError, match=named):
        gym.make("vlfeedback/ms-pick-cube-v0")


def test_a_gpu_that_is_not_there_is_not_replaced_in_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RenderError, match="render_backend='gpu', and torch finds no CUDA device"):
        ManiSkillView("pick-cube", render_mode="rgb_array", render_backend="gpu")


def test_worlds_are_refused_where_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mani_skill")
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InvalidValueError, match="num_envs=0; expected at least one world"):
        make_worlds("pick-cube", 0)
    with pytest.raises(NeedsError, match=r"num_envs=8 worlds.*vectorization_mode='async'"):
        make_worlds("pick-cube", 8)


@pytest.mark.parametrize(
    ("level", "changed"),
    [
        ("idle", {}),
        ("random", {"random_actions": "u02"}),
        ("medium", {"medium": "near-object"}),
        ("expert", {"ends": "never"}),
    ],
)
def test_what_no_script_knows_is_refused_before_anything_is_simulated(
    level: str, changed: dict[str, str]
) -> None:
    settings = {"random_actions": "box", "medium": "half-way", "ends": "rest", **changed}
    with pytest.raises(UnknownNameError, match="here; choose one of"):
        next(roll_out(get_task("pick-cube"), level, [0], settings))


@pytest.mark.slow
def test_without_a_driver_the_way_to_get_one_is_named() -> None:
    pytest.importorskip("mani_skill")
    env = {**os.environ, "VK_ICD_FILENAMES": "/no/such/driver.json"}
    run = [sys.executable, "-W", "ignore", "-c", PICTURE]
    done = subprocess.run(run, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "RenderError: SAPIEN" in last and "/no/such/driver.json" in last
    assert "make maniskill" in last and 'render_backend="none"' in last
