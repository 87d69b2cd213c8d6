from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from PIL import Image
from torchvision import models, transforms

from vlfeedback import RewardFromSource, VectorRewardFromSource, make_reward_source, relabel
from vlfeedback.encoders import resnet
from vlfeedback.encoders.batches import PictureEncoder
from vlfeedback.errors import CheckpointError, NeedsError, ShapeError
from vlfeedback.rewards import REWARD_SOURCES
from vlfeedback.rewards.vip import VIPConfig, VIPDistanceReward, VIPPotentialReward
from vlfeedback.testing import PointReachEnv, RewardSourceContract
from vlfeedback.types import ArrayFrames, SegmentBatch, SourceNeeds, Trajectory

FULL = np.ones(1, np.float32)


def pictures(n: int, f: int, size: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, f, size, size, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def goal(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("goal") / "goal.png"
    Image.fromarray(np.full((64, 64, 3), 255, np.uint8)).save(path)
    return str(path)


def small(kind: type[Any], goal: str, **settings: Any) -> Any:
    """Its network reads pictures of 32 px, so that a test takes a moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resnet, "_RESIZE", 36)
        patch.setattr(resnet, "_SIDE", 32)
        return kind(VIPConfig(goal=goal, random_weights_seed=0, **settings))


@pytest.fixture(scope="module")
def distance(goal: str) -> VIPDistanceReward:
    source: VIPDistanceReward = small(VIPDistanceReward, goal)
    return source


@pytest.fixture(scope="module")
def potential(goal: str, distance: VIPDistanceReward) -> VIPPotentialReward:
    source: VIPPotentialReward = small(VIPPotentialReward, goal)
    return source


class TestContractOfTheDistance(RewardSourceContract):
    picture_size = 32

    @pytest.fixture
    def source(self, distance: VIPDistanceReward) -> VIPDistanceReward:
        return distance


class TestContractOfThePotential(RewardSourceContract):
    picture_size = 32
    tolerance = 1e-3  # differences of distances, whose last digits are lost

    @pytest.fixture
    def source(self, potential: VIPPotentialReward) -> VIPPotentialReward:
        return potential


class TestContractOfThePotentialWithPicturesEveryThirdStep(RewardSourceContract):
    picture_size = 32
    tolerance = 1e-3

    @pytest.fixture
    def source(self, goal: str) -> VIPPotentialReward:
        source: VIPPotentialReward = small(VIPPotentialReward, goal, frame_stride=3)
        return source


# The formulas --------------------------------------------------------------------------------


@torch.inference_mode()
def test_rewards_are_the_published_formulas(goal: str, tmp_path: Path) -> None:
    network = models.resnet50()
    network.fc = torch.nn.Linear(2048, 1024)
    tensors = {f"module.convnet.{key}": t for key, t in network.state_dict().items()}
    assert len(tensors) == 320
    torch.save({"vip": tensors}, tmp_path / "model.pt")
    assert (tmp_path / "model.pt").stat().st_size / 1e6 == pytest.approx(102.6, abs=0.3)
    prepare = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    frames = pictures(1, 3)
    shown = [np.array(Image.open(goal)), *frames[0]]
    aim, *seen = network.eval()(torch.stack([prepare(Image.fromarray(f)) for f in shown]))
    values = [-float((features - aim).square().sum().sqrt()) for features in seen]
    config = VIPConfig(goal=goal, checkpoint=str(tmp_path / "model.pt"), preprocess="pil")
    rewards = VIPDistanceReward(config).rewards(SegmentBatch(frames=frames))
    np.testing.assert_allclose(rewards[0], values, rtol=1e-4)
    gains = VIPPotentialReward(config).rewards(SegmentBatch(frames=frames))
    expected = [0, 0, values[2] - values[0]]
    np.testing.assert_allclose(gains[0], expected, atol=1e-4 * abs(values[0]))


def test_a_segments_gain_is_that_between_its_first_and_its_last_picture(
    distance: VIPDistanceReward, potential: VIPPotentialReward
) -> None:
    frames = pictures(2, 4)
    values = distance.rewards(SegmentBatch(frames=frames))
    mask = np.array([[True] * 4, [True, True, False, False]])
    gains = potential.rewards(SegmentBatch(frames=frames, mask=mask))
    expected = np.zeros((2, 4))
    expected[0, 3] = values[0, 3] - values[0, 0]
    expected[1, 1] = values[1, 1] - values[1, 0]
    np.testing.assert_allclose(gains, expected, rtol=1e-3, atol=1e-3)


def test_of_a_segment_only_two_pictures_are_encoded(
    potential: VIPPotentialReward, monkeypatch: pytest.MonkeyPatch
) -> None:
    potential.rewards(SegmentBatch(frames=pictures(1, 1)))  # encodes the goal
    encoded: list[int] = []
    embed = PictureEncoder.embed

    def counting(self: PictureEncoder, frames: np.ndarray) -> np.ndarray:
        encoded.append(len(frames))
        return embed(self, frames)

    monkeypatch.setattr(PictureEncoder, "embed", counting)
    potential.rewards(SegmentBatch(frames=pictures(3, 10)))
    assert encoded == [6]


def test_a_segment_of_one_picture_gains_nothing(potential: VIPPotentialReward) -> None:
    rewards = potential.rewards(SegmentBatch(frames=pictures(2, 1)))
    np.testing.assert_allclose(rewards, 0, atol=1e-3)


def test_several_goals_count_as_the_mean_of_their_features(tmp_path: Path) -> None:
    frames = pictures(1, 3)[0]
    paths = [str(tmp_path / f"{name}.png") for name in ("a", "b")]
    for path, frame in zip(paths, frames, strict=False):
        Image.fromarray(frame).save(path)
    source = small(VIPDistanceReward, paths)  # type: ignore[arg-type]
    first, second, now = source.embed(frames)
    expected = -np.linalg.norm(now - (first + second) / 2)
    rewards = source.rewards(SegmentBatch(frames=frames[None, 2:]))
    np.testing.assert_allclose(rewards, [[expected]], rtol=1e-4)


# In environments -----------------------------------------------------------------------------


def world(limit: int = 100, *, random_start: bool = True) -> gym.Env[Any, Any]:
    # Of 15 steps, so that a float32 observation tells the shade of the picture exactly.
    env = PointReachEnv(15, render_mode="rgb_array", random_start=random_start)
    return gym.wrappers.TimeLimit(env, limit)


def values_at(distance: VIPDistanceReward, positions: list[float]) -> np.ndarray:
    shades = [np.full((8, 8, 3), round(255 * position), np.uint8) for position in positions]
    return np.asarray(distance.rewards(SegmentBatch(frames=np.stack(shades)[None]))[0])


def episode(env: gym.Env[Any, Any], seed: int) -> tuple[list[float], list[float]]:
    """Where the dot was, its start included, and the rewards of an episode."""
    positions, rewards, over = [float(env.reset(seed=seed)[0][0])], [], False
    while not over:
        observation, reward, terminated, truncated, _ = env.step(FULL)
        positions.append(float(observation[0]))
        rewards.append(float(reward))
        over = terminated or truncated
    return positions, rewards


def test_each_step_gains_over_the_one_before_and_the_first_over_the_reset(
    distance: VIPDistanceReward, potential: VIPPotentialReward
) -> None:
    env = RewardFromSource(world(), potential)
    for seed in (0, 1):  # the second episode does not see the first
        positions, rewards = episode(env, seed)
        values = values_at(distance, positions)
        np.testing.assert_allclose(rewards, np.diff(values), rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(sum(rewards), values[-1] - values[0], rtol=1e-3, atol=1e-2)


def test_a_sparse_gain_is_that_over_the_stride_and_held(
    distance: VIPDistanceReward, goal: str
) -> None:
    source = small(VIPPotentialReward, goal, frame_stride=2)
    env = RewardFromSource(world(limit=4, random_start=False), source)
    positions, rewards = episode(env, seed=0)
    values = values_at(distance, positions)
    # Pictures follow the steps 0, 2 and, since the episode ends there, 3.
    gains = np.diff(values[[0, 1, 3, 4]])
    np.testing.assert_allclose(rewards, gains[[0, 0, 1, 2]], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("autoreset", list(AutoresetMode))
def test_no_gain_crosses_from_one_episode_into_the_next(
    potential: VIPPotentialReward, distance: VIPDistanceReward, autoreset: AutoresetMode
) -> None:
    inner = SyncVectorEnv([lambda: world(limit=3)] * 2, autoreset_mode=autoreset)
    env = VectorRewardFromSource(inner, potential)
    before = env.reset(seed=1)[0][:, 0].copy()
    ended = np.zeros(2, np.bool_)
    for _ in range(8):
        observations, rewards, terminated, truncated, infos = env.step(np.ones((2, 1), np.float32))
        after = observations[:, 0].copy()
        resets = ended if autoreset is AutoresetMode.NEXT_STEP else np.zeros(2, np.bool_)
        ended = terminated | truncated
        if autoreset is AutoresetMode.SAME_STEP and ended.any():
            after[ended] = [final[0] for final in infos["final_obs"][ended]]
        values = values_at(distance, [*before.tolist(), *after.tolist()])
        expected = np.where(resets, 0.0, values[2:] - values[:2])
        np.testing.assert_allclose(rewards, expected, rtol=1e-3, atol=1e-3)
        before = observations[:, 0].copy()
        if autoreset is AutoresetMode.DISABLED and ended.any():
            before = env.reset(options={"reset_mask": ended})[0][:, 0].copy()


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kind", [VIPDistanceReward, VIPPotentialReward])
def test_a_recorded_episode_gets_the_rewards_of_a_wrapper(
    kind: type[Any], stride: int, goal: str
) -> None:
    source = small(kind, goal, frame_stride=stride)
    env = RewardFromSource(world(limit=4, random_start=False), source)
    positions, rewards = episode(env, seed=0)
    shades = [np.full((8, 8, 3), round(255 * position), np.uint8) for position in positions]
    recorded = Trajectory(
        observations=np.array(positions, dtype=np.float32)[:, None],
        actions=np.ones((len(rewards), 1), np.float32),
        frames=ArrayFrames(np.arange(len(shades)), np.stack(shades)),
        terminated=False,
        truncated=True,
        id="point",
    )
    (relabelled,) = relabel([recorded], source, instruction="")
    assert relabelled.rewards is not None
    np.testing.assert_allclose(relabelled.rewards, np.array(rewards), rtol=1e-3, atol=1e-3)


# Settings ------------------------------------------------------------------------------------


def test_both_read_pictures_alone_and_share_their_features(
    distance: VIPDistanceReward, potential: VIPPotentialReward, goal: str
) -> None:
    assert distance.needs == SourceNeeds(frames=True)
    assert potential.needs == SourceNeeds(frames=True, granularity="window", context=2)
    sparse = small(VIPPotentialReward, goal, frame_stride=3).needs
    assert sparse == replace(potential.needs, context=4, frame_stride=3)
    assert sparse.context_frames == 2
    assert distance.embedding_id == potential.embedding_id
    assert distance.embed(pictures(1, 1)[0]).shape == (1, 1024)


@pytest.mark.parametrize("name", ["vip-distance", "vip-potential"])
def test_that_the_weights_are_not_for_commercial_use_is_said_where_sources_are_listed(
    name: str,
) -> None:
    assert "not for commercial use" in REWARD_SOURCES.entry(name).summary


def test_a_goal_is_asked_for() -> None:
    with pytest.raises(NeedsError, match=r"'vip-potential' compares with a picture of the goal"):
        make_reward_source("vip-potential", random_weights_seed=0)


def test_pictures_of_another_shape_than_the_goals_are_refused(
    potential: VIPPotentialReward,
) -> None:
    with pytest.raises(ShapeError, match=r"'vip-potential' is a picture of 64 x 64 px"):
        potential.rewards(SegmentBatch(frames=np.zeros((1, 2, 30, 40, 3), np.uint8)))


def test_a_file_of_r3m_is_named(goal: str, tmp_path: Path) -> None:
    network = models.resnet18()
    network.fc = torch.nn.Identity()
    tensors = {f"module.convnet.{key}": t for key, t in network.state_dict().items()}
    torch.save({"r3m": tensors}, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match=r"R3M checkpoint \(ResNet-18\).*does not read"):
        make_reward_source("vip-distance", checkpoint=str(tmp_path / "model.pt"), goal=goal)
