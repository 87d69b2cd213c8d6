from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from tests.scoring.recorded_walks import Recorder

from vlfeedback.errors import DtypeError, NeedsError, RenderError, SourceAnswerError
from vlfeedback.testing import BrightnessConfig, BrightnessEmbedder, BrightnessReward, PointReachEnv
from vlfeedback.types import SegmentBatch, SourceNeeds
from vlfeedback.wrappers import RewardFromSource
from vlfeedback.wrappers.modes import RewardMix

FULL = np.ones(1, np.float32)
WINDOW = BrightnessConfig("window", context=5, frame_stride=2)  # reads 3 pictures


def world(time_limit: int = 100, **kwargs: Any) -> gym.Env[Any, Any]:
    return gym.wrappers.TimeLimit(
        PointReachEnv(steps=5, render_mode="rgb_array", **kwargs), time_limit
    )


def rewards_of_an_episode(env: gym.Env[Any, Any]) -> list[float]:
    env.reset(seed=0)
    rewards, over = [], False
    while not over:
        _, reward, terminated, truncated, _ = env.step(FULL)
        rewards.append(float(reward))
        over = terminated or truncated
    return rewards


# Scores --------------------------------------------------------------------------------------


def test_a_step_source_scores_the_picture_after_each_action() -> None:
    env = RewardFromSource(world(), BrightnessReward())
    np.testing.assert_allclose(rewards_of_an_episode(env), [0.2, 0.4, 0.6, 0.8, 1.0])


def test_a_sparse_step_source_holds_its_score_and_scores_the_last_step() -> None:
    env = RewardFromSource(world(), BrightnessReward(BrightnessConfig(frame_stride=3)))
    np.testing.assert_allclose(rewards_of_an_episode(env), [0.2, 0.2, 0.2, 0.8, 1.0])


def test_a_window_source_scores_its_last_pictures_and_holds_the_score() -> None:
    env = RewardFromSource(world(), BrightnessReward(WINDOW))
    first, second, third = (0 + 0 + 0.2) / 3, (0 + 0.2 + 0.6) / 3, (0.2 + 0.6 + 1) / 3
    expected = [first, first, second, second, third]
    np.testing.assert_allclose(rewards_of_an_episode(env), expected, rtol=1e-6)


def test_a_truncated_step_is_scored_on_its_own_picture() -> None:
    env = RewardFromSource(world(time_limit=4), BrightnessReward(WINDOW))
    assert rewards_of_an_episode(env)[-1] == pytest.approx((0.2 + 0.6 + 0.8) / 3)


def test_an_episode_source_gives_zero_until_the_last_step() -> None:
    env = RewardFromSource(world(), BrightnessReward(BrightnessConfig("episode", frame_stride=2)))
    expected = [0, 0, 0, 0, (0.2 + 0.6 + 1.0) / 3]
    np.testing.assert_allclose(rewards_of_an_episode(env), expected, rtol=1e-6)


def test_an_episode_source_scores_a_truncated_episode() -> None:
    config = BrightnessConfig("episode", frame_stride=2)
    env = RewardFromSource(world(time_limit=4), BrightnessReward(config))
    expected = [0, 0, 0, (0.2 + 0.6 + 0.8) / 3]
    np.testing.assert_allclose(rewards_of_an_episode(env), expected, rtol=1e-6)


@pytest.mark.parametrize("config", [WINDOW, BrightnessConfig("episode"), BrightnessConfig()])
def test_an_episode_does_not_see_the_one_before(config: BrightnessConfig) -> None:
    env = RewardFromSource(world(), BrightnessReward(config))
    first = rewards_of_an_episode(env)
    assert rewards_of_an_episode(env) == first


@pytest.mark.parametrize("config", [WINDOW, BrightnessConfig("episode"), BrightnessConfig()])
def test_embeddings_give_the_rewards_of_pictures(config: BrightnessConfig) -> None:
    from_pictures = RewardFromSource(world(), BrightnessReward(config))
    from_embeddings = RewardFromSource(world(), BrightnessEmbedder(config))
    np.testing.assert_allclose(
        rewards_of_an_episode(from_embeddings), rewards_of_an_episode(from_pictures), rtol=1e-6
    )


def test_the_raw_score_can_be_read() -> None:
    env = RewardFromSource(world(), BrightnessReward(), scale=10.0)
    env.reset()
    assert env.source_score == 0.0
    _, reward, *_ = env.step(FULL)
    assert (env.source_score, reward) == pytest.approx((0.2, 2.0))


