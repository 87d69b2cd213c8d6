from collections.abc import Iterator

import gymnasium as gym
import pytest
from tests.evaluation.environment.faulty_worlds import WORLDS


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """Each world by its name, with a time limit, and without one as ``Endless-v0``."""
    here = "tests.evaluation.environment.faulty_worlds"
    ids = {f"{world.__name__}-v0": f"{here}:{world.__name__}" for world in WORLDS}
    for id, target in ids.items():
        gym.register(id, target, max_episode_steps=50)
    gym.register("Endless-v0", f"{here}:Dot")
    yield
    for id in (*ids, "Endless-v0"):
        del gym.registry[id]
