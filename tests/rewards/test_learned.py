from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from vlfeedback import LearnedReward, RewardFromSource, make_reward_source
from vlfeedback.errors import CheckpointError, InvalidValueError, NeedsError, UnknownNameError
from vlfeedback.models.reward.model import RewardModel
from vlfeedback.models.reward.networks import RewardModelConfig
from vlfeedback.rewards import source_from_json, source_to_json
from vlfeedback.rewards.learned import LearnedConfig
from vlfeedback.testing import BrightnessEmbedder, PointReachEnv, RewardSourceContract
from vlfeedback.types import EmbeddingSource, SegmentBatch

BRIGHTNESS = {
    "source": "vlfeedback.testing.brightness:BrightnessEmbedder",
    "config": {"granularity": "step", "context": 1, "frame_stride": 1},
}


def made(config: RewardModelConfig, *shape: int) -> RewardModel:
    model = RewardModel(config, shape)
    model.reward_mean, model.reward_std = 0.02, 0.1
    return model


@pytest.fixture
def states() -> RewardModel:
    return made(RewardModelConfig(hidden=(8,)), 43)


def batch(model: RewardModel, n: int = 4, t: int = 5) -> SegmentBatch:
    rng = np.random.default_rng(0)
    return SegmentBatch(
        observations=rng.normal(size=(n, t, 39)).astype(np.float32),
        actions=rng.normal(size=(n, t, 4)).astype(np.float32),
    )


class TestContractOfStates(RewardSourceContract):
    @pytest.fixture
    def source(self, states: RewardModel) -> LearnedReward:
        return LearnedReward(states)


class TestContractOfPictures(RewardSourceContract):
    @pytest.fixture
    def source(self) -> LearnedReward:
        return LearnedReward(made(RewardModelConfig("frames", n_members=2), 64, 64, 3))


class TestContractOfScaledPicturesEveryThirdStep(RewardSourceContract):
    @pytest.fixture
    def source(self) -> LearnedReward:
        config = RewardModelConfig("frames", n_members=2, picture_size=48, frame_stride=3)
        return LearnedReward(made(config, 48, 48, 3))


class TestContractOfEmbeddings(RewardSourceContract):
    @pytest.fixture
    def source(self) -> LearnedReward:
        config = RewardModelConfig("embeddings", "linear", encoder=BRIGHTNESS)
        return LearnedReward(made(config, 1), encoder=BrightnessEmbedder())


class TestContractOfRawRewards(RewardSourceContract):
    @pytest.fixture
    def source(self, states: RewardModel) -> LearnedReward:
        return LearnedReward(states, normalise=False)


def test_rewards_are_the_mean_of_the_members_standardised_and_cut(states: RewardModel) -> None:
    given = batch(states)
    mean = states.member_rewards(given).mean(axis=0)
    np.testing.assert_allclose(LearnedReward(states, normalise=False).rewards(given), mean)
    rewards = LearnedReward(states).rewards(given)
    np.testing.assert_allclose(rewards, (mean - 0.02) / 0.1, rtol=1e-5, atol=1e-6)
    states.reward_std = 1e-4
    assert set(np.abs(LearnedReward(states).rewards(given)).ravel()) == {5.0}


def test_padding_is_zero_after_standardising(states: RewardModel) -> None:
    given = batch(states)
    mask = np.arange(5) < np.array([5, 3, 1, 2])[:, None]
    rewards = LearnedReward(states).rewards(replace(given, mask=mask))
    assert not rewards[~mask].any()


def test_pictures_are_scored_when_they_are_embedded() -> None:
    source = LearnedReward(made(RewardModelConfig("frames", n_members=2), 48, 48, 3))
    assert isinstance(source, EmbeddingSource)
    frames = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)
    kept = source.embed(frames)
    assert kept.shape == (3, 2)
    rewards = source.model.member_rewards(SegmentBatch(frames=frames[:, None]))
    np.testing.assert_allclose(kept.T, rewards[:, :, 0], rtol=1e-5)