# Laziness ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "mode", "renders"),
    [
        (BrightnessConfig(), "replace", 5),  # after each of 5 steps, and not at the reset
        (BrightnessConfig(), "shape", 6),
        (BrightnessConfig(), "progress", 6),
        (BrightnessConfig(frame_stride=3), "replace", 3),  # steps 0, 3 and the last
        (WINDOW, "replace", 4),  # the reset, steps 0, 2, 4
        (BrightnessConfig("window", context=5, frame_stride=5), "add", 2),  # steps 0 and 4
        (BrightnessConfig("episode", frame_stride=2), "replace", 3),
    ],
)
def test_a_picture_nobody_reads_is_never_rendered(
    config: BrightnessConfig, mode: Any, renders: int
) -> None:
    env = RewardFromSource(world(), BrightnessReward(config), mode=mode)
    rewards_of_an_episode(env)
    assert env.get_wrapper_attr("renders") == renders


def test_each_picture_is_embedded_once() -> None:
    source = BrightnessEmbedder(WINDOW)
    env = RewardFromSource(world(), source)
    rewards_of_an_episode(env)
    assert source.embedded == [1, 1, 1, 1]  # the reset, steps 0, 2, 4
    assert source.batch_sizes == [1, 1, 1]


def test_a_source_without_pictures_works_without_a_render_mode() -> None:
    env = RewardFromSource(PointReachEnv(steps=2), Recorder())
    assert rewards_of_an_episode(env) == [7.0, 7.0]


def test_a_source_gets_what_it_needs_and_nothing_else() -> None:
    source = Recorder(frames=True, instruction=True)
    rewards_of_an_episode(RewardFromSource(world(), source, instruction="go right"))
    batch = source.batches[-1]
    assert batch.instructions == ["go right"]
    assert batch.frames is not None
    assert batch.frames.shape == (1, 1, 8, 8, 3)
    assert batch.observations is batch.actions is batch.env_rewards is batch.embeddings is None


def test_observations_are_those_before_the_action() -> None:
    source = Recorder(observations=True, env_rewards=True)
    rewards_of_an_episode(RewardFromSource(world(), source))
    observed = [b.observations[0, 0, 0] for b in source.batches if b.observations is not None]
    rewarded = [b.env_rewards[0, 0] for b in source.batches if b.env_rewards is not None]
    np.testing.assert_allclose(observed, [0, 0.2, 0.4, 0.6, 0.8], rtol=1e-6)
    np.testing.assert_allclose(rewarded, [-0.8, -0.6, -0.4, -0.2, 0], rtol=1e-6)


@pytest.mark.parametrize(
    ("needs", "renders"),
    [
        ({}, 6),  # the reset and 5 steps
        ({"frame_stride": 3}, 4),
        ({"granularity": "episode", "frame_stride": 2}, 4),
        ({"granularity": "window", "context": 5, "frame_stride": 2}, 4),  # not once more
    ],
)
def test_a_source_gets_the_very_picture_of_the_reset(needs: dict[str, Any], renders: int) -> None:
    source = Recorder(frames=True, first_frame=True, **needs)
    inner = world()
    env = RewardFromSource(inner, source)
    rewards_of_an_episode(env)
    assert env.get_wrapper_attr("renders") == renders
    inner.reset()
    for batch in source.batches:
        np.testing.assert_array_equal(batch.first_frames, np.asarray(inner.render())[None])


def test_the_picture_of_the_reset_is_that_of_the_episode() -> None:
    source = Recorder(frames=True, first_frame=True)
    env = RewardFromSource(world(time_limit=2, random_start=True), source)
    starts = set()
    for seed in range(4):
        observation, _ = env.reset(seed=seed)
        starts.add(float(observation[0]))
        env.step(-FULL)  # away from the goal
        env.step(-FULL)
        for batch in source.batches[-2:]:
            assert batch.first_frames is not None
            assert np.all(batch.first_frames == round(255 * observation[0]))
    assert len(starts) > 1


# Modes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["replace", "progress", "add", "shape"])
def test_the_reward_of_the_environment_and_success_survive(mode: Any) -> None:
    env = RewardFromSource(world(), BrightnessReward(), mode=mode)
    env.reset()
    infos = [env.step(FULL)[-1] for _ in range(5)]
    np.testing.assert_allclose([i["env_reward"] for i in infos], [-0.8, -0.6, -0.4, -0.2, 0.0])
    assert [i["success"] for i in infos] == [False, False, False, False, True]


def test_two_sources_add_up_and_the_reward_of_the_environment_survives_both() -> None:
    inner = RewardFromSource(world(), BrightnessReward())
    env = RewardFromSource(inner, BrightnessReward(), mode="add", scale=10.0)
    env.reset()
    _, reward, *_, info = env.step(FULL)
    assert reward == pytest.approx(0.2 + 10 * 0.2)
    assert info["env_reward"] == pytest.approx(-0.8)


# Gymnasium -----------------------------------------------------------------------------------


