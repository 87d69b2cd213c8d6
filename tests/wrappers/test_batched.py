"""Environments that are batched inside and answer with tensors get the rewards of plain ones."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from tests.warm_python import python
from tests.wrappers.batched import BatchedPoints, BatchedPointsVector

from vlfeedback.errors import DtypeError, NeedsError, RenderError, ShapeError
from vlfeedback.testing import BrightnessConfig, BrightnessReward, PointReachEnv
from vlfeedback.types import SegmentBatch, SourceNeeds
from vlfeedback.wrappers import CaptureFrames, RewardFromSource, VectorRewardFromSource

pytest.importorskip("torch")

CONFIGS = [
    BrightnessConfig(),
    BrightnessConfig("window", context=5, frame_stride=2),
    BrightnessConfig("episode", frame_stride=2),
]
LENGTHS = [3, 5]
FULL = np.ones(1, np.float32)
TWO = np.ones((2, 1), np.float32)


class Reader:
    """Scores a step by its observation and action, and keeps what it is told."""

    needs = SourceNeeds(observations=True, actions=True, instruction=True)

    def __init__(self) -> None:
        self.told: list[list[str]] = []

    def rewards(self, batch: SegmentBatch) -> np.ndarray:
        assert batch.observations is not None and batch.actions is not None
        assert batch.instructions is not None
        self.told.append(list(batch.instructions))
        return np.asarray(10 * batch.observations[..., 0] + batch.actions[..., 0], np.float32)


# One world -------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("mode", ["replace", "add"])
def test_one_batched_world_gives_the_rewards_of_a_plain_one(
    config: BrightnessConfig, mode: Any
) -> None:
    batched = RewardFromSource(BatchedPoints([5]), BrightnessReward(config), mode=mode)
    plain = RewardFromSource(
        PointReachEnv(5, render_mode="rgb_array"), BrightnessReward(config), mode=mode
    )
    for env in (batched, plain):
        env.reset(seed=0)
    for _ in range(5):
        _, reward, terminated, truncated, info = batched.step(FULL)
        expected = plain.step(FULL)
        assert (reward, terminated, truncated) == pytest.approx(expected[1:4])
        assert (type(reward), type(terminated), type(truncated)) == (float, bool, bool)
        for key in ("env_reward", "env_return", "source_score", "is_success"):
            assert info[key] == pytest.approx(expected[4][key])


def test_a_source_of_states_sees_the_one_world_without_the_axis_of_worlds() -> None:
    env = RewardFromSource(BatchedPoints([5]), Reader(), instruction="go")
    env.reset(seed=0)
    half = np.full(1, 0.5, np.float32)
    assert [env.step(half)[1] for _ in range(3)] == pytest.approx([0.5, 1.5, 2.5])
    observation, *_ = env.step(half[None])  # a batched action is as good
    assert env.source_score == pytest.approx(3.5)
    assert type(observation).__name__ == "Tensor" and observation.shape == (1, 1)


def test_several_worlds_are_refused_with_the_wrapper_that_takes_them() -> None:
    with pytest.raises(ValueError, match=r"holds 2 worlds .* VectorRewardFromSource"):
        RewardFromSource(BatchedPoints(LENGTHS), BrightnessReward())


# N worlds --------------------------------------------------------------------------------------


def twin(source: Any, autoreset: AutoresetMode) -> VectorRewardFromSource:
    plain = [lambda n=n: PointReachEnv(n, render_mode="rgb_array") for n in LENGTHS]
    return VectorRewardFromSource(SyncVectorEnv(plain, autoreset_mode=autoreset), source)


def batch(autoreset: AutoresetMode, *, numpy: bool = False) -> gym.vector.VectorEnv[Any, Any, Any]:
    env: gym.Env[Any, Any] = BatchedPoints(LENGTHS, numpy=numpy)
    if autoreset is AutoresetMode.SAME_STEP:
        env = CaptureFrames(env)
    return BatchedPointsVector(env, autoreset)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("autoreset", list(AutoresetMode))
def test_batched_worlds_give_the_rewards_of_plain_ones(
    config: BrightnessConfig, autoreset: AutoresetMode
) -> None:
    env = VectorRewardFromSource(batch(autoreset), BrightnessReward(config))
    expected = twin(BrightnessReward(config), autoreset)
    env.reset(seed=0)
    expected.reset(seed=0)
    for _ in range(13):
        _, rewards, terminated, truncated, infos = env.step(TWO)
        _, same, ended, _, expected_infos = expected.step(TWO)
        assert rewards.dtype == np.float64
        np.testing.assert_allclose(rewards, same, atol=1e-7)
        np.testing.assert_array_equal(terminated | truncated, ended)
        for key in ("env_reward", "env_return", "source_score", "is_success"):
            np.testing.assert_allclose(infos[key], expected_infos[key], atol=1e-7)
        assert "frame" not in infos and "frame" not in infos.get("final_info", {})
        if autoreset is AutoresetMode.DISABLED and ended.any():
            env.reset(options={"env_idx": np.flatnonzero(ended)})
            expected.reset(options={"reset_mask": ended})


def test_arrays_of_numpy_are_as_good_as_tensors() -> None:
    env = VectorRewardFromSource(batch(AutoresetMode.NEXT_STEP, numpy=True), BrightnessReward())
    env.reset()
    np.testing.assert_allclose(env.step(TWO)[1], [1 / 3, 0.2], atol=1e-6)


def test_pictures_are_rendered_only_at_the_steps_where_one_is_read() -> None:
    env = VectorRewardFromSource(
        batch(AutoresetMode.DISABLED), BrightnessReward(BrightnessConfig(frame_stride=2))
    )
    env.reset()
    env.step(TWO)
    env.step(TWO)
    assert env.unwrapped.renders == 1  # type: ignore[attr-defined]


def test_pictures_of_a_next_episode_are_not_taken_for_last_ones() -> None:
    env = VectorRewardFromSource(
        BatchedPointsVector(BatchedPoints(LENGTHS), AutoresetMode.SAME_STEP), BrightnessReward()
    )
    env.reset()
    with pytest.raises(RenderError, match=r"NEXT_STEP.*ManiSkillVectorEnv\(CaptureFrames\(env\)\)"):
        env.step(TWO)


@pytest.mark.parametrize(
    ("picture", "error", "message"),
    [
        (np.zeros((4, 4, 3), np.uint8), ShapeError, r"\(4, 4, 3\); expected \(2, H, W, 3\)"),
        (np.zeros((3, 4, 4, 3), np.uint8), ShapeError, r"expected \(2, H, W, 3\)"),
        (np.zeros((2, 4, 4, 3), np.float32), DtypeError, "sources take uint8 0-255"),
        (None, RenderError, "returned NoneType"),
        ((np.zeros((4, 4), np.uint8),) * 2, ShapeError, r"\(4, 4\); expected \(H, W, 3\)"),
    ],
)
def test_pictures_that_are_none_are_refused(
    picture: Any, error: type[Exception], message: str
) -> None:
    inner = batch(AutoresetMode.NEXT_STEP)
    inner.render = lambda: picture  # type: ignore[method-assign]
    env = VectorRewardFromSource(inner, BrightnessReward())
    env.reset()
    with pytest.raises(error, match=message):
        env.step(TWO)


def test_a_tuple_of_pictures_is_as_good_as_an_array() -> None:
    inner = batch(AutoresetMode.NEXT_STEP)
    whole = inner.render
    inner.render = lambda: tuple(np.asarray(whole()))  # type: ignore[method-assign]
    env = VectorRewardFromSource(inner, BrightnessReward())
    env.reset()
    np.testing.assert_allclose(env.step(TWO)[1], [1 / 3, 0.2], atol=1e-6)


def test_worlds_that_do_not_render_are_refused_at_once() -> None:
    inner = BatchedPointsVector(BatchedPoints(LENGTHS, None), AutoresetMode.NEXT_STEP)
    with pytest.raises(RenderError, match="render_mode=None"):
        VectorRewardFromSource(inner, BrightnessReward())


# Instructions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("instruction", [["left", "right"], ("left", "right")])
def test_each_world_has_an_instruction_of_its_own(instruction: Any) -> None:
    source = Reader()
    env = VectorRewardFromSource(batch(AutoresetMode.NEXT_STEP), source, instruction=instruction)
    env.reset()
    np.testing.assert_allclose(env.step(TWO)[1], [1.0, 1.0])
    assert source.told == [["left", "right"]]


def test_another_number_of_instructions_than_worlds_is_refused() -> None:
    with pytest.raises(ValueError, match="3 texts and there are 2 environments"):
        VectorRewardFromSource(batch(AutoresetMode.NEXT_STEP), Reader(), instruction=["a"] * 3)


def test_an_empty_instruction_among_others_is_refused() -> None:
    with pytest.raises(NeedsError, match="instruction=''"):
        VectorRewardFromSource(batch(AutoresetMode.NEXT_STEP), Reader(), instruction=["a", ""])


def test_a_list_of_instructions_for_one_world_is_refused() -> None:
    code = """
from vlfeedback import RewardFromSource
from vlfeedback.testing import PointReachEnv
RewardFromSource(PointReachEnv(), "random", instruction=["left"])
"""
    done = python("-c", code)
    *_, last = done.stderr.splitlines()
    assert last.startswith("vlfeedback.errors.InvalidTypeError: An instruction is ['left']")
    assert last.endswith("is taken by VectorRewardFromSource.")
