"""Agents that learn while they act, in environments whose observations have several parts."""

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from vlfeedback.tasks import own_task
from vlfeedback.types import SourceNeeds

pytest.importorskip("stable_baselines3")

from vlfeedback.online.environments import make_environments
from vlfeedback.online.recording import TRAJECTORY_KEY


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    gym.register("Lamps-v0", "tests.wrappers.missions:Lamps", max_episode_steps=5)
    yield
    del gym.registry["Lamps-v0"]


def test_the_parts_are_one_vector_to_the_learner_and_in_what_is_recorded() -> None:
    venv = make_environments(own_task("Lamps-v0", "light a lamp"), SourceNeeds(), seed=0)
    assert venv.observation_space.shape == (6,) and venv.observation_space.dtype == np.float32
    first: Any = venv.reset()
    seen = [venv.step(np.eye(3, dtype=np.float32)[[lamp]]) for lamp in (0, 1)]
    _, _, (done,), (info,) = seen[-1]
    episode = info[TRAJECTORY_KEY]
    assert done and episode.observations.shape == (3, 6)
    np.testing.assert_array_equal(episode.observations[0], first[0])
    assert episode.observations[:, 3:].tolist() == [[0, 0, 0], [255, 0, 0], [255, 255, 0]]
