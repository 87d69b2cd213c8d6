from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models

from vlfeedback import RewardFromSource, make_reward_source
from vlfeedback.encoders import resnet
from vlfeedback.errors import CheckpointError, NeedsError, ShapeError
from vlfeedback.rewards.r3m_goal import R3MGoalConfig, R3MGoalReward
from vlfeedback.testing import PointReachEnv, RewardSourceContract
from vlfeedback.types import SegmentBatch


def pictures(n: int, f: int, height: int = 40, width: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, f, height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def goal(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("goal") / "goal.png"
    Image.fromarray(np.full((64, 64, 3), 255, np.uint8)).save(path)
    return str(path)


def small(**settings: Any) -> R3MGoalReward:
    """Its network reads pictures of 32 px, so that a test takes a moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resnet, "_RESIZE", 36)
        patch.setattr(resnet, "_SIDE", 32)
        return R3MGoalReward(R3MGoalConfig(size=18, random_weights_seed=0, **settings))


@pytest.fixture(scope="module")
def source(goal: str) -> R3MGoalReward:
    return small(goal=goal)


class TestContract(RewardSourceContract):
    @pytest.fixture
    def source(self, source: R3MGoalReward) -> R3MGoalReward:
        return source


def test_the_reward_is_minus_the_distance_to_the_goal(source: R3MGoalReward) -> None:
    frames = pictures(1, 2)
    white = source.embed(np.full((1, 64, 64, 3), 255, np.uint8))[0]
    expected = [-np.sqrt(((features - white) ** 2).sum()) for features in source.embed(frames[0])]
    np.testing.assert_allclose(source.rewards(SegmentBatch(frames=frames))[0], expected, rtol=1e-4)


def test_it_is_zero_at_the_goal_and_less_elsewhere(source: R3MGoalReward) -> None:
    env = PointReachEnv(steps=3, render_mode="rgb_array", size=32)
    wrapped = RewardFromSource(env, source)
    wrapped.reset(seed=0)
    rewards = [wrapped.step(np.ones(1, np.float32))[1] for _ in range(3)]
    assert rewards[2] == pytest.approx(0, abs=1e-3)  # where its picture is white, as the goal
    assert max(rewards[:2]) < -0.1


def test_several_goals_count_as_the_mean_of_their_features(tmp_path: Path) -> None:
    frames = pictures(1, 3)[0]
    paths = [str(tmp_path / f"{name}.png") for name in ("a", "b")]
    for path, frame in zip(paths, frames, strict=False):
        Image.fromarray(frame).save(path)
    source = small(goal=paths)
    first, second, now = source.embed(frames)
    expected = -np.linalg.norm(now - (first + second) / 2)
    rewards = source.rewards(SegmentBatch(frames=frames[None, 2:]))
    np.testing.assert_allclose(rewards, [[expected]], rtol=1e-4)


def test_pictures_of_another_shape_than_the_goals_are_refused(source: R3MGoalReward) -> None:
    with pytest.raises(ShapeError, match=r"64 x 64 px and the environment's have 80 x 60"):
        source.rewards(SegmentBatch(frames=pictures(1, 1, 60, 80)))


def test_features_of_another_network_are_refused(source: R3MGoalReward) -> None:
    with pytest.raises(ShapeError, match=r"'r3m-goal' got features of 7 numbers.*expected 512"):
        source.rewards(SegmentBatch(embeddings=np.zeros((1, 2, 7), np.float32)))


def test_a_goal_is_asked_for() -> None:
    with pytest.raises(NeedsError, match=r"'r3m-goal' compares with a picture of the goal"):
        make_reward_source("r3m-goal.18", random_weights_seed=0)


def test_a_file_of_another_size_or_method_is_named(goal: str, tmp_path: Path) -> None:
    network = models.resnet34()
    network.fc = torch.nn.Identity()
    tensors = {f"module.convnet.{key}": t for key, t in network.state_dict().items()}
    torch.save({"r3m": tensors}, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match=r"ResNet-34.*got size=50; pass size=34"):
        make_reward_source("r3m-goal.50", checkpoint=str(tmp_path / "model.pt"), goal=goal)
    torch.save({"vip": tensors}, tmp_path / "vip.pt")
    with pytest.raises(CheckpointError, match=r"VIP checkpoint.*'r3m-goal' does not read"):
        make_reward_source("r3m-goal.34", checkpoint=str(tmp_path / "vip.pt"), goal=goal)