@pytest.fixture
def point_id(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An id of the world, and an id of a source: what a spec in JSON can hold."""

    def make(id: str, *, device: str = "cpu", **config: Any) -> BrightnessReward:
        assert (id, device) == ("brightness", "cpu")
        return BrightnessReward(BrightnessConfig(**config))

    monkeypatch.setattr("vlfeedback.wrappers.scoring.make_reward_source", make)
    gym.register(
        "PointReach-v0", "vlfeedback.testing.point_reach:PointReachEnv", max_episode_steps=4
    )
    yield "PointReach-v0"
    del gym.registry["PointReach-v0"]


def test_the_spec_goes_through_json_and_makes_an_equal_environment(point_id: str) -> None:
    env = RewardFromSource(
        gym.make(point_id, render_mode="rgb_array", steps=5),
        "brightness",
        instruction="go right",
        scale=3.0,
        source_config={"granularity": "window", "context": 5, "frame_stride": 2},
    )
    assert env.spec is not None
    text = env.spec.to_json()
    again = gym.make(EnvSpec.from_json(text))
    assert rewards_of_an_episode(again) == rewards_of_an_episode(env)
    assert again.spec is not None
    assert json.loads(again.spec.to_json()) == json.loads(text)


def test_a_live_source_has_a_spec_but_none_in_json(point_id: str) -> None:
    source = BrightnessReward()
    env = RewardFromSource(gym.make(point_id, render_mode="rgb_array"), source)
    assert env.spec is not None
    assert gym.make(env.spec).get_wrapper_attr("source") is source
    with pytest.raises(TypeError, match="not JSON serializable"):
        env.spec.to_json()


def test_the_checker_of_gymnasium_passes(point_id: str) -> None:
    env = RewardFromSource(
        gym.make(point_id, render_mode="rgb_array", disable_env_checker=True), "brightness"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*different from the unwrapped version.*")
        check_env(env)


# Refusals ------------------------------------------------------------------------------------


def test_a_source_of_pictures_refuses_an_environment_without() -> None:
    with pytest.raises(RenderError, match=r"gym\.make\(\.\.\., render_mode='rgb_array'\)"):
        RewardFromSource(PointReachEnv(), BrightnessReward())


@pytest.mark.parametrize("instruction", [None, " "])
def test_a_missing_instruction_is_refused(instruction: str | None) -> None:
    with pytest.raises(NeedsError, match="reads an instruction"):
        RewardFromSource(world(), Recorder(instruction=True), instruction=instruction)


def test_an_unknown_mode_is_refused_with_the_known_ones() -> None:
    modes = r"\['replace', 'progress', 'add', 'shape'\]"
    with pytest.raises(ValueError, match=f"mode='mix'; choose one of {modes}"):
        RewardMix("mix")


def test_a_discount_above_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"discount=1\.5"):
        RewardFromSource(world(), BrightnessReward(), mode="shape", discount=1.5)


@pytest.mark.parametrize("mode", ["progress", "shape"])
def test_changes_of_the_score_of_a_source_of_episodes_are_refused(mode: Any) -> None:
    source = BrightnessReward(BrightnessConfig("episode"))
    with pytest.raises(ValueError, match=f"mode='{mode}' needs .* scores whole episodes"):
        RewardFromSource(world(), source, mode=mode)


def test_a_class_in_place_of_a_source_is_refused() -> None:
    source: Any = Recorder
    source.needs = SourceNeeds()
    with pytest.raises(TypeError, match="is no reward source"):
        RewardFromSource(world(), source)
    del source.needs


def test_a_config_for_a_live_source_is_refused() -> None:
    with pytest.raises(TypeError, match="came with a live BrightnessReward"):
        RewardFromSource(world(), BrightnessReward(), source_config={"context": 3})


def test_observations_that_are_no_arrays_are_refused() -> None:
    env = PointReachEnv()
    env.observation_space = gym.spaces.Dict(a=gym.spaces.Discrete(2))  # type: ignore[assignment]
    with pytest.raises(NeedsError, match="FlatObservations"):
        RewardFromSource(env, Recorder(observations=True))


def test_pictures_in_floats_are_refused() -> None:
    env = PointReachEnv(render_mode="rgb_array")
    env.render = lambda: np.zeros((8, 8, 3))  # type: ignore[method-assign]
    wrapped = RewardFromSource(env, BrightnessReward())
    wrapped.reset()
    with pytest.raises(DtypeError, match="sources take uint8 0-255"):
        wrapped.step(FULL)


def test_rewards_of_a_wrong_shape_are_refused() -> None:
    class Flat(Recorder):
        def rewards(self, batch: SegmentBatch) -> np.ndarray:
            return np.zeros(len(batch), np.float32)

    env = RewardFromSource(world(), Flat(frames=True))
    env.reset()
    with pytest.raises(SourceAnswerError, match=r"shape \(1,\); expected \(1, 1\)"):
        env.step(FULL)
