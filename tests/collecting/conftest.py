"""A world in a module of its own, as users have one: a walk along five places to the last one."""

import sys
from collections.abc import Iterator
from pathlib import Path

import gymnasium as gym
import pytest

from vlfeedback.tasks import TaskSpec, own_task

MODULE = '''
import gymnasium as gym
import numpy as np

PLACES = 5


class Walk(gym.Env):
    """Action 1 goes right, 0 left. Brightness of the picture is the place, 20 a step."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 1}

    def __init__(self, render_mode=None, start=0):
        self.render_mode, self.start = render_mode, start
        self.observation_space = gym.spaces.Box(0, PLACES, (2,), np.float32)
        self.action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.start
        return self._see(), {}

    def step(self, action):
        self.place = max(0, self.place + (1 if action == 1 else -1))
        there = self.place == PLACES - 1
        return self._see(), float(self.place), there, False, {"there": there}

    def render(self):
        return np.full((12, 20, 3), 20 * self.place, np.uint8)

    def _see(self):
        return np.array([self.place, 0], np.float32)


gym.register("Walk-v0", Walk, max_episode_steps=6)


def go_right(observation):
    return 1


def stay(observation):
    return 0


def go_too_far(observation):
    return 2
'''


@pytest.fixture
def walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TaskSpec]:
    """A task of that world, whose time limit is 6 steps."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "walk_world.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(folder))
    yield own_task("walk_world:Walk-v0", "walk to the end", success_key="there")
    gym.registry.pop("Walk-v0", None)
    sys.modules.pop("walk_world", None)
