"""What must be in the environment before a test imports a simulator or torch."""

import os

os.environ.setdefault("MUJOCO_GL", "egl")
# Each test worker is one process: more threads in each would only fight over the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Iterator

import gymnasium as gym
import pytest

from vlfeedback.tasks import TASKS


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
