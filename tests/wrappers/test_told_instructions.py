"""Instructions that the environment says itself, anew in each episode."""

from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from tests.wrappers.missions import COLOURS, Lamps

from vlfeedback import (
    FlatObservations,
    RewardFromSource,
    TaskSpec,
    VectorRewardFromSource,
    register_task,
)
from vlfeedback.errors import InvalidTypeError, InvalidValueError, NeedsError
from vlfeedback.types import SegmentBatch, SourceNeeds

ACTION = np.zeros(3, np.float32)


class Listener:
    """Pays 0, 1 or 2 for the colour that it is told."""

    needs = SourceNeeds(instruction=True)

    def rewards(self, batch: SegmentBatch) -> np.ndarray:
        paid = [
            [COLOURS.index(text.split()[2])] * batch.n_steps for text in batch.instructions or ()
        ]
        return np.array(paid, np.float32)


def env_of(told_in: str = "observation", **options: Any) -> RewardFromSource:
    return RewardFromSource(Lamps(told_in=told_in), Listener(), **options)


@pytest.mark.parametrize(("told_in", "key"), [("observation", "mission"), ("info", "order")])
def test_each_episode_is_scored_under_its_own_words(told_in: str, key: str) -> None:
    env = env_of(told_in, instruction_key=key)
    goals = []
    for seed in range(30):
        env.reset(seed=seed)
        goals.append(env.unwrapped.goal)  # type: ignore[attr-defined]
        assert env.step(ACTION)[1] == goals[-1]
    assert len(set(goals)) == 3


def test_flattening_around_it_or_within_does_not_hide_the_words() -> None:
    told: dict[str, Any] = {"instruction_key": "mission"}
    outside = FlatObservations(env_of(**told))
    inside = RewardFromSource(FlatObservations(Lamps()), Listener(), **told)
    for env in (outside, inside):
        observation, info = env.reset(seed=0)
        assert observation.shape == (6,) and info["mission"].startswith("light the ")
        assert env.step(ACTION)[1] == env.unwrapped.goal  # type: ignore[attr-defined]


@pytest.mark.parametrize(("told_in", "key"), [("observation", "mission"), ("info", "order")])
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_many_environments_are_each_told_their_own_words_and_anew(
    mode: AutoresetMode, told_in: str, key: str
) -> None:
    single = SyncVectorEnv([partial(Lamps, told_in=told_in)] * 3, autoreset_mode=mode)
    venv = VectorRewardFromSource(single, Listener(), instruction_key=key)
    venv.reset(seed=3)
    for step in range(12):
        goals = [env.unwrapped.goal for env in single.envs]  # type: ignore[attr-defined]
        _, rewards, terminated, _, infos = venv.step(np.zeros((3, 3), np.float32))
        stepped = infos["_env_reward"]
        assert rewards[stepped].tolist() == np.array(goals)[stepped].tolist(), step
        if mode is AutoresetMode.DISABLED and terminated.any():
            venv.reset(options={"reset_mask": terminated})


def test_words_of_ones_own_beside_a_key_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="the environment says what is to be done, or you"):
        env_of(instruction="light one", instruction_key="mission")
    with pytest.raises(InvalidValueError, match="pass one of them"):
        VectorRewardFromSource(
            SyncVectorEnv([Lamps]), Listener(), instruction="light one", instruction_key="mission"
        )


def test_a_key_that_leads_to_nothing_or_to_no_text_is_refused() -> None:
    with pytest.raises(NeedsError, match="says nothing of this name; it has 'goal', 'lamps', 'mi"):
        env_of(instruction_key="task").reset(seed=0)
    with pytest.raises(InvalidTypeError, match=r"'goal' leads to [012]; expected a text"):
        env_of(instruction_key="goal").reset(seed=1)


def test_without_words_the_message_names_both_ways() -> None:
    with pytest.raises(NeedsError, match="instruction_key=<entry"):
        env_of()


def test_the_ids_of_a_task_are_told_by_its_key_unless_one_says_otherwise(fresh_tasks: None) -> None:
    gym.register("Lamps-v0", "tests.wrappers.missions:Lamps", max_episode_steps=5)
    register_task(TaskSpec("lamps", "light a lamp", "Lamps-v0", instruction_key="words"))
    for make in (gym.make, partial(gym.make_vec, num_envs=2)):
        with pytest.raises(NeedsError, match="instruction_key='words', and a reset says nothing"):
            make("EnvReward-Lamps-v0", render_mode=None).reset(seed=0)
        make("EnvReward-Lamps-v0", render_mode=None, instruction="light one").reset(seed=0)


def test_an_environments_spec_keeps_the_key() -> None:
    gym.register("Lamps-v0", "tests.wrappers.missions:Lamps")
    try:
        env = RewardFromSource(gym.make("Lamps-v0"), "env", instruction_key="mission")
        assert env.spec is not None
        again = gym.make(type(env.spec).from_json(env.spec.to_json()))
        assert again.spec is not None
        assert again.spec.additional_wrappers[-1].kwargs["instruction_key"] == "mission"  # type: ignore[index]
    finally:
        del gym.registry["Lamps-v0"]
