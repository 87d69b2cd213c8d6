"""Episodes of ropes, cloth and a sleeve: who acts at which level, and what is kept of them."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from vlfeedback.collecting import collect
from vlfeedback.data.collection import Collection
from vlfeedback.errors import UnknownNameError
from vlfeedback.tasks import TASKS, TaskSpec
from vlfeedback.types import Trajectory
from vlfeedback_envs.deformables.data import ACTORS, SUBOPTIMAL, roll_out

ROPE, SLEEVE = TASKS["straighten-rope"], TASKS["dress-sleeve"]
FREE_ROPE = TASKS["straighten-rope-free"]
DIAGONAL, HALF = TASKS["fold-cloth-diagonal"], TASKS["fold-cloth-half"]
SETTINGS = {
    "horizon": 6,
    "frame_stride": 0,
    "frame_size": 32,
    "random_actions": "box",
    "env_options": {},
}


def episodes(task: Any, level: str, seeds: Any, **settings: Any) -> list[Trajectory]:
    return list(roll_out(task, level, seeds, {**SETTINGS, **settings}))


@pytest.mark.parametrize(
    ("task", "level"),
    [
        *((ROPE, "expert"), (ROPE, "random"), (SLEEVE, "medium")),
        *((FREE_ROPE, "medium"), (HALF, "expert")),
    ],
)
def test_an_episode_is_what_the_environment_does_with_its_actions(task: Any, level: str) -> None:
    (trajectory,) = episodes(task, level, [5])
    env = gym.make(task.env_id)
    observations, rewards, successes = [env.reset(seed=5)[0]], [], []
    for action in trajectory.actions:
        observation, reward, _, _, info = env.step(action)
        observations.append(observation)
        rewards.append(reward)
        successes.append(info["success"])
    env.close()
    np.testing.assert_array_equal(trajectory.observations, np.stack(observations))
    np.testing.assert_array_equal(trajectory.env_rewards, np.array(rewards, dtype=np.float32))
    np.testing.assert_array_equal(trajectory.successes, successes)
    assert trajectory.truncated and not trajectory.terminated and len(trajectory) == 6
    assert trajectory.id == f"{task.name}/{level}/5" and trajectory.level == level


def test_the_same_seed_gives_the_same_episode_and_another_another() -> None:
    one, other = episodes(SLEEVE, "suboptimal", [3, 4])
    (same,) = episodes(SLEEVE, "suboptimal", [3])
    np.testing.assert_array_equal(one.observations, same.observations)
    np.testing.assert_array_equal(one.actions, same.actions)
    assert np.any(one.actions != other.actions)


def test_levels_add_as_much_noise_as_they_say() -> None:
    """Of the rope's flags the script asks for 1, all the time."""
    actor = ACTORS["straighten-rope"]["medium"]
    trajectories = episodes(ROPE, "medium", range(10), horizon=20)
    flags = np.concatenate([t.actions[:, [3, 7]] for t in trajectories])
    assert flags.mean() == pytest.approx(actor.gain, abs=0.05)
    assert flags.std() == pytest.approx(actor.noise, rel=0.1)
    assert trajectories[0].info == {"actor": {"name": "script", "gain": 0.04, "noise": 0.3}}


@pytest.mark.parametrize(("random_actions", "low"), [("box", -1.0), ("u01", 0.0)])
def test_random_actions_fill_their_range(random_actions: str, low: float) -> None:
    trajectories = episodes(ROPE, "random", range(6), horizon=40, random_actions=random_actions)
    actions = np.concatenate([t.actions for t in trajectories])
    assert low <= actions.min() < low + 0.02 and 0.98 < actions.max() <= 1


def test_suboptimal_episodes_are_a_mixture_of_three_ways_to_act() -> None:
    trajectories = episodes(SLEEVE, "suboptimal", range(60), horizon=1)
    actors = [t.info["actor"] for t in trajectories]
    for name, share in SUBOPTIMAL.items():
        assert np.mean([a["name"] == name for a in actors]) == pytest.approx(share, abs=0.15)
    noises = [a["noise"] for a in actors if a["name"] == "script"]
    assert 0.4 <= min(noises) < 0.6 and 1.0 < max(noises) <= 1.2
    ahead = [t.actions for t in trajectories if t.info["actor"]["name"] == "straight ahead"]
    np.testing.assert_allclose(np.concatenate(ahead).mean(axis=0), [0.95, 0, 0], atol=0.1)


