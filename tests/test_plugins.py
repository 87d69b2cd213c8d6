"""A package that adds a reward source, installed for real; and two that get it wrong."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PLUGIN = Path(__file__).parent / "plugin"


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


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(site)]
    subprocess.run([*pip, *offline, str(PLUGIN)], check=True, capture_output=True)
    return site


@pytest.fixture
def fake(tmp_path: Path) -> Callable[[str, str], Path]:
    """Writes what an installer leaves behind for a package with one entry point."""

    def write(distribution: str, point: str) -> Path:
        folder = tmp_path / f"{distribution.replace('-', '_')}-1.0.dist-info"
        folder.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        (folder / "METADATA").write_text(metadata)
        (folder / "entry_points.txt").write_text(f"[vlfeedback.reward_sources]\n{point}\n")
        return tmp_path

    return write


def test_an_installed_plugin_is_listed_made_and_has_gymnasium_ids(installed: Path) -> None:
    code = """
import json, sys
import gymnasium, vlfeedback
listed, imported = vlfeedback.list_reward_sources(), "vlfeedback_brightness" in sys.modules
source = vlfeedback.make_reward_source("brightness", scale=2.0)
print(json.dumps({
    "listed": "brightness" in listed,
    "imported by listing": imported,
    "scale": source.config.scale,
    "labels pairs": "brightness" in vlfeedback.list_preference_sources(),
    "id": gymnasium.spec("BrightnessReward-DrawerClose-v0").kwargs,
}))
"""
    assert answer(code, site=installed) == {
        "listed": True,
        "imported by listing": False,
        "scale": 2.0,
        "labels pairs": True,
        "id": {"task": "drawer-close", "source": "brightness"},
    }


def test_a_plugin_passes_its_contract_in_a_file_of_five_lines(installed: Path) -> None:
    arguments = ["-m", "pytest", "-q", "-p", "no:cacheprovider", str(PLUGIN / "test_brightness.py")]
    done = python(*arguments, site=installed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_an_environment_gets_the_reward_of_a_plugin(installed: Path) -> None:
    code = """
import json
import numpy as np, vlfeedback
from vlfeedback.testing import PointReachEnv
env = vlfeedback.RewardFromSource(PointReachEnv(steps=5, render_mode="rgb_array"), "brightness")
env.reset(seed=0)
print(json.dumps([round(env.step(np.ones(1, np.float32))[1], 4) for _ in range(5)]))
"""
    assert answer(code, site=installed) == [0.2, 0.4, 0.6, 0.8, 1.0]


ERRORS = """
import json
import vlfeedback
said = {}
for name in ("env", "bad", "twin"):
    try:
        vlfeedback.make_reward_source(name)
    except Exception as error:
        said[name] = f"{type(error).__name__}: {error}"
print(json.dumps({"listed": vlfeedback.list_reward_sources(), "said": said}))
"""


def test_a_broken_plugin_is_reported_by_its_distribution_when_it_is_used(
    fake: Callable[[str, str], Path],
) -> None:
    site = fake("flaky-rewards", "bad = flaky_rewards:Reward")
    (site / "flaky_rewards.py").write_text("raise RuntimeError('no GPU found')\n")
    result = answer(ERRORS, site=site)
    assert {"bad", "clip", "vlp"} <= set(result["listed"])
    said = result["said"]["bad"]
    assert "'flaky-rewards' is broken" in said
    assert "RuntimeError: no GPU found" in said
    assert "env" not in result["said"]


def test_a_plugin_without_the_class_it_promises_is_reported(
    fake: Callable[[str, str], Path],
) -> None:
    site = fake("flaky-rewards", "bad = flaky_rewards:Reward")
    (site / "flaky_rewards.py").write_text("class Rewards: ...\n")
    said = answer(ERRORS, site=site)["said"]["bad"]
    assert "'flaky-rewards' is broken" in said
    assert "has no attribute 'Reward'" in said


def test_a_plugin_with_a_name_of_ours_is_refused_under_both_names(
    fake: Callable[[str, str], Path],
) -> None:
    result = answer(ERRORS, site=fake("env-rewards", "env = env_rewards:Reward"))
    assert result["listed"].count("env") == 1
    assert "clip" in result["listed"]
    said = result["said"]["env"]
    assert said.startswith("UnknownNameError: Two reward sources have one name")
    assert "'vlfeedback'" in said
    assert "'env-rewards'" in said


def test_two_plugins_with_one_name_are_refused_under_both_names(
    fake: Callable[[str, str], Path],
) -> None:
    fake("first-rewards", "twin = first_rewards:Reward")
    said = answer(ERRORS, site=fake("second-rewards", "Twin = second_rewards:Reward"))["said"]
    assert "'first-rewards'" in said["twin"]
    assert "'second-rewards'" in said["twin"]
