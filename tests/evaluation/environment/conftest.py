from collections.abc import Iterator

import gymnasium as gym
import pytest
from tests.evaluation.environment.faulty_worlds import WORLDS


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """Each world by its name, with a time limit, and without one as ``Endless-v0``."""
    ids = {f"{world.__name__}-v0": (world, 50) for world in WORLDS}
    for id, (world, limit) in ids.items():
        gym.register(id, world, max_episode_steps=limit)
    gym.register("Endless-v0", WORLDS[0])
    yield
    for id in (*ids, "Endless-v0"):
        del gym.registry[id]
