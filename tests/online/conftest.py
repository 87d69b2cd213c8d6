"""Episodes of random actions."""

from typing import Any

import pytest
from tests.online.pendulums import pendulum

from vlfeedback.types import Trajectory


@pytest.fixture
def episodes() -> list[Trajectory]:
    """Whole episodes of random actions."""
    env = pendulum()
    env.action_space.seed(0)
    found = []
    for _ in range(6):
        env.reset()
        info: dict[str, Any] = {}
        while "trajectory" not in info:
            *_, info = env.step(env.action_space.sample())
        found.append(info["trajectory"])
    return found
