"""The reward in stacks of other wrappers and libraries, on a world known by hand."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from vlfeedback.errors import InvalidTypeError, InvalidValueError, NeedsError, ShapeError
from vlfeedback.testing import BrightnessConfig, BrightnessReward, PointReachEnv
from vlfeedback.types import SegmentBatch, SourceNeeds
from vlfeedback.wrappers import CaptureFrames, RewardFromSource, VectorRewardFromSource

FULL = np.ones(1, np.float32)
WINDOW = BrightnessConfig("window", context=5, frame_stride=2)  # reads 3 pictures


class Steps:
    """Scores an episode by its number of steps."""

    needs = SourceNeeds(env_rewards=True, granularity="episode")

    def rewards(self, batch: SegmentBatch) -> np.ndarray:
        scores = np.zeros((len(batch), batch.n_steps), np.float32)
        scores[:, -1] = batch.n_steps
        return scores


def world(time_limit: int = 100) -> gym.Env[Any, Any]:
    return gym.wrappers.TimeLimit(PointReachEnv(steps=5, render_mode="rgb_array"), time_limit)


def rewards_of(env: gym.Env[Any, Any], n_steps: int) -> list[float]:
    return [round(float(env.step(FULL)[1]), 6) for _ in range(n_steps)]


# What resets by itself, inside -----------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [Steps(), BrightnessReward(WINDOW), BrightnessReward(BrightnessConfig(frame_stride=3))],
)
@pytest.mark.parametrize("mode", ["replace", "add"])
def test_autoreset_may_stand_inside_or_outside(source: Any, mode: Any) -> None:
    outside = gym.wrappers.Autoreset(RewardFromSource(world(4), source, mode=mode))
    inside = RewardFromSource(gym.wrappers.Autoreset(world(4)), source, mode=mode)
    inside.reset(seed=0)
    outside.reset(seed=0)
    assert rewards_of(inside, 12) == rewards_of(outside, 12)


def test_an_episode_inside_of_autoreset_is_scored_alone() -> None:
    env = RewardFromSource(gym.wrappers.Autoreset(world(4)), Steps())
    env.reset(seed=0)
    assert rewards_of(env, 10) == [0, 0, 0, 4, 0, 0, 0, 0, 4, 0]


def test_the_step_that_only_resets_tells_what_a_reset_tells() -> None:
    env = RewardFromSource(gym.wrappers.Autoreset(world(2)), BrightnessReward())
    env.reset(seed=0)
    infos = [env.step(FULL)[4] for _ in range(3)]
    assert infos[1]["env_return"] == pytest.approx(-0.8 - 0.6)
    assert np.isnan(infos[2]["env_reward"])
    assert infos[2]["env_return"] == 0.0


def test_pictures_of_an_autoreset_inside_are_counted_anew_with_each_episode() -> None:
    env = CaptureFrames(gym.wrappers.Autoreset(world(3)), stride=2)
    env.reset(seed=0)
    taken = ["frame" in env.step(FULL)[4] for _ in range(8)]
    assert taken == [True, False, True, True, True, False, True, True]


# Goals that are put in place later -------------------------------------------------------------


class GoalWorld(PointReachEnv):
    def compute_reward(self, achieved_goal: Any, desired_goal: Any, info: Any) -> float:
        return -1.0


@pytest.mark.parametrize("mode", ["replace", "add"])
def test_a_reward_of_another_goal_is_refused(mode: Any) -> None:
    env = RewardFromSource(GoalWorld(), Steps(), mode=mode)
    compute_reward = env.get_wrapper_attr("compute_reward")  # as HerReplayBuffer looks it up
    with pytest.raises(NeedsError, match=r"Steps scores what was seen .*DictReplayBuffer"):
        compute_reward(np.zeros(1), np.ones(1), {})


class GoalsAsObservations(gym.ObservationWrapper):
    """Observations as environments with goals have them."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        space = env.observation_space
        names = ("observation", "achieved_goal", "desired_goal")
        self.observation_space = gym.spaces.Dict(dict.fromkeys(names, space))

    def observation(self, observation: Any) -> Any:
        ones = np.ones_like(observation)
        return {
            "observation": observation,
            "achieved_goal": observation,
            "desired_goal": ones,
        }


def test_hindsight_replay_of_stable_baselines3_is_refused_when_it_samples() -> None:
    sb3 = pytest.importorskip("stable_baselines3")
    world_with_goals = gym.wrappers.TimeLimit(GoalWorld(3), 5)
    env = RewardFromSource(GoalsAsObservations(world_with_goals), Steps())
    model = sb3.SAC(
        "MultiInputPolicy",
        env,
        replay_buffer_class=sb3.HerReplayBuffer,
        learning_starts=20,
        buffer_size=100,
        device="cpu",
    )
    with pytest.raises(NeedsError, match="DictReplayBuffer"):
        model.learn(30)