def test_states_cannot_be_embedded(states: RewardModel) -> None:
    with pytest.raises(InvalidValueError, match="reads state-action, no pictures"):
        LearnedReward(states).embed(np.zeros((1, 48, 48, 3), np.uint8))


def test_a_file_is_loaded_by_its_path_and_scores_alike(states: RewardModel, tmp_path: Path) -> None:
    path = str(tmp_path / "model.safetensors")
    states.save(path)
    source = make_reward_source("learned", path=path)
    assert source.needs == LearnedReward(states).needs
    np.testing.assert_array_equal(
        source.rewards(batch(states)), LearnedReward(states).rewards(batch(states))
    )
    raw = make_reward_source("learned", path=path, normalise=False)
    assert np.abs(raw.rewards(batch(states))).max() <= 1


def test_without_a_path_the_command_that_trains_one_is_named() -> None:
    with pytest.raises(NeedsError, match=r"vlfeedback fit reward.*path='their file'"):
        make_reward_source("learned")
    with pytest.raises(NeedsError, match="vlfeedback fit reward"):
        gym.make("LearnedReward-DrawerClose-v0")


def test_json_names_the_weights_and_refuses_others(states: RewardModel, tmp_path: Path) -> None:
    path = str(tmp_path / "model.safetensors")
    states.save(path)
    description = source_to_json(make_reward_source("learned", path=path))
    assert description == {
        "type": "learned",
        "params": {"path": path, "normalise": True, "digest": states.digest()},
        "version": 1,
    }
    source_from_json(description)
    RewardModel(RewardModelConfig(hidden=(8,)), (43,), seed=1).save(path)
    with pytest.raises(CheckpointError, match="holds other weights"):
        source_from_json(description)


def test_two_models_in_memory_have_different_configs(states: RewardModel) -> None:
    other = RewardModel(RewardModelConfig(hidden=(8,)), (43,), seed=1)
    assert LearnedReward(states).config == LearnedConfig(digest=states.digest())
    assert LearnedReward(states).config != LearnedReward(other).config


def test_the_encoder_is_made_again_from_what_the_model_remembers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    remembered = {"source": "vlfeedback.rewards.clip:CLIPReward", "config": {"architecture": "x"}}
    asked: dict[str, Any] = {}

    def make(name: str, **settings: Any) -> BrightnessEmbedder:
        asked.update(settings, name=name)
        return BrightnessEmbedder()

    monkeypatch.setattr("vlfeedback.rewards.learned.make_reward_source", make)
    config = RewardModelConfig("embeddings", "linear", encoder=remembered)
    source = LearnedReward(made(config, 1))
    assert asked == {"name": "clip", "device": "cpu", "architecture": "x"}
    assert source.embed(np.zeros((2, 8, 8, 3), np.uint8)).shape == (2, 1)


def test_an_encoder_that_nobody_knows_is_never_imported() -> None:
    config = RewardModelConfig("embeddings", "linear", encoder={"source": "os:getcwd"})
    with pytest.raises(UnknownNameError, match=r"'os:getcwd', which is no reward source known"):
        LearnedReward(made(config, 1))


def test_an_environment_gets_the_reward_of_its_state_and_action() -> None:
    env = PointReachEnv(steps=2)
    observation, _ = env.reset(seed=0)
    model = made(RewardModelConfig(hidden=(8,)), observation.size + 1)
    wrapped = RewardFromSource(env, LearnedReward(model))
    observation, _ = wrapped.reset(seed=0)
    action = np.full(1, 0.5, np.float32)
    reward = wrapped.step(action)[1]
    step = SegmentBatch(
        observations=np.asarray(observation, np.float32)[None, None], actions=action[None, None]
    )
    assert reward == pytest.approx((model.member_rewards(step).mean() - 0.02) / 0.1, rel=1e-4)
