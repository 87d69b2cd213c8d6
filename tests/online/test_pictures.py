"""Rewards that read pictures: RL-VLM-F's image models, and embeddings of a frozen encoder."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import SAC
from stable_baselines3.common.vec_env import DummyVecEnv
from tests.online.pendulums import small

from vlfeedback.errors import NeedsError
from vlfeedback.models.reward.networks import RewardModelConfig
from vlfeedback.models.reward.training import RewardTraining
from vlfeedback.online import PEBBLE, FeedbackConfig, LearnedRewardBuffer, RecordEpisodes
from vlfeedback.online.memory import available_bytes
from vlfeedback.preferences import PreferenceFromReward
from vlfeedback.testing import BrightnessConfig, BrightnessEmbedder, BrightnessReward, PointReachEnv
from vlfeedback.wrappers.frames import CaptureFrames

STRIDE = 2
CONFIG = FeedbackConfig(
    max_labels=4,
    labels_per_session=2,
    steps_between_sessions=20,
    segment_length=1,
    random_steps=20,
    exploration_steps=0,
    catch_up_updates=0,
)


class Powers(BrightnessEmbedder):
    """Brightness, its square and its cube."""

    def embed(self, frames: np.ndarray) -> np.ndarray:
        brightness = super().embed(frames)
        return np.concatenate([brightness, brightness**2, brightness**3], axis=1)


def point(row: int) -> gym.Env[Any, Any]:
    env = PointReachEnv(steps=200, render_mode="rgb_array", size=48)
    limited: gym.Env[Any, Any] = gym.wrappers.TimeLimit(env, 9)
    return RecordEpisodes(CaptureFrames(limited, stride=STRIDE), seed=0, row=row)


def agent(n_envs: int = 1, buffer_size: int = 100) -> SAC:
    makers: list[Callable[[], Any]] = [lambda row=row: point(row) for row in range(n_envs)]  # type: ignore[misc]
    return SAC(
        "MlpPolicy",
        DummyVecEnv(makers),
        replay_buffer_class=LearnedRewardBuffer,
        buffer_size=buffer_size,
        learning_starts=20,
        seed=0,
        device="cpu",
        **small(),
    )


def learns(inputs: str, **given: Any) -> PEBBLE:
    embeds = inputs == "embeddings"
    reward = RewardModelConfig(
        inputs=inputs,
        frame_stride=STRIDE,
        hidden=(8,),
        picture_size=None if embeds else 47,
        **given,
    )
    return PEBBLE(
        PreferenceFromReward(BrightnessReward(BrightnessConfig(frame_stride=STRIDE))),
        CONFIG,
        reward=reward,
        encoder=Powers() if embeds else None,
        training=RewardTraining(epochs=2),
    )


@pytest.mark.parametrize("inputs", ["frames", "embeddings"])
@pytest.mark.parametrize("n_envs", [1, 2])
def test_a_transition_is_paid_for_the_latest_picture_after_its_action(
    inputs: str, n_envs: int
) -> None:
    model, pebble = agent(n_envs), learns(inputs)
    model.learn(60, callback=pebble)
    buffer, learner = pebble.buffer, pebble.learner
    n = buffer.n_rows
    # The picture is one shade, round(255 x position), and positions are observed.
    positions = buffer.next_observations[:n, :, 0]
    for row in range(n):
        step = row % 9  # of its episode
        newest = row if step % STRIDE == 0 or step == 8 else row - 1
        for k in range(n_envs):
            shade = np.uint8(np.round(255 * positions[newest, k]))
            picture = np.full((1, 48, 48, 3), shade)
            nothing = np.zeros((1, 1), np.float32)
            expected = learner.member_rewards(nothing, nothing, learner.encode(picture)).mean(
                axis=0
            )
            assert buffer.rewards[row, k] == pytest.approx(float(expected[0]), abs=1e-5)
    assert buffer.rewards[:n].std() > 0


def test_a_buffer_with_pictures_comes_back_as_it_was() -> None:
    model, pebble = agent(), learns("embeddings")
    model.learn(40, callback=pebble)
    arrays, notes = pebble.buffer.state()
    other = agent().replay_buffer
    assert isinstance(other, LearnedRewardBuffer)
    other.keep_pictures_for(pebble.learner)
    other.restore(arrays, notes)
    assert other.pictures is not None
    np.testing.assert_array_equal(other.pictures, pebble.buffer.pictures)
    other.pay(pebble.learner)
    np.testing.assert_allclose(other.rewards, pebble.buffer.rewards, atol=1e-6)


def test_pictures_that_do_not_fit_into_memory_are_refused_before_they_are_made() -> None:
    free = available_bytes()
    assert free is not None
    n_rows = 2 * free // (47 * 47 * 3)
    buffer = agent().replay_buffer
    assert isinstance(buffer, LearnedRewardBuffer)
    buffer.buffer_size = int(n_rows)
    pebble = learns("frames")
    pebble.init_callback(agent())
    with pytest.raises(NeedsError, match=r"GB are free\. Give a smaller buffer_size"):
        buffer.keep_pictures_for(pebble.learner)
    assert buffer.pictures is None


def test_pictures_of_no_given_size_are_refused() -> None:
    labeller = PreferenceFromReward(BrightnessReward())
    pebble = PEBBLE(labeller, CONFIG, reward=RewardModelConfig(inputs="frames"))
    with pytest.raises(NeedsError, match="picture_size=None: every transition keeps"):
        agent().learn(10, callback=pebble)