# Time limits -----------------------------------------------------------------------------------


@pytest.fixture
def steps_id(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    from vlfeedback.tasks import TaskSpec

    task = TaskSpec("point-reach", "go right", "PointReachStacks-v0")
    monkeypatch.setattr("vlfeedback.wrappers.scoring.make_reward_source", lambda *_, **__: Steps())
    monkeypatch.setattr("vlfeedback.wrappers.ids.get_task", lambda _: task)
    gym.register("PointReachStacks-v0", "vlfeedback.testing.point_reach:PointReachEnv")
    gym.register(
        "StepsReward-PointReach-v0",
        "vlfeedback.wrappers.ids:make_env",
        kwargs={"task": "point-reach", "source": "steps"},
        order_enforce=False,
    )
    yield "StepsReward-PointReach-v0"
    del gym.registry["PointReachStacks-v0"], gym.registry["StepsReward-PointReach-v0"]


@pytest.mark.parametrize(
    ("limits", "length"),
    [
        ({"max_episode_steps": 3}, 3),
        ({"time_limit": 3}, 3),
        ({"max_episode_steps": 2, "time_limit": 4}, 2),
        ({"max_episode_steps": 4, "time_limit": 2}, 2),
        ({"max_episode_steps": -1}, 5),  # none: as far as the goal
        ({}, 5),
    ],
)
def test_an_id_scores_the_episode_at_the_limit_of_gym_make(
    steps_id: str, limits: dict[str, Any], length: int
) -> None:
    env = gym.make(steps_id, **limits)
    for again in (env, gym.make(env.spec), gym.make_vec(steps_id, 1, "sync", **limits)):  # type: ignore[arg-type]
        again.reset(seed=0)
        action = FULL if isinstance(again, gym.Env) else FULL[None]
        steps = [again.step(action) for _ in range(length)]
        assert [float(np.asarray(step[1]).sum()) for step in steps] == [0.0] * (length - 1) + [
            length
        ]
        assert bool(steps[-1][2] or steps[-1][3])


def test_a_time_limit_outside_is_told_once_where_it_silences_the_source() -> None:
    env = gym.wrappers.TimeLimit(RewardFromSource(world(), Steps()), 2)
    env.reset(seed=0)
    rewards_of(env, 2)
    with pytest.warns(UserWarning, match="before Steps, which scores whole episodes, saw its end"):
        env.reset()
    rewards_of(env, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env.reset()


def test_resetting_twice_and_after_an_end_is_no_silenced_episode() -> None:
    env = RewardFromSource(world(3), Steps())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env.reset(seed=0)
        env.reset()
        assert rewards_of(env, 3) == [0, 0, 3]
        env.reset()


# What info says --------------------------------------------------------------------------------


def test_info_has_the_same_entries_after_a_reset_and_after_every_step() -> None:
    env = RewardFromSource(world(), BrightnessReward())
    _, begun = env.reset(seed=0)
    infos = [begun] + [env.step(FULL)[4] for _ in range(5)]
    expected = {"success", "is_success", "env_reward", "env_return", "source_score"}
    assert [set(info) for info in infos] == [expected] * 6
    assert {key: type(value) for key, value in begun.items()} == {
        key: type(value) for key, value in infos[-1].items()
    }
    assert np.isnan(begun["env_reward"])
    assert (begun["env_return"], begun["source_score"], begun["is_success"]) == (0.0, 0.0, False)


def test_info_at_the_end_of_an_episode_is_what_a_monitor_shows() -> None:
    env = RewardFromSource(world(), BrightnessReward(), scale=3.0)
    for _ in range(2):
        env.reset(seed=0)
        infos = [env.step(FULL)[4] for _ in range(5)]
        assert infos[-1]["env_return"] == pytest.approx(-0.8 - 0.6 - 0.4 - 0.2)
        assert infos[-1]["source_score"] == pytest.approx(1.0)  # before the scale
        assert [info["is_success"] for info in infos] == [False] * 4 + [True]


class Passing(gym.Wrapper[Any, Any, Any, Any]):
    """Success is passed through, not stayed at; the environment says `key`."""

    def __init__(self, env: gym.Env[Any, Any], key: str) -> None:
        super().__init__(env)
        self._key = key

    def step(self, action: Any) -> Any:
        *answer, _ = self.env.step(action)
        return *answer, {self._key: self.get_wrapper_attr("position") == 0.4}


def test_success_at_any_time_of_an_episode_is_success() -> None:
    env = RewardFromSource(Passing(world(), "success"), BrightnessReward())
    env.reset(seed=0)
    assert [env.step(FULL)[4]["is_success"] for _ in range(4)] == [False, True, True, True]


def test_an_environments_own_is_success_stays_as_it_is() -> None:
    env = RewardFromSource(Passing(world(), "is_success"), BrightnessReward())
    env.reset(seed=0)
    assert [env.step(FULL)[4]["is_success"] for _ in range(3)] == [False, True, False]


@pytest.mark.parametrize("autoreset", ["NextStep", "SameStep"])
def test_infos_of_a_vector_are_those_of_its_environments(autoreset: Any) -> None:
    inner = gym.vector.SyncVectorEnv([lambda: world(3), lambda: world(7)], autoreset_mode=autoreset)
    env = VectorRewardFromSource(inner, BrightnessReward())
    _, begun = env.reset(seed=0)
    told = [begun] + [env.step(np.ones((2, 1), np.float32))[4] for _ in range(5)]
    keys = ("env_reward", "env_return", "source_score", "is_success")
    for infos in told:
        assert all(infos[key].shape == infos[f"_{key}"].shape == (2,) for key in keys)
    assert begun["_env_reward"].tolist() == [False, False]
    np.testing.assert_allclose(told[3]["env_return"], [-0.8 - 0.6 - 0.4] * 2)
    np.testing.assert_allclose(told[3]["source_score"], [0.6, 0.6], rtol=1e-6)
    assert told[5]["env_return"][1] == pytest.approx(-0.8 - 0.6 - 0.4 - 0.2)
    assert [infos["is_success"].tolist()[1] for infos in told] == [False] * 5 + [True]
    if autoreset == "NextStep":
        assert told[4]["env_return"][0] == told[4]["source_score"][0] == 0.0
    if autoreset == "SameStep":
        assert told[4]["env_return"][0] == pytest.approx(-0.8)


@pytest.mark.parametrize("autoreset", ["NextStep", "SameStep"])
def test_the_environments_own_reward_survives_a_source_inside_and_one_around(
    autoreset: Any,
) -> None:
    def wrapped() -> gym.Env[Any, Any]:
        return RewardFromSource(world(2), BrightnessReward(), mode="add")

    plain = VectorRewardFromSource(
        gym.vector.SyncVectorEnv([lambda: world(2)], autoreset_mode=autoreset), Steps()
    )
    env = VectorRewardFromSource(
        gym.vector.SyncVectorEnv([wrapped], autoreset_mode=autoreset), Steps()
    )
    env.reset(seed=0)
    plain.reset(seed=0)
    for _ in range(5):
        infos, expected = (vector.step(FULL[None])[4] for vector in (env, plain))
        for key in ("env_reward", "env_return"):
            np.testing.assert_array_equal(infos[key], expected[key])


# Rewards that are none -------------------------------------------------------------------------

STRANGE = [
    (None, InvalidTypeError, "gave the reward None"),
    ("1", InvalidTypeError, "gave the reward '1'"),
    (float("nan"), InvalidValueError, "gave the reward nan"),
    (np.float32("-inf"), InvalidValueError, "gave the reward -inf"),
    (np.zeros(2), ShapeError, r"shape \(2,\); expected 1 in all"),
    (np.zeros((1, 1)), ShapeError, r"shape \(1, 1\)"),
]


class Gives(PointReachEnv):
    def __init__(self, reward: Any) -> None:
        super().__init__()
        self._reward = reward

    def step(self, action: Any) -> Any:
        observation, _, *rest = super().step(action)
        return observation, self._reward, *rest


@pytest.mark.parametrize(("reward", "error", "message"), STRANGE)
@pytest.mark.parametrize("mode", ["replace", "add"])
def test_what_is_not_one_finite_number_is_no_reward(
    reward: Any, error: type[Exception], message: str, mode: Any
) -> None:
    env = RewardFromSource(Gives(reward), Steps(), mode=mode)
    env.reset()
    with pytest.raises(error, match=f"{message}.*one finite number"):
        env.step(FULL)


@pytest.mark.parametrize("reward", [2, 2.0, True + 1, np.float16(2), np.array(2), np.array([2.0])])
def test_one_number_of_any_kind_is_a_reward(reward: Any) -> None:
    env = RewardFromSource(Gives(reward), Steps(), mode="add")
    env.reset()
    _, given, *_, info = env.step(FULL)
    assert type(given) is type(info["env_reward"]) is float
    assert given == info["env_reward"] == 2.0


@pytest.mark.parametrize("reward", [float("nan"), float("inf")])
def test_a_vector_refuses_the_same(reward: float) -> None:
    env = VectorRewardFromSource(gym.vector.SyncVectorEnv([lambda: Gives(reward)] * 2), Steps())
    env.reset()
    with pytest.raises(InvalidValueError, match=f"gave the reward {reward}"):
        env.step(np.ones((2, 1), np.float32))
