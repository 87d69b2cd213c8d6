"""What must be in the environment before a test imports a simulator or torch."""

import os

os.environ.setdefault("MUJOCO_GL", "egl")
# Each test worker is one process: more threads in each would only fight over the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import gymnasium as gym
import pytest
from tests.plugin_site import PLUGIN

from vlfeedback.tasks import TASKS

_NUMBERS = itertools.count()


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the library keeps of its own accord is kept for one test; the folder is made then."""
    folder = tmp_path_factory.getbasetemp() / f"cache-{next(_NUMBERS)}"
    monkeypatch.setenv("VLFEEDBACK_CACHE", str(folder))


@pytest.fixture
def fresh_tasks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tasks that a test adds are gone after it, and their ids with them."""
    ids = set(gym.registry)
    TASKS.names()  # reads the entry points
    for name in ("_built_ins", "_values", "_entries"):
        monkeypatch.setattr(TASKS, name, TASKS.__dict__[name].copy())
    yield
    for id in set(gym.registry) - ids:
        del gym.registry[id]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(site)]
    subprocess.run([*pip, *offline, str(PLUGIN)], check=True, capture_output=True)
    return site


@pytest.fixture
def fake(tmp_path: Path) -> Callable[..., Path]:
    """Writes what an installer leaves behind for a package with one entry point."""

    def write(distribution: str, point: str, group: str = "reward_sources") -> Path:
        folder = tmp_path / f"{distribution.replace('-', '_')}-1.0.dist-info"
        folder.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        (folder / "METADATA").write_text(metadata)
        (folder / "entry_points.txt").write_text(f"[vlfeedback.{group}]\n{point}\n")
        return tmp_path

    return write