def test_pictures_are_those_of_the_environment_at_the_time() -> None:
    (trajectory,) = episodes(SLEEVE, "expert", [2], frame_stride=4)
    assert trajectory.frames is not None
    assert trajectory.frames.times.tolist() == [0, 1, 5, 6]  # and after the last step
    env = gym.make(SLEEVE.env_id, render_mode="rgb_array", size=32)
    env.reset(seed=2)
    live: list[Any] = [env.render()]
    for action in trajectory.actions:
        env.step(action)
        live.append(env.render())
    env.close()
    np.testing.assert_array_equal(
        trajectory.frames.read([0, 1, 5, 6]), np.stack([live[t] for t in (0, 1, 5, 6)])
    )


def test_a_force_that_ends_an_episode_terminates_it() -> None:
    """Straight ahead into the torso, sooner or later."""
    found = episodes(SLEEVE, "suboptimal", range(8), horizon=60, env_options={"obs_mode": "state"})
    ended = [t for t in found if t.terminated]
    assert ended and all(len(t) < 60 and not t.truncated for t in ended)
    assert all(t.truncated and len(t) == 60 for t in found if not t.terminated)
    assert {t.observations.shape[1:] for t in found} == {(19,)}
    assert found[0].env_options == {"obs_mode": "state"}


@pytest.mark.parametrize(
    ("task", "horizon"), [(ROPE, 3), (SLEEVE, 3), (FREE_ROPE, 3), (DIAGONAL, 1), (HALF, 3)]
)
def test_a_collection_holds_the_levels_of_a_task(
    task: TaskSpec, horizon: int, tmp_path: Path
) -> None:
    settings = {"episodes": 1, "horizon": horizon, "frame_size": 24}
    assert collect(tmp_path, [task.name], settings=settings, workers=0) == len(task.levels)
    for level in task.levels:
        (only,) = Collection.open(tmp_path).load(task.name, [level])
        assert only.level == level and only.frames is not None and len(only) == horizon
        assert only.frames.read([0]).std() > 5


def test_an_episode_of_a_diagonal_fold_is_its_one_step_seen_before_and_after() -> None:
    (trajectory,) = episodes(DIAGONAL, "expert", [0], horizon=1, frame_stride=1)
    assert trajectory.actions.shape == (1, 2) and trajectory.observations.shape == (2, 111)
    assert trajectory.truncated and not trajectory.terminated
    np.testing.assert_allclose(trajectory.actions, 0.122 / 0.15, atol=0.15)
    assert trajectory.env_rewards is not None and trajectory.env_rewards[0] > -0.2
    assert trajectory.frames is not None and trajectory.frames.times.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("level", "random_actions", "message"),
    [
        ("suboptimal", "box", "No 'suboptimal' here; choose one of expert, medium, random"),
        ("random", "u02", "No 'u02' here; choose one of box, u01"),
    ],
)
def test_unknown_names_are_refused(level: str, random_actions: str, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        episodes(ROPE, level, [0], random_actions=random_actions)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("level", "low", "high"), [("expert", 20.5, 22), ("medium", 12.5, 16.5), ("random", 11, 15.5)]
)
def test_rope_levels_have_the_returns_of_the_papers_table(
    level: str, low: float, high: float
) -> None:
    rewards = [t.env_rewards for t in episodes(ROPE, level, range(40), horizon=40)]
    assert low < np.mean([r.sum() for r in rewards if r is not None]) < high


@pytest.mark.slow
def test_suboptimal_episodes_dress_less_than_experts() -> None:
    state = {"horizon": 60, "env_options": {"obs_mode": "state"}}
    ratio = {
        level: np.mean(
            [t.observations[-1, -1] for t in episodes(SLEEVE, level, range(20), **state)]
        )
        for level in ("expert", "suboptimal")
    }
    assert ratio["expert"] > 0.9 and 0.2 < ratio["suboptimal"] < 0.8
