"""Episodes of random actions."""

from typing import Any

import pytest
from tests.online.pendulums import pendulum

from vlfeedback.types import Trajectory


@pytest.fixture
def episodes() -> list[Trajectory]:
    """Six whole episodes of random actions."""
    return _episodes(6)


@pytest.fixture(scope="session")
def many() -> list[Trajectory]:
    """Forty."""
    return _episodes(40)


def _episodes(n: int) -> list[Trajectory]:
    env = pendulum()
    env.action_space.seed(0)
    found = []
    for _ in range(n):
        env.reset()
        info: dict[str, Any] = {}
        while "trajectory" not in info:
            *_, info = env.step(env.action_space.sample())
        found.append(info["trajectory"])
    return found
