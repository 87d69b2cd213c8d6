from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from vlfeedback.errors import NeedsError, RenderError
from vlfeedback.testing import BrightnessConfig, BrightnessEmbedder, BrightnessReward, PointReachEnv
from vlfeedback.types import SegmentBatch, SourceNeeds
from vlfeedback.wrappers import CaptureFrames, RewardFromSource, VectorRewardFromSource

WINDOW = BrightnessConfig("window", context=5, frame_stride=2)  # reads 3 pictures
CONFIGS = [BrightnessConfig(), WINDOW, BrightnessConfig("episode", frame_stride=2)]
LENGTHS = (3, 5, 5)  # steps to the goal: one environment ends before the others
LIMIT = 4  # and the others are cut


def single(steps: int) -> gym.Env[Any, Any]:
    return gym.wrappers.TimeLimit(PointReachEnv(steps, render_mode="rgb_array"), LIMIT)


def worlds(autoreset: AutoresetMode = AutoresetMode.NEXT_STEP) -> SyncVectorEnv[Any, Any]:
    return SyncVectorEnv([partial(single, n) for n in LENGTHS], autoreset_mode=autoreset)


def ones() -> np.ndarray:
    return np.ones((len(LENGTHS), 1), np.float32)


def column_of_singles(
    make: Callable[[int], gym.Env[Any, Any]], autoreset: AutoresetMode, n_steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rewards and environments' rewards (n_steps, N) of a loop over single environments."""
    columns = []
    for steps in LENGTHS:
        env, over, column = make(steps), False, []
        env.reset()
        for _ in range(n_steps):
            if over and autoreset is not AutoresetMode.SAME_STEP:
                env.reset()
            if over and autoreset is AutoresetMode.NEXT_STEP:
                column.append((0.0, 0.0))
                over = False
                continue
            _, reward, terminated, truncated, info = env.step(np.ones(1, np.float32))
            column.append((float(reward), info["env_reward"]))
            over = terminated or truncated
            if over and autoreset is AutoresetMode.SAME_STEP:
                env.reset()
        columns.append(column)
    both = np.array(columns)
    return both[..., 0].T, both[..., 1].T


@pytest.mark.parametrize("autoreset", list(AutoresetMode))
@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("mode", ["replace", "progress", "add", "shape"])
def test_it_equals_the_loop_of_singles(
    mode: Any, config: BrightnessConfig, autoreset: AutoresetMode
) -> None:
    if mode in ("progress", "shape") and config.granularity == "episode":
        pytest.skip("an episode has no potential")

    def make(steps: int) -> RewardFromSource:
        return RewardFromSource(single(steps), BrightnessReward(config), mode=mode, scale=2.0)

    env = VectorRewardFromSource(worlds(autoreset), BrightnessReward(config), mode=mode, scale=2.0)
    env.reset(seed=0)
    rewards, env_rewards = [], []
    for _ in range(13):
        _, reward, terminated, truncated, infos = env.step(ones())
        rewards.append(reward)
        env_rewards.append(infos["env_reward"])
        ended = terminated | truncated
        if autoreset is AutoresetMode.DISABLED and ended.any():
            env.reset(options={"reset_mask": ended})
    expected, expected_env = column_of_singles(make, autoreset, 13)
    assert np.array(rewards).dtype == np.float64
    np.testing.assert_array_equal(rewards, expected)
    np.testing.assert_array_equal(env_rewards, expected_env)


class Opening:
    """Scores the start of the episode: the brightness of the reset's picture, in [0, 1]."""

    needs = SourceNeeds(frames=True, first_frame=True)

    def rewards(self, batch: SegmentBatch) -> np.ndarray:
        starts = batch.first_embeddings
        if starts is None:
            assert batch.first_frames is not None
            starts = self._read(batch.first_frames)
        return np.repeat(starts, batch.n_steps, axis=1)

    def _read(self, frames: np.ndarray) -> np.ndarray:
        return np.asarray(frames.mean(axis=(1, 2, 3)) / 255, dtype=np.float32)[:, None]


class EmbeddedOpening(Opening):
    def embed(self, frames: np.ndarray) -> np.ndarray:
        return self._read(frames)


@pytest.mark.parametrize("autoreset", list(AutoresetMode))
@pytest.mark.parametrize("source", [Opening(), EmbeddedOpening()])
def test_the_picture_of_the_reset_is_that_of_the_episode_that_is_running(
    source: Opening, autoreset: AutoresetMode
) -> None:
    def start_anywhere() -> gym.Env[Any, Any]:
        return gym.wrappers.TimeLimit(
            PointReachEnv(10, render_mode="rgb_array", random_start=True), LIMIT
        )

    inner = SyncVectorEnv([start_anywhere] * 3, autoreset_mode=autoreset)
    env = VectorRewardFromSource(inner, source)
    starts = env.reset(seed=3)[0][:, 0].copy()
    seen, ended = {*starts.tolist()}, np.zeros(3, np.bool_)
    for _ in range(15):
        observations, rewards, terminated, truncated, _ = env.step(ones())
        resets = ended if autoreset is AutoresetMode.NEXT_STEP else np.zeros(3, np.bool_)
        np.testing.assert_allclose(rewards, np.where(resets, 0.0, np.rint(255 * starts) / 255))
        ended = terminated | truncated
        if autoreset is AutoresetMode.SAME_STEP:
            resets = ended
        if autoreset is AutoresetMode.DISABLED and ended.any():
            observations, _ = env.reset(options={"reset_mask": ended})
            resets = ended
        starts[resets] = observations[resets, 0]
        seen |= {*starts.tolist()}
    assert len(seen) > 3


def test_the_picture_of_the_reset_is_rendered_even_if_only_one_asks_for_it() -> None:
    inner = worlds(AutoresetMode.DISABLED)
    env = VectorRewardFromSource(inner, Opening())
    env.reset()
    env.step(ones())
    assert inner.get_attr("renders") == (2, 2, 2)


def test_environments_that_skip_the_reset_are_given_another_capture() -> None:
    bare = [partial(lambda n: CaptureFrames(single(n), at_reset=False), n) for n in LENGTHS]
    inner = SyncVectorEnv(bare, autoreset_mode=AutoresetMode.DISABLED)
    env = VectorRewardFromSource(inner, Opening())
    env.reset()
    np.testing.assert_array_equal(env.step(ones())[1], [0.0, 0.0, 0.0])


def test_the_last_step_is_scored_on_its_own_picture_in_same_step_mode() -> None:
    env = VectorRewardFromSource(worlds(AutoresetMode.SAME_STEP), BrightnessReward())
    env.reset()
    rewards = [env.step(ones())[1][0] for _ in range(4)]
    np.testing.assert_allclose(rewards, [1 / 3, 2 / 3, 1.0, 1 / 3], atol=1e-6)


def test_a_step_that_only_resets_is_not_scored() -> None:
    env = VectorRewardFromSource(worlds(), BrightnessReward(), mode="add")
    env.reset()
    steps = [env.step(ones()) for _ in range(4)]
    assert [step[4]["_env_reward"].tolist() for step in steps] == [
        [True, True, True],
        [True, True, True],
        [True, True, True],
        [False, True, True],
    ]
    assert steps[3][1][0] == 0.0
    assert steps[3][4]["env_reward"][0] == 0.0


def test_all_environments_share_one_call() -> None:
    source = BrightnessEmbedder(WINDOW)
    env = VectorRewardFromSource(worlds(AutoresetMode.DISABLED), source)
    env.reset()
    env.step(ones())
    env.step(ones())
    assert source.embedded == [3, 3]  # the reset and step 0; nobody reads step 1
    assert source.batch_sizes == [3]


def test_only_environments_that_took_a_picture_are_asked_about() -> None:
    source = BrightnessEmbedder(BrightnessConfig(frame_stride=2))
    env = VectorRewardFromSource(worlds(AutoresetMode.SAME_STEP), source)
    env.reset()
    for _ in range(4):  # the first environment ends at step 2 and is at its own step 0 in step 3
        env.step(ones())
    assert source.batch_sizes == source.embedded == [3, 3, 3]


def test_a_picture_nobody_reads_is_never_rendered() -> None:
    inner = worlds(AutoresetMode.DISABLED)
    env = VectorRewardFromSource(inner, BrightnessReward(WINDOW))
    env.reset()
    for _ in range(3):
        env.step(ones())
    assert inner.get_attr("renders") == (3, 3, 3)  # the reset, steps 0 and 2


@pytest.mark.parametrize("autoreset", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_pictures_do_not_reach_the_user(autoreset: AutoresetMode) -> None:
    env = VectorRewardFromSource(worlds(autoreset), BrightnessReward(WINDOW))
    _, infos = env.reset()
    seen = [infos] + [env.step(ones())[4] for _ in range(5)]
    seen += [infos["final_info"] for infos in seen if "final_info" in infos]
    assert not any("frame" in infos or "_frame" in infos for infos in seen)
    assert all("success" in infos for infos in seen)


def test_raw_scores_are_those_of_the_last_step() -> None:
    env = VectorRewardFromSource(worlds(AutoresetMode.SAME_STEP), BrightnessReward(), scale=9.0)
    env.reset()
    for _ in range(3):
        env.step(ones())
    np.testing.assert_allclose(env.source_scores, [1.0, 0.6, 0.6], atol=1e-6)


def test_capturing_is_not_inserted_twice() -> None:
    captured = [partial(lambda n: CaptureFrames(single(n), stride=1), n) for n in LENGTHS]
    inner = SyncVectorEnv(captured)
    env = VectorRewardFromSource(inner, BrightnessReward(WINDOW))
    assert [type(e.env) for e in inner.envs] == [gym.wrappers.TimeLimit] * 3  # type: ignore[attr-defined]
    env.reset()
    np.testing.assert_allclose(env.step(ones())[1], [1 / 9, 0.2 / 3, 0.2 / 3], rtol=1e-6)


def test_a_source_without_pictures_needs_none_captured() -> None:
    class Constant:
        needs = SourceNeeds(observations=True)

        def rewards(self, batch: SegmentBatch) -> np.ndarray:
            assert batch.observations is not None
            return np.asarray(batch.observations[..., 0], dtype=np.float32)

    inner = SyncVectorEnv([PointReachEnv, PointReachEnv])
    env = VectorRewardFromSource(inner, Constant())
    env.reset()
    two = np.ones((2, 1), np.float32)
    rewards = [env.step(two)[1][1] for _ in range(3)]
    np.testing.assert_allclose(rewards, [0.0, 0.2, 0.4], rtol=1e-6)


@pytest.fixture
def point_id() -> Iterator[str]:
    gym.register(
        "VectorPointReach-v0", "vlfeedback.testing.point_reach:PointReachEnv", max_episode_steps=4
    )
    yield "VectorPointReach-v0"
    del gym.registry["VectorPointReach-v0"]


def make_async(id: str, **kwargs: Any) -> gym.vector.VectorEnv[Any, Any, Any]:
    return gym.make_vec(
        id,
        num_envs=2,
        vectorization_mode="async",
        render_mode="rgb_array",
        steps=3,
        vector_kwargs={"context": "spawn", "autoreset_mode": AutoresetMode.SAME_STEP},
        **kwargs,
    )


def test_asynchronous_environments_give_the_same_rewards(point_id: str) -> None:
    env = VectorRewardFromSource(
        make_async(point_id, wrappers=[partial(CaptureFrames, stride=2)]), BrightnessReward(WINDOW)
    )
    twin = VectorRewardFromSource(
        SyncVectorEnv([partial(single, 3)] * 2, autoreset_mode=AutoresetMode.SAME_STEP),
        BrightnessReward(WINDOW),
    )
    try:
        two = np.ones((2, 1), np.float32)
        env.reset(seed=0)
        twin.reset(seed=0)
        for _ in range(5):
            np.testing.assert_array_equal(env.step(two)[1], twin.step(two)[1])
    finally:
        env.close()


def test_asynchronous_environments_without_pictures_are_refused_with_the_call(
    point_id: str,
) -> None:
    inner = make_async(point_id)
    assert isinstance(inner, AsyncVectorEnv)
    try:
        with pytest.raises(RenderError, match=r"functools\.partial\(CaptureFrames, stride=2\)"):
            VectorRewardFromSource(inner, BrightnessReward(WINDOW))
        inner.reset()  # and still runs
    finally:
        inner.close()


def test_environments_that_do_not_render_are_refused() -> None:
    with pytest.raises(RenderError, match="render_mode='rgb_array'"):
        VectorRewardFromSource(SyncVectorEnv([PointReachEnv]), BrightnessReward())


def test_a_missing_instruction_is_refused() -> None:
    class Reader(BrightnessReward):
        def __init__(self) -> None:
            super().__init__()
            self.needs = SourceNeeds(frames=True, instruction=True)

    with pytest.raises(NeedsError, match="reads an instruction"):
        VectorRewardFromSource(worlds(), Reader())


def test_a_second_source_of_pictures_is_refused_at_the_first_one() -> None:
    env = VectorRewardFromSource(worlds(), BrightnessReward(WINDOW))
    second = VectorRewardFromSource(env, BrightnessReward(WINDOW), mode="add")
    with pytest.raises(RenderError, match="Only one VectorRewardFromSource may read pictures"):
        second.reset()


def test_an_environment_that_does_not_say_how_it_resets_is_refused() -> None:
    inner = worlds()
    del inner.metadata["autoreset_mode"]
    with pytest.raises(ValueError, match="AutoresetMode"):
        VectorRewardFromSource(inner, BrightnessReward())
