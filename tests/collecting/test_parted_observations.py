"""Collections of environments whose observations have several parts, or say what is to be done."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from tests.wrappers.missions import COLOURS

from vlfeedback.collecting import collect
from vlfeedback.data.collection import Collection
from vlfeedback.errors import FileFormatError, NeedsError
from vlfeedback.offline.evaluation import evaluate_policy
from vlfeedback.tasks import TaskSpec, own_task

SMALL = {"episodes": 4, "frame_stride": 1}


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    gym.register("Lamps-v0", "tests.wrappers.missions:Lamps", max_episode_steps=5)
    yield
    del gym.registry["Lamps-v0"]


def lamps(**options: Any) -> TaskSpec:
    return own_task("Lamps-v0", "light a lamp", **options)


def obey(observation: Any) -> Any:
    """Acts on the environment's own observation, words and all."""
    return np.eye(3, dtype=np.float32)[COLOURS.index(observation["mission"].split()[2])]


def test_parts_are_kept_as_one_vector_and_each_step_as_it_was(tmp_path: Path) -> None:
    task = lamps()
    collect(tmp_path, [task], settings=SMALL, workers=0, policies={"expert": obey})
    for episode in Collection.open(tmp_path).load("lamps", ["expert"]):
        goal = episode.observations[0, :3]
        unlit, lit = np.zeros(3), 255 * goal
        # The environment goes on writing into one array; what is kept does not change with it.
        assert episode.observations[:, 3:].tolist() == [unlit.tolist(), *[lit.tolist()] * 2]
        assert episode.env_rewards is not None and episode.env_rewards.tolist() == [1, 1]
        assert episode.instruction == "light a lamp"


def test_each_episode_keeps_its_own_words(tmp_path: Path) -> None:
    task = lamps(instruction_key="mission")
    collect(tmp_path, [task], settings=SMALL, workers=0, levels=["random"])
    collection = Collection.open(tmp_path)
    episodes = collection.load("lamps")
    for episode in episodes:
        colour = COLOURS[int(episode.observations[0, :3].argmax())]
        assert episode.instruction == f"light the {colour} lamp"
    assert len({episode.instruction for episode in episodes}) > 1
    assert collection.task("lamps") == task
    noted = json.loads((tmp_path / "lamps" / "task.json").read_text())
    assert noted["instruction_key"] == "mission"


def test_a_folder_goes_on_with_the_same_key_alone(tmp_path: Path) -> None:
    collect(tmp_path, [lamps(instruction_key="mission")], settings=SMALL, workers=0)
    with pytest.raises(FileFormatError, match="instruction_key"):
        collect(tmp_path, [lamps()], settings=SMALL, workers=0)


def test_a_key_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NeedsError, match="instruction_key='order', and a reset says nothing"):
        collect(tmp_path, [lamps(instruction_key="order")], settings=SMALL, workers=0)


def test_a_policy_of_the_data_is_judged_on_the_same_vectors(tmp_path: Path) -> None:
    class Same:
        """Takes (N, 6) vectors, and lights the lamp that they name."""

        def predict(self, observations: np.ndarray) -> np.ndarray:
            assert observations.shape[1:] == (6,)
            return observations[:, :3]

    judged = evaluate_policy(Same(), "Lamps-v0", seeds=range(3), env_options={"told_in": "info"})
    assert judged.returns.tolist() == [2, 2, 2]
